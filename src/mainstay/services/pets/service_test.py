from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from mainstay.kernel.core.errors import PreconditionFailed
from mainstay.kernel.core.etag import ANY_VERSION, TagList
from mainstay.kernel.core.memory import MemoryUnit
from mainstay.kernel.core.unit import LostRace, Reply
from mainstay.services.pets.domain import Pet, PetNotFound
from mainstay.services.pets.memory import MemoryPetRepository, MemoryPets
from mainstay.services.pets.service import PetService

FIELDS = {"name": "Mittens", "species": "cat", "age_years": 2, "status": "available"}
REPLY = Reply(200, b"")
FIRST, SECOND = TagList.parse('"1"'), TagList.parse('"2"')

Call = Callable[[PetService, int, TagList], Awaitable[None]]


class Work:
    """One request's service, and the unit that it fills."""

    def __init__(self, store: MemoryPets) -> None:
        self.unit = MemoryUnit(store)
        self.pets = MemoryPetRepository(store, self.unit)
        self.service = PetService(self.pets, self.unit)

    @property
    def told(self) -> list[tuple[str, str, int]]:
        return [(event.type, event.aggregate_id, event.aggregate_version) for event in self.unit.events]


@pytest.fixture
def store() -> MemoryPets:
    return MemoryPets(keep_keys=60)


@pytest.fixture
def work(store: MemoryPets) -> Work:
    return Work(store)


@pytest.fixture
async def mittens(store: MemoryPets) -> Pet:
    work = Work(store)
    pet = await work.service.create(FIELDS)
    await work.unit.commit(REPLY, None)
    return pet


async def change(service: PetService, pet_id: int, if_match: TagList) -> None:
    await service.change(pet_id, if_match, {"status": "sold"})


async def delete(service: PetService, pet_id: int, if_match: TagList) -> None:
    await service.delete(pet_id, if_match)


WRITES = pytest.mark.parametrize("write", [change, delete])


async def test_a_created_pet_has_an_id_and_its_times_and_is_told_of(work: Work) -> None:
    before = datetime.now(UTC)
    pet = await work.service.create(FIELDS)
    assert {name: getattr(pet, name) for name in FIELDS} == FIELDS
    assert before <= pet.created_at == pet.updated_at <= datetime.now(UTC)
    assert work.told == [("pet.created", str(pet.id), 1)]


async def test_each_created_pet_has_an_id_of_its_own(store: MemoryPets) -> None:
    ids = [(await Work(store).service.create(FIELDS)).id for _ in range(3)]
    assert len(set(ids)) == 3


async def test_nothing_is_stored_before_the_commit(work: Work) -> None:
    pet = await work.service.create(FIELDS)
    with pytest.raises(PetNotFound):
        await work.pets.get(pet.id)
    await work.unit.commit(REPLY, None)
    assert await work.pets.get(pet.id) == pet


@pytest.mark.parametrize("if_match", [ANY_VERSION, FIRST, TagList.parse('"9", W/"1"')])
async def test_a_changed_pet_is_the_next_version_and_is_told_of(work: Work, mittens: Pet, if_match: TagList) -> None:
    changed = await work.service.change(mittens.id, if_match, {"age_years": None})
    await work.unit.commit(REPLY, None)
    assert (changed.age_years, changed.version, changed.name) == (None, 2, "Mittens")
    assert await work.pets.get(mittens.id) == changed
    assert work.told == [("pet.updated", str(mittens.id), 2)]


async def test_a_change_of_nothing_is_a_new_version_too(work: Work, mittens: Pet) -> None:
    changed = await work.service.change(mittens.id, FIRST, {})
    assert changed.version == 2
    assert work.told == [("pet.updated", str(mittens.id), 2)]


async def test_a_deleted_pet_is_gone_and_told_of_with_one_version_more(work: Work, mittens: Pet) -> None:
    await work.service.delete(mittens.id, FIRST)
    await work.unit.commit(REPLY, None)
    assert work.told == [("pet.deleted", str(mittens.id), 2)]
    with pytest.raises(PetNotFound):
        await work.pets.get(mittens.id)


@WRITES
async def test_a_write_to_no_pet_raises_and_tells_nothing(work: Work, mittens: Pet, write: Call) -> None:
    with pytest.raises(PetNotFound) as raised:
        await write(work.service, mittens.id + 1, FIRST)
    assert raised.value.details == {"id": mittens.id + 1}
    assert work.told == []


@WRITES
async def test_a_write_meant_for_another_version_raises_with_the_current_tag(
    work: Work, mittens: Pet, write: Call
) -> None:
    with pytest.raises(PreconditionFailed) as raised:
        await write(work.service, mittens.id, SECOND)
    assert raised.value.etag == '"1"'
    assert work.told == []


@WRITES
async def test_of_two_writes_that_read_one_version_the_later_commit_loses(
    store: MemoryPets, mittens: Pet, write: Call
) -> None:
    winner, loser = Work(store), Work(store)
    await winner.service.change(mittens.id, FIRST, {"name": "Tom"})
    await write(loser.service, mittens.id, FIRST)
    await winner.unit.commit(REPLY, None)
    with pytest.raises(LostRace):
        await loser.unit.commit(REPLY, None)
    stored = await winner.pets.get(mittens.id)
    assert (stored.name, stored.status, stored.version) == ("Tom", "available", 2)
