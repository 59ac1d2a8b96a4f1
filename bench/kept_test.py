import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.finding import Finding, exit_code
from bench.kept import Kept
from bench.load import Load
from bench.pgbench import SCRIPTS
from bench.report import Run
from bench.subjects import POSTGRESQL

REACHED = Finding("help", "under 0.3 s", "0.2 s", reached=True)
MISSED = Finding("p99", "under 3 times", "4 times", reached=False)
NOT_SHOWN = Finding("workers", "1.7 times", "-", reached=None)


def kept() -> Kept:
    runs = [
        Run(0, "postgresql", "order", Load(requests=90, seconds=1, p50_ms=1, p99_ms=2)),
        Run(0, "ceiling", "order", Load(requests=60, seconds=1, p50_ms=1, p99_ms=2, cpu_us=7)),
        Run(0, "mainstay", "order", Load(requests=40, seconds=1, p50_ms=1, p99_ms=2, cpu_us=9)),
        Run(0, "template", "order", failure="5 of kind status"),
    ]
    return Kept({"when": "today"}, runs, {"start": ("at noon", [REACHED, MISSED, NOT_SHOWN])})


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    kept().write(tmp_path / "results.json")
    again = Kept.read(tmp_path / "results.json")
    assert again.text() == kept().text()
    assert again.runs[1:] == list(kept().runs[1:])
    load = again.runs[0].load
    assert load is not None
    assert math.isnan(load.cpu_us)


def test_programs_can_read_it(tmp_path: Path) -> None:
    kept().write(tmp_path / "results.json")

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    assert json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse)["about"] == {"when": "today"}


def test_nothing_kept_yet_is_empty(tmp_path: Path) -> None:
    assert Kept.read(tmp_path / "results.json") == Kept(runs=[])


def test_each_part_says_when_it_was_measured_and_what_is_missed() -> None:
    text = kept().text()
    assert "`python -m bench.start` (at noon)" in text
    assert "| p99 | under 3 times | 4 times | **missed** |" in text
    assert "| workers | 1.7 times | - | not shown here |" in text


@pytest.mark.parametrize(
    ("findings", "code"), [([], 0), ([REACHED], 0), ([REACHED, NOT_SHOWN], 0), ([REACHED, MISSED], 1)]
)
def test_what_is_missed_fails_and_what_cannot_be_shown_does_not(findings: list[Finding], code: int) -> None:
    assert exit_code(findings) == code


def test_the_picture_has_a_bar_as_long_as_the_figure(tmp_path: Path) -> None:
    kept().write(tmp_path / "results.json")
    bars = ET.parse(tmp_path / "results.svg").getroot().findall("{*}rect")  # noqa: S314 - our own
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert len(widths) == 2  # what failed, and what is no server, has none
    assert widths[1] / widths[0] == pytest.approx(40 / 60, abs=0.01)


def test_postgresql_itself_is_asked_what_it_is_said_to_answer() -> None:
    assert set(SCRIPTS) == POSTGRESQL.scenarios
    assert not [script for script in SCRIPTS.values() if "$" in script]
