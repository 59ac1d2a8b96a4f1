"""Pages of pets: filters, order, totals."""

from datetime import UTC, datetime, timedelta
from itertools import chain, product
from typing import TYPE_CHECKING

import pytest

from mainstay.services.pets.domain import STATUSES
from mainstay.services.pets.repository import Sort, pet_item

if TYPE_CHECKING:
    from tests.contract.pets.conftest import Pets

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SORTS: list[Sort] = ["name", "-name", "created_at", "-created_at"]


@pytest.mark.parametrize(("sort", "reverse"), [("name", False), ("-name", True)])
async def test_names_sort_by_code_point(pets: "Pets", sort: Sort, reverse: bool) -> None:
    # by UTF-16 the emoji would come before U+FFAE, by a locale ant before Zebra and é beside e
    names = [
        "zebra",
        "Zebra",
        "ant",
        "Ant",
        "äpfel",
        "Äpfel",
        "éclair",
        "e\u0301clair",
        "_",
        "10",
        "9",
        " a",
        "\uffae",
        "😀",
    ]
    await pets.named(*names)
    found = [pet["name"] for pet in (await pets.page(sort=sort)).items]
    assert found == sorted(names, reverse=reverse)


@pytest.mark.parametrize("sort", SORTS)
async def test_ties_go_by_id_whichever_was_committed_first(pets: "Pets", sort: Sort) -> None:
    first, *rest = [await pets.new(name="same") for _ in range(4)]
    for pet in (*reversed(rest), first):
        await pets.add(pet)
    assert await pets.ids(sort=sort) == [first.id, *(pet.id for pet in rest)]


@pytest.mark.parametrize(("sort", "step"), [("created_at", 1), ("-created_at", -1)])
async def test_times_sort_to_the_microsecond(pets: "Pets", sort: Sort, step: int) -> None:
    made = {offset: await pets.stored(created_at=AT + timedelta(microseconds=offset)) for offset in (1, 0, 10**12)}
    assert await pets.ids(sort=sort) == [made[offset].id for offset in sorted(made)][::step]


async def test_a_change_does_not_move_a_pet_in_the_order_of_creation(pets: "Pets") -> None:
    first, second = await pets.stored(created_at=AT), await pets.stored(created_at=AT + timedelta(1))
    await pets.save(first.change({}, AT + timedelta(2)))
    assert await pets.ids(sort="created_at") == [first.id, second.id]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("cat", "CAT"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("straẞe", "Straße"),
        ("İguana", "i̇guana"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("ﬁnch", "Finch"),
        ("100%", "100%"),
        ("a_b", "A_B"),
        ("a\\b", "A\\B"),
        ("'; --", "'; --"),
    ],
)
async def test_species_are_found_whatever_their_case(pets: "Pets", stored: str, asked: str) -> None:
    pet = await pets.stored(species=stored)
    page = await pets.page(species=asked)
    assert (page.items, page.total) == ([pet_item(pet)], 1)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("cats", "cat"),
        ("cat", "cats"),
        ("cat", "c%"),
        ("cat", "c_t"),
        ("c%", "c\\%"),
        ("cat", " cat"),
        ("é", "e"),
        ("é", "e\u0301"),
        ("cat", ""),
    ],
)
async def test_species_that_differ_in_more_than_case_are_not_found(pets: "Pets", stored: str, asked: str) -> None:
    await pets.stored(species=stored)
    page = await pets.page(species=asked)
    assert (page.items, page.total) == ([], 0)


async def test_a_changed_species_is_found_under_its_new_name_alone(pets: "Pets") -> None:
    pet = await pets.stored(species="cat")
    await pets.save(pet.change({"species": "Dog"}, AT))
    assert await pets.ids(species="dog") == [pet.id]
    assert await pets.ids(species="cat") == []


@pytest.mark.parametrize(("species", "status"), [*product(["CAT", "dog", "cow", None], [*STATUSES, None])])
async def test_filters_hold_together(pets: "Pets", species: str | None, status: str | None) -> None:
    made = [await pets.stored(species=kind, status=state) for kind, state in product(["cat", "dog"], STATUSES)]
    meant = [
        pet for pet in made if species in {pet.species, pet.species.upper(), None} and status in {pet.status, None}
    ]
    page = await pets.page(species=species, status=status)
    assert (list(page.items), page.total) == ([pet_item(pet) for pet in meant], len(meant))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_pages_follow_each_other_without_gap_or_repeat(pets: "Pets", sort: Sort, limit: int) -> None:
    made = await pets.named("c", "a", "b", "b", "a")
    pages = [await pets.ids(sort=sort, limit=limit, offset=offset) for offset in range(0, len(made), limit)]
    assert list(chain(*pages)) == await pets.ids(sort=sort)


@pytest.mark.parametrize("offset", [3, 4, 200, 2**63 - 1])
@pytest.mark.parametrize("limit", [1, 200])
async def test_beyond_the_end_there_is_an_empty_page_with_the_total(pets: "Pets", limit: int, offset: int) -> None:
    await pets.named("a", "b", "c")
    page = await pets.page(limit=limit, offset=offset)
    assert (list(page.items), page.total) == ([], 3)


@pytest.mark.parametrize("offset", [0, 2, 3, 9])
async def test_the_total_counts_what_the_filters_let_through_on_whatever_page(pets: "Pets", offset: int) -> None:
    for species, status in [*[("cat", "sold")] * 3, ("cat", "pending"), ("dog", "sold")]:
        await pets.stored(species=species, status=status)
    filters = [{}, {"species": "Cat"}, {"species": "Cat", "status": "sold"}, {"status": "available"}]
    totals = [(await pets.page(limit=2, offset=offset, **chosen)).total for chosen in filters]
    assert totals == [5, 4, 3, 0]
