""".ai: what it mentions is there. A page for assistants that has gone stale is worse than none."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / ".ai").glob("*.md"))
MENTION = re.compile(r"`([^`\n]+)`")
MAKE = re.compile(r"make ([a-z-]+)")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[a-z_]\w*)?")
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
WORDS = {
    "cli > app > settings | services > kernel": "the contract in pyproject.toml",
    "http > db | sinks > ops > core": "likewise",
    "class PetNotFound(NotFound)": "as in services/pets/domain.py",
    "main": "the branch",
    "mainstay new service": "a command",
    "mainstay migrate new": "a command",
    "noqa": "a mark of ruff's",
    "TypedDict": "Python's",
    ".env": "is never there",
    "uv.lock": "likewise",
}
"""What is neither a path, nor a name in the code, nor a target of make."""
COMMIT = re.compile(r"(?:feat|fix|perf|test|docs|refactor)(?:\(\w+\))?: …")


def mentions() -> list[tuple[str, str]]:
    return [(page.name, mention) for page in PAGES for mention in MENTION.findall(page.read_text())]


def is_there(mention: str) -> bool:
    if mention in WORDS or COMMIT.fullmatch(mention):
        return True
    if found := MAKE.fullmatch(mention):
        return f"\n{found[1]}:" in (ROOT / "Makefile").read_text()
    if PATH.fullmatch(mention) and ((ROOT / mention).exists() or any(ROOT.glob(f"src/mainstay/services/*/{mention}"))):
        return True
    return NAME.fullmatch(mention.removeprefix("@")) is not None and mention.removeprefix("@") in defined()


@cache
def defined() -> set[str]:
    """Every function, class and constant of the program and of what tests share, methods with their class."""
    files = [*ROOT.glob("src/**/*.py"), ROOT / "tests" / "conftest.py"]
    return {name for file in files for node in ast.parse(file.read_text()).body for name in names(node)}


def names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef):
        return {node.name, *(f"{node.name}.{name}" for part in node.body for name in names(part))}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_the_pages_are_those_that_assistants_look_for() -> None:
    assert [page.stem for page in PAGES] == ["context", "examples", "git-workflow", "patterns", "rules"]


@pytest.mark.parametrize(("page", "mention"), mentions())
def test_what_is_mentioned_is_there(page: str, mention: str) -> None:
    assert is_there(mention), f".ai/{page} mentions {mention}"


@pytest.mark.parametrize(
    "mention", ["src/mainstay/nothing.py", "NothingRoute", "UnitRoute.nothing", "make nothing", "nothing", "@nothing"]
)
def test_what_is_not_there_would_be_found(mention: str) -> None:
    assert not is_there(mention)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_short(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= 60
