from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mainstay.kernel.core.entity import EntityEvent
from mainstay.kernel.core.errors import Kind
from mainstay.services.pets.domain import Pet, PetCreated, PetDeleted, PetNotFound, PetUpdated, species_key

THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
LATER = THEN + timedelta(seconds=1)
MITTENS = Pet.create(7, {"name": "Mittens", "species": "cat", "age_years": 2, "status": "available"}, THEN)


def test_a_new_pet_is_version_one_and_was_changed_when_it_was_created() -> None:
    assert (
        Pet(
            id=7,
            name="Mittens",
            species="cat",
            age_years=2,
            status="available",
            version=1,
            created_at=THEN,
            updated_at=THEN,
        )
        == MITTENS
    )


@pytest.mark.parametrize("missing", ["name", "species", "age_years", "status"])
def test_a_pet_is_never_made_without_one_of_its_fields(missing: str) -> None:
    given = {"name": "Mittens", "species": "cat", "age_years": 2, "status": "available"}
    del given[missing]
    with pytest.raises(TypeError):
        Pet.create(7, given, THEN)


@pytest.mark.parametrize(
    "change",
    [{"name": "Tom"}, {"species": "dog"}, {"age_years": None}, {"age_years": 3}, {"status": "sold"}, {}],
)
def test_a_change_makes_the_next_version_with_the_given_fields_alone(change: dict[str, Any]) -> None:
    changed = MITTENS.change(change, LATER)
    differing = {
        field.name: getattr(changed, field.name)
        for field in fields(Pet)
        if getattr(changed, field.name) != getattr(MITTENS, field.name)
    }
    assert differing == {"version": 2, "updated_at": LATER, **change}


def test_a_change_leaves_the_version_it_was_made_from_as_it_is() -> None:
    MITTENS.change({"name": "Tom"}, LATER)
    assert (MITTENS.name, MITTENS.version, MITTENS.updated_at) == ("Mittens", 1, THEN)


def test_a_change_of_a_field_that_pets_do_not_have_is_refused() -> None:
    with pytest.raises(TypeError):
        MITTENS.change({"colour": "black"}, LATER)


def test_a_pet_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        MITTENS.name = "Tom"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "CAT"),
        ("Straße", "STRASSE"),
        ("straẞe", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("İ", "i̇"),
        ("ﬁnch", "FINCH"),
    ],
)
def test_species_that_differ_in_case_alone_are_one(one: str, other: str) -> None:
    assert species_key(one) == species_key(other)


@pytest.mark.parametrize(("one", "other"), [("cat", "cats"), ("cat", " cat"), ("é", "e"), ("I", "ı"), ("a%", "ab")])  # noqa: RUF001 - that is the point
def test_species_that_differ_in_more_are_two(one: str, other: str) -> None:
    assert species_key(one) != species_key(other)


@pytest.mark.parametrize(
    ("event", "name"), [(PetCreated, "pet.created"), (PetUpdated, "pet.updated"), (PetDeleted, "pet.deleted")]
)
def test_an_event_holds_the_whole_pet_and_its_version(event: type[EntityEvent], name: str) -> None:
    told = event.of(MITTENS)
    assert (told.type, told.aggregate_type, told.aggregate_id, told.aggregate_version) == (name, "pet", "7", 1)
    assert told.data == {
        "id": 7,
        "name": "Mittens",
        "species": "cat",
        "age_years": 2,
        "status": "available",
        "version": 1,
        "created_at": THEN,
        "updated_at": THEN,
    }


def test_two_events_of_one_version_are_told_apart_by_their_ids() -> None:
    assert PetUpdated.of(MITTENS).id != PetUpdated.of(MITTENS).id


def test_a_missing_pet_is_an_error_that_callers_can_tell_by_its_code() -> None:
    error = PetNotFound(id=7)
    assert (error.kind, error.code, error.details) == (Kind.NOT_FOUND, "pet_not_found", {"id": 7})
