"""From single runs to tables. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.finding import Finding
from bench.load import Load
from bench.scenarios import Scenario
from bench.subjects import Subject

BASES = ("ceiling", "template")
"""What the others are compared with."""


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario on one subject in one round: figures, or why there are none."""

    round: int
    subject: str
    scenario: str
    load: Load | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of several rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])


class Results:
    """All runs of one run of the bench."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs

    @property
    def complete(self) -> bool:
        """Whether every run has figures."""
        return all(run.load for run in self.runs)

    def failure(self, subject: str, scenario: str) -> str:
        """Why there are no figures; empty where all is well. One failed round is enough."""
        return next((run.failure for run in self._of(subject, scenario) if run.load is None), "")

    def spread(self, subject: str, scenario: str, figure: Callable[[Load], float]) -> Spread | None:
        """Over the rounds; None where one failed or there was none."""
        loads = self._loads(subject, scenario)
        return Spread.of(figure(load) for load in loads.values()) if loads else None

    def ratio(self, subject: str, base: str, scenario: str) -> Spread | None:
        """How many times the base's throughput, round by round, so that a machine that slows down hits both."""
        loads, bases = self._loads(subject, scenario), self._loads(base, scenario)
        common = loads.keys() & bases.keys()
        return Spread.of(loads[round_].rate / bases[round_].rate for round_ in common) if common else None

    def _loads(self, subject: str, scenario: str) -> Mapping[int, Load]:
        if self.failure(subject, scenario):
            return {}
        return {run.round: run.load for run in self._of(subject, scenario) if run.load}

    def _of(self, subject: str, scenario: str) -> list[Run]:
        return [run for run in self.runs if (run.subject, run.scenario) == (subject, scenario)]


def tables(results: Results, subjects: Sequence[Subject], scenarios: Sequence[Scenario]) -> str:
    """A table for each scenario, in Markdown."""
    return "\n".join(line for scenario in scenarios for line in _table(results, subjects, scenario))


def targets(results: Results, scenarios: Sequence[Scenario]) -> list[Finding]:
    """What Mainstay has to reach, and what of it was measured."""
    found = []
    for scenario in scenarios:
        for base, target in scenario.targets.items():
            ratio = results.ratio("mainstay", base, scenario.name)
            if ratio:
                reached = ratio.median >= target
                found.append(Finding(scenario.title, f"{target:g} x {base}", f"{ratio.median:.2f}", reached))
    return found


def _table(results: Results, subjects: Sequence[Subject], scenario: Scenario) -> list[str]:
    ratios = " | ".join(f"x {base}" for base in BASES)
    columns = f"| {scenario.title} | requests/s | lowest to highest | p50 ms | p99 ms | CPU us | {ratios} |"
    rows = [_row(results, subject, scenario.name) for subject in subjects if subject.answers(scenario.name)]
    return [columns, "|---|--:|--:|--:|--:|--:|" + "--:|" * len(BASES), *rows, ""]


def _row(results: Results, subject: Subject, scenario: str) -> str:
    rate = results.spread(subject.name, scenario, lambda load: load.rate)
    p50 = results.spread(subject.name, scenario, lambda load: load.p50_ms)
    p99 = results.spread(subject.name, scenario, lambda load: load.p99_ms)
    cpu = results.spread(subject.name, scenario, lambda load: load.cpu_us)
    if rate is None or p50 is None or p99 is None or cpu is None:
        reason, *_ = (results.failure(subject.name, scenario) or "not measured").splitlines()
        return f"| {subject.title} | failed: {reason} |" + " |" * (4 + len(BASES))
    ratios = " | ".join(_ratio(results.ratio(subject.name, base, scenario)) for base in BASES)
    rates = f"{rate.median:,.0f} | {rate.lowest:,.0f} to {rate.highest:,.0f}"
    time = "-" if math.isnan(cpu.median) else f"{cpu.median:.0f}"
    return f"| {subject.title} | {rates} | {p50.median:.1f} | {p99.median:.1f} | {time} | {ratios} |"


def _ratio(ratio: Spread | None) -> str:
    return f"{ratio.median:.2f} ({ratio.lowest:.2f} to {ratio.highest:.2f})" if ratio else "-"
