"""A figure with what it has to be: the rows of the second half of the results. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured, beside what is promised."""

    what: str
    target: str
    measured: str
    reached: bool | None
    """None where this machine cannot show it."""


def table(findings: Sequence[Finding]) -> str:
    """In Markdown."""
    heading = "| what | target | measured | |\n|---|---|---|---|\n"
    return heading + "".join(_row(finding) for finding in findings)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 where nothing is missed."""
    return 1 if any(finding.reached is False for finding in findings) else 0


def _row(finding: Finding) -> str:
    verdict = {True: "reached", False: "**missed**", None: "not shown here"}[finding.reached]
    return f"| {finding.what} | {finding.target} | {finding.measured} | {verdict} |\n"
