"""The lines by which the rest of the repository knows of a service: put in where they belong, and taken out again."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mainstay.cli.scaffold.page import LINE
from mainstay.cli.scaffold.plan import Plan
from mainstay.cli.scaffold.templates import filled

Place = Callable[[str], int]
"""Where in a file's text a block belongs. Raises ValueError where the file is not as it was."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines."""

    path: str
    text: str
    place: Place

    def put_into(self, content: str) -> str:
        """The file with them. Raises ValueError where they have no place."""
        at = self.place(content)
        return content[:at] + self.text + content[at:]

    def taken_out_of(self, content: str) -> str:
        """The file without them. Raises ValueError where they are not there, or not any more as they were."""
        if content.count(self.text) != 1:
            raise ValueError(self.path)
        return content.replace(self.text, "")


@dataclass(frozen=True, slots=True)
class Word:
    """One more name at the end of a list on one line."""

    path: str
    list_: str
    """A pattern of the line up to the end of the list."""
    text: str

    def put_into(self, content: str) -> str:
        """The file with it. Raises ValueError where there is no such list."""
        found = re.search(self.list_, content, re.MULTILINE)
        if found is None:
            raise ValueError(self.path)
        return content[: found.end()] + self.text + content[found.end() :]

    def taken_out_of(self, content: str) -> str:
        """The file without it. Raises ValueError where it is not there."""
        found = re.search(self.list_, content, re.MULTILINE)
        if found is None or not re.search(rf"{re.escape(self.text)}\b", found[0]):
            raise ValueError(self.path)
        line = re.sub(rf"{re.escape(self.text)}\b", "", found[0])
        return content[: found.start()] + line + content[found.end() :]


Registration = Block | Word


def after_last(beginning: str) -> Place:
    """Behind the last line that begins so."""

    def place(content: str) -> int:
        return list(re.finditer(rf"^{re.escape(beginning)}.*\n", content, re.MULTILINE))[-1].end()

    return _or_value_error(place)


def before_end_of(beginning: str, end: str) -> Place:
    """Before the first line `end` behind the line that begins so."""

    def place(content: str) -> int:
        start = re.search(rf"^{re.escape(beginning)}", content, re.MULTILINE)
        return content.index(f"\n{end}\n", start.end() if start else len(content)) + 1

    return _or_value_error(place)


def sorted_into(beginning: str, line: str) -> Place:
    """In the order of the lines that begin so."""

    def place(content: str) -> int:
        lines = list(re.finditer(rf"^{re.escape(beginning)}.*\n", content, re.MULTILINE))
        return next((found.start() for found in lines if found[0] > line), lines[-1].end())

    return _or_value_error(place)


def _or_value_error(place: Place) -> Place:
    def found(content: str) -> int:
        try:
            return place(content)
        except IndexError as error:
            raise ValueError from error

    return found


def registrations(plan: Plan) -> list[Registration]:
    """All of them, in the order in which they are put in."""
    plural, words = plan.names.plural, plan.words()
    upper = plural.upper()
    app, settings, page = "src/mainstay/app/services.py", "src/mainstay/settings.py", "docs/configuration.md"
    return [
        _import(app, f"from mainstay.services.{plural}.repository import {words['Singular']}Repository\n"),
        _import(app, f"from mainstay.services.{plural}.routes import router as {plural}\n"),
        Block(app, _record(words), before_end_of("SERVICES = {", "}")),
        Block(settings, f'    "{plural}",\n', before_end_of("SERVICES = (", ")")),
        Block(settings, f"    auth_mode_{plural}: AuthMode | None = None\n", after_last("    auth_mode_")),
        Word(".env.example", r"^#SERVICES=[a-z,]+", f",{plural}"),
        Block(".env.example", f"#AUTH_MODE_{upper}=\n", after_last("#AUTH_MODE_")),
        Word(page, r"^\| `SERVICES` \| `[a-z,]+", f",{plural}"),
        Block(page, f"| `AUTH_MODE_{upper}` | as `AUTH_MODE` | for {plural} |\n", after_last("| `AUTH_MODE_")),
        Block("docs/FRD.md", _promises(plan), len),
        Block("docs/events.md", filled("lines/events.md", words), len),
        Block(
            "tests/frd_test.py",
            f'    "{words["SINGULAR"]}": "{words["Plural"]}",\n',
            before_end_of("CHAPTERS = {", "}"),
        ),
        Block(
            "tests/conformance/resources.py", filled("lines/resource.py", words), before_end_of("RESOURCES = [", "]")
        ),
    ]


def _import(path: str, line: str) -> Block:
    return Block(path, line, sorted_into("from mainstay.services.", line))


def _record(words: dict[str, str]) -> str:
    about = f'"{words["Plural"]}, the newest first."'
    parts = (words["plural"], about, f"{words['Singular']}Repository")
    line = f'    "{words["plural"]}": Service({", ".join(parts)}),\n'
    if len(line) <= LINE:
        return line
    return f'    "{words["plural"]}": Service(\n' + "".join(f"        {part},\n" for part in parts) + "    ),\n"


def _promises(plan: Plan) -> str:
    words = plan.words()
    more = [name for name, wanted in (("unique", plan.unique), ("tenant", plan.tenant)) if wanted]
    return "".join(filled(name, words) for name in ("lines/frd.md", *(f"lines/frd_{name}.md" for name in more)))
