"""One pet, written and read."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mainstay.kernel.core.unit import LostRace
from mainstay.services.pets.domain import PetNotFound

if TYPE_CHECKING:
    from tests.contract.pets.conftest import Pets

LATER = datetime(2026, 2, 3, 4, 5, 6, 789012, UTC)
WRITES = pytest.mark.parametrize("write", ["save", "remove"])


@pytest.mark.parametrize("age", [None, 0, 100])
@pytest.mark.parametrize("text", ["Mittens", "Straße 😀 e\u0301 é", " %_\\'\"; ", "x" * 64])
async def test_what_was_added_is_read_back_equal(pets: "Pets", text: str, age: int | None) -> None:
    pet = await pets.stored(name=text, species=text, age_years=age, status="pending", updated_at=LATER)
    assert await pets.repository.get(pet.id) == pet


@pytest.mark.parametrize("pet_id", [1, 2**63 - 1])
async def test_a_pet_that_is_not_there_is_not_found(pets: "Pets", pet_id: int) -> None:
    with pytest.raises(PetNotFound) as raised:
        await pets.repository.get(pet_id)
    assert raised.value.details == {"id": pet_id}


async def test_nothing_is_written_before_the_commit(pets: "Pets") -> None:
    pet = await pets.new()
    pets.repository.add(pet)
    with pytest.raises(PetNotFound):
        await pets.repository.get(pet.id)


async def test_a_saved_pet_is_as_saved_and_the_others_are_as_they_were(pets: "Pets") -> None:
    other, pet = await pets.named("other", "one")
    after = pet.change({"name": "new", "species": "Dog", "age_years": 7, "status": "sold"}, LATER)
    await pets.save(after)
    assert await pets.repository.get(pet.id) == after
    assert await pets.repository.get(other.id) == other


async def test_a_removed_pet_is_gone_and_the_others_stay(pets: "Pets") -> None:
    other, pet = await pets.named("other", "one")
    await pets.remove(pet)
    with pytest.raises(PetNotFound):
        await pets.repository.get(pet.id)
    assert await pets.ids() == [other.id]


@WRITES
async def test_a_write_to_a_stale_version_loses_the_race_and_changes_nothing(pets: "Pets", write: str) -> None:
    pet = await pets.stored()
    winner = pet.change({"name": "winner"}, LATER)
    await pets.save(winner)
    with pytest.raises(LostRace):
        await getattr(pets, write)(pet.change({"name": "late"}, LATER) if write == "save" else pet)
    assert await pets.repository.get(pet.id) == winner


@WRITES
async def test_a_write_to_a_pet_that_is_gone_loses_the_race(pets: "Pets", write: str) -> None:
    pet = await pets.stored()
    await pets.remove(pet)
    with pytest.raises(LostRace):
        await getattr(pets, write)(pet.change({}, LATER) if write == "save" else pet)
    assert await pets.ids() == []


async def test_no_version_is_passed_over(pets: "Pets") -> None:
    pet = await pets.stored()
    with pytest.raises(LostRace):
        await pets.save(pet.change({}, LATER).change({}, LATER))
    assert await pets.repository.get(pet.id) == pet


async def test_a_unit_takes_one_write(pets: "Pets") -> None:
    with pytest.raises(RuntimeError, match="one row"):
        await pets.write_twice(await pets.new())


async def test_ids_begin_at_one_and_grow(pets: "Pets") -> None:
    assert [pet.id for pet in await pets.named("a", "b", "c")] == [1, 2, 3]


async def test_the_id_of_a_removed_pet_is_not_used_again(pets: "Pets") -> None:
    pet = await pets.stored()
    await pets.remove(pet)
    assert (await pets.stored()).id > pet.id


async def test_the_id_of_a_pet_that_was_never_committed_is_not_used_again(pets: "Pets") -> None:
    pet = await pets.new()
    assert (await pets.stored()).id > pet.id
