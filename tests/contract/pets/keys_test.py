"""Idempotency keys: committed with the change, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from mainstay.kernel.core.memory import MemoryUnit
from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, KeyTaken, LostRace, Reply
from mainstay.services.pets.domain import PetNotFound
from mainstay.services.pets.memory import MemoryPets

if TYPE_CHECKING:
    from tests.contract.pets.conftest import Pets

KEY = Key(tenant="", scope="POST /pets", value="k", fingerprint=b"\x01" * 32)
REPLY = Reply(201, b'{"name": "Stra\xc3\x9fe"}\x00\xff', '"1"', "/pets/1")
LATER = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("reply", [REPLY, Reply(204, b"")])
async def test_a_key_gives_the_first_answer_byte_for_byte(pets: "Pets", reply: Reply) -> None:
    await pets.add(await pets.new(), KEY, reply)
    assert await pets.first(KEY) == reply


async def test_a_key_that_was_not_used_has_no_answer(pets: "Pets") -> None:
    await pets.stored()
    assert await pets.first(KEY) is None


@pytest.mark.parametrize("other", [{"tenant": "t"}, {"scope": "POST /dogs"}, {"value": "K"}, {"value": "k "}])
async def test_a_key_in_another_scope_or_spelling_is_another_key(pets: "Pets", other: dict[str, Any]) -> None:
    await pets.add(await pets.new(), KEY, REPLY)
    other_key = replace(KEY, **other)
    assert await pets.first(other_key) is None
    await pets.add(await pets.new(), other_key, replace(REPLY, etag='"2"'))
    assert await pets.first(KEY) == REPLY


async def test_a_key_with_another_body_is_refused(pets: "Pets") -> None:
    await pets.add(await pets.new(), KEY, REPLY)
    with pytest.raises(IdempotencyKeyReused):
        await pets.first(replace(KEY, fingerprint=b"\x02" * 32))


@pytest.mark.parametrize("fingerprint", [KEY.fingerprint, b"\x02" * 32])
async def test_a_taken_key_keeps_its_answer_and_nothing_is_written(pets: "Pets", fingerprint: bytes) -> None:
    first, second = await pets.new(), await pets.new()
    await pets.add(first, KEY, REPLY)
    with pytest.raises(KeyTaken):
        await pets.add(second, replace(KEY, fingerprint=fingerprint), Reply(201, b"other"))
    assert await pets.ids() == [first.id]
    assert await pets.first(KEY) == REPLY


@pytest.mark.parametrize("write", ["save", "remove"])
async def test_a_lost_race_leaves_no_key_behind(pets: "Pets", write: str) -> None:
    pet = await pets.stored()
    await pets.save(pet.change({}, LATER))
    with pytest.raises(LostRace):
        await getattr(pets, write)(pet.change({}, LATER) if write == "save" else pet, KEY)
    assert await pets.first(KEY) is None
    await pets.add(await pets.new(), KEY, REPLY)
    assert await pets.first(KEY) == REPLY


async def test_a_key_outlives_what_it_made(pets: "Pets") -> None:
    pet = await pets.new()
    await pets.add(pet, KEY, REPLY)
    await pets.remove(pet)
    with pytest.raises(KeyTaken):
        await pets.add(await pets.new(), KEY, REPLY)
    with pytest.raises(PetNotFound):
        await pets.repository.get(pet.id)
    assert await pets.first(KEY) == REPLY


async def test_in_memory_a_key_whose_time_is_over_is_free_and_forgotten() -> None:
    store = MemoryPets(keep_keys=0)
    for value in ("a", "b", "a"):
        key = replace(KEY, value=value)
        await MemoryUnit(store).commit(REPLY, key)
        assert await MemoryUnit(store).first(key) is None
    assert len(store._replies) == 1
