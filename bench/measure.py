"""The rounds: everyone in turn, each turn on fresh data with a server of its own."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import data, pgbench
from bench.conversation import WrongAnswer, converse
from bench.load import Load, LoadFailed, drive
from bench.machine import facts
from bench.report import Results, Run
from bench.scenarios import Scenario
from bench.server import NotServing, Server, pin, serving
from bench.subjects import POSTGRESQL, Subject
from mainstay.kernel.db.embedded import EmbeddedPostgres

# In the checkout: a system's folder for temporary files may be memory, where waiting for the disk costs nothing.
DATA = Path(__file__).with_name(".data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and for how long."""

    subjects: Sequence[Subject]
    scenarios: Sequence[Scenario]
    rounds: int
    seconds: int
    """Of each measurement."""
    warm_up: int
    """Seconds before each measurement: statements get prepared, pools filled, code specialised."""

    def order(self, round_: int) -> Sequence[Subject]:
        """Who comes after whom in a round; turned each time, so that nobody always runs first."""
        first = round_ % len(self.subjects)
        return [*self.subjects[first:], *self.subjects[:first]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where servers run."""

    postgres: str
    """Its URL."""
    folder: Path
    """For logs."""
    core: set[int]
    """Of the server that is measured."""


def measure(plan: Plan) -> tuple[Results, dict[str, str]]:
    """All runs, and what they were made on."""
    core, others = cores()
    pin(others)  # this process and what it starts, PostgreSQL and wrk too; the servers get the other core
    with postgres() as (url, folder):
        data.prepare(url, folder)
        about = facts(data.server_version(url), len(others))
        place = _Place(url, folder, core)
        turns = ((round_, subject) for round_ in range(plan.rounds) for subject in plan.order(round_))
        runs = [run for round_, subject in turns for run in _turn(plan, round_, subject, place)]
    return Results(runs), about


@cache
def cores() -> tuple[set[int], set[int]]:
    """One core for the server, the others for everything else; the same where there is only one.

    Of those that this process began with: later it keeps off the server's.
    """
    first, *rest = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return {first}, set(rest or [first])


@contextmanager
def postgres() -> Iterator[tuple[str, Path]]:
    """A server of our own: its URL, and a folder for this run. Both are gone afterwards."""
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA, prefix="run-") as name:
        folder = Path(name)
        server = EmbeddedPostgres(folder / "postgres", durable=True)
        try:
            yield server.start(), folder
        finally:
            server.stop()


def _turn(plan: Plan, round_: int, subject: Subject, place: _Place) -> list[Run]:
    """One subject's scenarios. Whatever goes wrong with it is a failed run, and the others go on."""
    scenarios = [scenario for scenario in plan.scenarios if subject.answers(scenario.name)]
    database = data.copy(place.postgres)
    _say(f"round {round_ + 1} of {plan.rounds}: {subject.title}")
    if subject is POSTGRESQL:
        return [
            Run(round_, subject.name, scenario.name, *_bare(plan, scenario, database, place)) for scenario in scenarios
        ]
    try:
        with serving(subject, database, place.core, place.folder) as server:
            converse(server.url, subject.answers)
            return [
                Run(round_, subject.name, scenario.name, *_load(plan, scenario, server, database))
                for scenario in scenarios
            ]
    except (NotServing, WrongAnswer) as error:
        _say(f"  FAILED: {error}")
        return [Run(round_, subject.name, scenario.name, None, str(error)) for scenario in scenarios]


def _bare(plan: Plan, scenario: Scenario, database: str, place: _Place) -> tuple[Load | None, str]:
    """The same without a server: whoever sends the statements has its core."""
    try:
        pgbench.drive(database, scenario.name, plan.warm_up, place.core, place.folder)
        load = pgbench.drive(database, scenario.name, plan.seconds, place.core, place.folder)
    except LoadFailed as error:
        _say(f"  {scenario.title}: FAILED: {error}")
        return None, str(error)
    _say(f"  {scenario.title}: {load.rate:,.0f}/s")
    return load, ""


def _load(plan: Plan, scenario: Scenario, server: Server, database: str) -> tuple[Load | None, str]:
    """Figures, or why there are none."""
    try:
        drive(server.url, scenario.name, "warm-up", plan.warm_up)
        events, cpu = data.events(database), server.cpu_seconds()
        load = drive(server.url, scenario.name, "measured", plan.seconds)
        load = replace(load, cpu_us=(server.cpu_seconds() - cpu) / load.requests * 1e6)
        if scenario.writes:
            load.check_written(data.events(database) - events)
    except LoadFailed as error:
        _say(f"  {scenario.title}: FAILED: {error}")
        return None, str(error)
    _say(f"  {scenario.title}: {load.rate:,.0f}/s, {load.cpu_us:.0f} us of processor time each")
    return load, ""


def _say(line: str) -> None:
    """Progress; the tables alone go to stdout."""
    print(line, file=sys.stderr, flush=True)
