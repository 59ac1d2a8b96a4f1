from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime, timedelta

import pytest

from mainstay.kernel.core.entity import Entity, EntityEvent

THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
LATER = THEN + timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Cup(Entity):
    id: int
    colour: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class GuestCup(Cup):
    tenant_id: str


class CupBroken(EntityEvent):
    type = "cup.broken"


BLUE = Cup.create(7, {"colour": "blue"}, THEN)
ON_THE_WIRE = {"id": 7, "colour": "blue", "version": 1, "created_at": THEN, "updated_at": THEN}


def test_a_new_entity_is_version_one_and_is_told_in_the_order_of_its_fields() -> None:
    assert list(BLUE.told().items()) == list(ON_THE_WIRE.items())


@pytest.mark.parametrize("fields", [{}, {"colour": "blue", "size": 1}, {"colour": "blue", "version": 2}])
def test_one_is_made_of_its_own_fields_alone(fields: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Cup.create(7, fields, THEN)


@pytest.mark.parametrize("fields", [{"colour": "red"}, {}])
def test_a_change_makes_the_next_version_with_the_given_fields_alone(fields: dict[str, object]) -> None:
    assert BLUE.change(fields, LATER).told() == {**ON_THE_WIRE, "version": 2, "updated_at": LATER, **fields}
    assert BLUE.told() == ON_THE_WIRE


def test_a_change_of_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError):
        BLUE.change({"size": 1}, LATER)


def test_one_that_is_gone_is_told_as_it_was_with_a_version_more() -> None:
    assert BLUE.removed(LATER).told() == {**ON_THE_WIRE, "version": 2, "updated_at": LATER}


def test_an_entity_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        BLUE.colour = "red"  # type: ignore[misc]


def test_an_event_holds_the_whole_entity_and_its_version() -> None:
    event = CupBroken.of(BLUE)
    assert (event.type, event.aggregate_type, event.aggregate_id, event.aggregate_version) == (
        *("cup.broken", "cup"),
        *("7", 1),
    )
    assert (event.data, event.tenant) == (ON_THE_WIRE, "")


def test_an_event_of_a_tenants_entity_says_whose_it_is() -> None:
    assert CupBroken.of(GuestCup(7, "blue", 1, THEN, THEN, "tenant-1")).tenant == "tenant-1"
