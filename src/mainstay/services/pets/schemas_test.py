from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mainstay.kernel.core.page import Page
from mainstay.services.pets.domain import Pet
from mainstay.services.pets.repository import pet_item
from mainstay.services.pets.schemas import PetIn, PetPatch, pet_out, pet_page

WHOLE = TypeAdapter[PetIn](PetIn)
PART = TypeAdapter[PetPatch](PetPatch)
BOTH = pytest.mark.parametrize("schema", [WHOLE, PART], ids=["whole", "part"])
MINIMAL = {"name": "Mittens", "species": "cat"}
AT = datetime(2026, 1, 2, tzinfo=UTC)
MITTENS = Pet(
    id=7, name="Mittens", species="cat", age_years=None, status="sold", version=3, created_at=AT, updated_at=AT
)
ON_THE_WIRE = {"id": 7, "name": "Mittens", "species": "cat", "age_years": None, "status": "sold", "version": 3}

GOOD: list[tuple[str, object]] = [
    ("name", "a"),
    ("name", "x" * 64),
    ("name", "😀" * 64),
    ("name", " kept as sent "),
    ("species", "x" * 64),
    ("age_years", 0),
    ("age_years", 100),
    ("age_years", None),
    ("status", "available"),
    ("status", "pending"),
    ("status", "sold"),
]
BAD_TEXTS: list[object] = ["", "x" * 65, None, 7, True, ["cat"], {}]
BAD_AGES: list[object] = [-1, 101, "7", 2.5, 2.0, True, [], 2**63]
BAD_STATUSES: list[object] = ["lost", "SOLD", "", "sold ", None, 1, True]
UNKNOWN = ["id", "version", "created_at", "colour", "Name", ""]
BAD: list[tuple[str, object]] = [
    *(("name", text) for text in BAD_TEXTS),
    *(("species", text) for text in BAD_TEXTS),
    *(("age_years", age) for age in BAD_AGES),
    *(("status", status) for status in BAD_STATUSES),
    *((field, 1) for field in UNKNOWN),
]


@BOTH
@pytest.mark.parametrize(("field", "value"), GOOD)
def test_takes(schema: TypeAdapter[Any], field: str, value: object) -> None:
    assert dict(schema.validate_python({**MINIMAL, field: value}))[field] == value


@BOTH
@pytest.mark.parametrize(("field", "value"), BAD)
def test_refuses_and_names_the_field(schema: TypeAdapter[Any], field: str, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        schema.validate_python({**MINIMAL, field: value})
    assert {error["loc"][0] for error in raised.value.errors()} == {field}


@BOTH
@pytest.mark.parametrize("value", [None, [], "cat", 7, True])
def test_refuses_what_is_no_object(schema: TypeAdapter[Any], value: object) -> None:
    with pytest.raises(ValidationError):
        schema.validate_python(value)


@pytest.mark.parametrize("missing", ["name", "species"])
def test_a_whole_pet_needs_name_and_species(missing: str) -> None:
    with pytest.raises(ValidationError) as raised:
        WHOLE.validate_python({name: value for name, value in MINIMAL.items() if name != missing})
    assert [(error["loc"], error["type"]) for error in raised.value.errors()] == [((missing,), "missing")]


def test_in_a_whole_pet_what_is_left_out_has_its_default() -> None:
    assert dict(WHOLE.validate_python(MINIMAL)) == {**MINIMAL, "age_years": None, "status": "available"}


def test_in_a_part_what_is_left_out_stays_out() -> None:
    assert dict(PART.validate_python({})) == {}
    assert dict(PART.validate_python({"age_years": None})) == {"age_years": None}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as raised:
        WHOLE.validate_python({"name": "", "age_years": "7", "status": None, "colour": "black"})
    assert {error["loc"][0] for error in raised.value.errors()} == {"name", "species", "age_years", "status", "colour"}


def test_callers_see_a_pet_without_its_times() -> None:
    assert pet_out(MITTENS) == ON_THE_WIRE


@pytest.mark.parametrize(("items", "total"), [([], 0), ([], 5), ([MITTENS], 1)])
def test_a_page_says_where_it_is(items: list[Pet], total: int) -> None:
    page = pet_page(Page([pet_item(pet) for pet in items], total), limit=10, offset=20)
    assert page == {
        "items": [ON_THE_WIRE for _ in items],
        "_meta": {"total": total, "limit": 10, "offset": 20},
    }
