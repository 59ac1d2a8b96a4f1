"""Bring docs/TIS.md up to the code: its pictures of the rooms, and the lines that links lead to.

A picture is drawn from the imports that there are, so it shows what is and not what was meant. A link whose text is a
name in backticks leads to the line on which that name is defined, `[`Pet.change`](…/domain.py#L40)`. `make tis` writes;
tests/tis_test.py fails where the page is not what this would write.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "TIS.md"
PICTURE = re.compile(r"(<!-- picture: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
LINK = re.compile(r"\[`([\w.]+)(\(\))?`\]\(([^)#]+\.py)(?:#L\d+)?\)")

Arrows = set[tuple[str, str]]
"""Who imports whom."""


def program(module: str) -> str | None:
    """The room of a module: the kernel has several, the services are one here."""
    _, room, *inner = [*module.split("."), ""]
    if room == "kernel":
        return inner[0] or None
    return None if room in {"", "__main__", "migrations"} else room


def service(module: str) -> str | None:
    """The layer of a service's module, whichever service it is."""
    _, room, *inner = [*module.split("."), "", ""]
    return inner[1] or None if room == "services" else None


PICTURES = {"program": program, "service": service}


@cache
def imports() -> Arrows:
    """Of the program's modules, their unit tests left out."""
    graph = grimp.build_graph("mainstay")
    found = ((module, other) for module in graph.modules for other in graph.find_modules_directly_imported_by(module))
    return {pair for pair in found if not any(name.endswith("_test") for name in pair)}


def arrows(picture: str) -> Arrows:
    """Those between the rooms of a picture, without those that a longer way shows already."""
    room_of = PICTURES[picture]
    within = ((room_of(module), room_of(other)) for module, other in imports() if _one_service(module, other, picture))
    return reduced({(room, other) for room, other in within if room and other and room != other})


def _one_service(module: str, other: str, picture: str) -> bool:
    """In the picture of a service, what services take from the kernel is no layer of theirs."""
    return picture != "service" or module.split(".")[:3] == other.split(".")[:3]


def reduced(pairs: Arrows) -> Arrows:
    """The transitive reduction of an acyclic graph. Raises ValueError where there is a cycle."""
    reach = closed(pairs)
    if cycle := sorted(room for room, other in reach if room == other):
        raise ValueError(f"These import each other: {', '.join(cycle)}.")
    rooms = {room for pair in pairs for room in pair}
    longer = {(a, c) for a, b, c in product(rooms, repeat=3) if (a, b) in reach and (b, c) in reach}
    return pairs - longer


def closed(pairs: Arrows) -> Arrows:
    """All that can be reached."""
    reach = set(pairs)
    while more := {(a, d) for a, b in reach for c, d in reach if b == c} - reach:
        reach |= more
    return reach


def drawn(pairs: Iterable[tuple[str, str]]) -> str:
    """As a Mermaid diagram."""
    lines = "".join(f"    {room} --> {other}\n" for room, other in sorted(pairs))
    return f"```mermaid\nflowchart TD\n{lines}```\n"


def line_of(file: Path, name: str) -> int:
    """Where a function, class, method or constant is defined. Raises ValueError if it is not."""
    body: list[ast.stmt] = ast.parse(file.read_text()).body
    line = 0
    for part in name.split("."):
        found = next((node for node in body if part in names(node)), None)
        if found is None:
            raise ValueError(f"There is no {name} in {file.name}.")
        line, body = found.lineno, getattr(found, "body", [])
    return line


def names(node: ast.stmt) -> Iterator[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def current(text: str, folder: Path) -> str:
    """A page in `folder`, with its pictures and lines as the code is. Raises ValueError on a name that is not there."""
    text = PICTURE.sub(lambda found: f"{found[1]}{drawn(arrows(found[2]))}{found[3]}", text)

    def link(found: re.Match[str]) -> str:
        name, call, path = found.groups(default="")
        return f"[`{name}{call}`]({path}#L{line_of(folder / path, name)})"

    return LINK.sub(link, text)


if __name__ == "__main__":
    try:
        PAGE.write_text(current(PAGE.read_text(), PAGE.parent))
    except (OSError, ValueError) as error:
        sys.exit(f"docs/TIS.md: {error}")
