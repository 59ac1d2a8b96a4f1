"""What was measured last: results.json for programs, and made of it results.md for people and the picture."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.finding import Finding, table
from bench.load import Load
from bench.picture import picture
from bench.report import Results, Run, tables, targets
from bench.scenarios import SCENARIOS
from bench.subjects import SUBJECTS

FILE = Path(__file__).with_name("results.json")


@dataclass(slots=True)
class Kept:
    """Every part, whenever it was measured."""

    about: Mapping[str, str] = field(default_factory=dict)
    """Of the throughput: on what, and when."""
    runs: Sequence[Run] = ()
    parts: dict[str, tuple[str, Sequence[Finding]]] = field(default_factory=dict)
    """Of each of the others when and how busy the machine was, and what was found."""

    @classmethod
    def read(cls, file: Path = FILE) -> "Kept":
        """What is there."""
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        runs = [Run(**{**run, "load": run["load"] and _load(run["load"])}) for run in found.get("runs", ())]
        parts: dict[str, tuple[str, Sequence[Finding]]] = {
            name: (told, [Finding(**finding) for finding in findings])
            for name, (told, findings) in found.get("parts", {}).items()
        }
        return cls(found.get("about", {}), runs, parts)

    def write(self, file: Path = FILE) -> None:
        """All three files."""
        file.write_text(json.dumps(asdict(self, dict_factory=_plain), indent=1, allow_nan=False) + "\n")
        file.with_suffix(".md").write_text(self.text())
        file.with_suffix(".svg").write_text(picture(Results(self.runs), SUBJECTS, SCENARIOS))

    def text(self) -> str:
        """In Markdown."""
        lines = "".join(f"- {name}: {value}\n" for name, value in self.about.items())
        parts = "".join(
            f"\n`python -m bench.{name}` ({told})\n\n{table(found)}" for name, (told, found) in self.parts.items()
        )
        results = Results(self.runs)
        return (
            "# Results\n\nMade by `make bench`; README.md says how to read them.\n\n## Requests a second\n\n"
            f"{lines}\n{tables(results, SUBJECTS, SCENARIOS)}\n{table(targets(results, SCENARIOS))}"
            f"\n## All else that is promised\n{parts}"
        )


def _plain(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Not a number is nothing: JSON has no word for it."""
    return {name: None if value != value else value for name, value in members}  # noqa: PLR0124 - only NaN is so


def _load(members: Mapping[str, Any]) -> Load:
    figures: dict[str, Any] = {name: math.nan if value is None else value for name, value in members.items()}
    return Load(**figures)
