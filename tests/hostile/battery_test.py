"""Every kind of hostile input in every place of every operation: a clear 4xx, or what is legal; nothing else.

The operations are those of the OpenAPI document: a new one is tried from the moment that it is there.
"""

import random
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from tests.hostile.battery import Battery
from tests.hostile.calls import World
from tests.hostile.inputs import Input, inputs

SEED = "2026-11-21"
ONE, ALL = 1, 10_000
PLACES = ["body", "field", "query", "path", "header"]

Record = Callable[[str, object], None]


def group_of(each: Input) -> tuple[str, str]:
    """What is tried, and on what type of value: a text's field does not show what becomes of a number."""
    return each.kind, each.types


def chosen(world: World, place: str, most: int) -> list[Input]:
    """Of each kind of input and type of value at most so many, always the same: some operation's, some field's."""
    found = [each for operation in world.operations.values() for each in inputs(operation) if each.place == place]
    picked: list[Input] = []
    for group, members in groupby(sorted(found, key=group_of), key=group_of):
        there = list(members)
        picked += random.Random(f"{SEED} {group}").sample(there, min(most, len(there)))  # noqa: S311 - chooses tests
    return sorted(picked, key=lambda each: each.operation.name)


def test_a_call_of_every_operation_succeeds(world: World) -> None:
    found = {name: world.send(world.call(operation)).status for name, operation in world.operations.items()}
    assert {name: status for name, status in found.items() if status not in {200, 201, 204}} == {}
    for operation in world.operations.values():
        world.used(operation)


@pytest.mark.parametrize(
    "most",
    [pytest.param(ONE, id="some"), pytest.param(ALL, id="all", marks=[pytest.mark.long, pytest.mark.timeout(900)])],
)
@pytest.mark.parametrize("place", PLACES)
def test_hostile_input_is_refused_or_harmless(
    battery: Battery, world: World, server: Any, place: str, most: int, record_property: Record
) -> None:
    figures = battery.fire(chosen(world, place, most))
    record_property("figures", str(figures))
    print(f"{place}: {figures}; {dict(sorted(figures.statuses.items()))}")  # noqa: T201 - the figures
    assert not figures.findings, "\n".join(figures.findings)
    assert figures.statuses.total() > 0
    echoed = next((line for line in server.log if "hostile" in str(line)), None)  # small: pytest explains what it finds
    assert echoed is None
