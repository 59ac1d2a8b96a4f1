"""Idempotency keys: committed with the change, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, KeyTaken, LostRace, Reply
from mainstay.kernel.db.sqlite import SqliteUnit
from mainstay.services.tasks.domain import DuplicateTask, TaskNotFound
from mainstay.services.tasks.sqlite import SqliteTasks

if TYPE_CHECKING:
    from tests.contract.tasks.conftest import Tasks

KEY = Key(tenant="", scope="POST /v1/tasks", value="k", fingerprint=b"\x01" * 32)
REPLY = Reply(201, b'{"name": "Stra\xc3\x9fe"}\x00\xff', '"1"', "/v1/tasks/1")
LATER = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("reply", [REPLY, Reply(204, b"")])
async def test_a_key_gives_the_first_answer_byte_for_byte(tasks: "Tasks", reply: Reply) -> None:
    await tasks.add(await tasks.new(), KEY, reply)
    assert await tasks.first(KEY) == reply


async def test_a_key_that_was_not_used_has_no_answer(tasks: "Tasks") -> None:
    await tasks.stored()
    assert await tasks.first(KEY) is None


@pytest.mark.parametrize("other", [{"tenant": "t"}, {"scope": "POST /pets"}, {"value": "K"}, {"value": "k "}])
async def test_a_key_in_another_scope_or_spelling_is_another_key(tasks: "Tasks", other: dict[str, Any]) -> None:
    await tasks.add(await tasks.new(), KEY, REPLY)
    other_key = replace(KEY, **other)
    assert await tasks.first(other_key) is None
    await tasks.add(await tasks.new(), other_key, replace(REPLY, etag='"2"'))
    assert await tasks.first(KEY) == REPLY


async def test_a_key_with_another_body_is_refused(tasks: "Tasks") -> None:
    await tasks.add(await tasks.new(), KEY, REPLY)
    with pytest.raises(IdempotencyKeyReused):
        await tasks.first(replace(KEY, fingerprint=b"\x02" * 32))


@pytest.mark.parametrize("fingerprint", [KEY.fingerprint, b"\x02" * 32])
async def test_a_taken_key_keeps_its_answer_and_nothing_is_written(tasks: "Tasks", fingerprint: bytes) -> None:
    first, second = await tasks.new(), await tasks.new()
    await tasks.add(first, KEY, REPLY)
    with pytest.raises(KeyTaken):
        await tasks.add(second, replace(KEY, fingerprint=fingerprint), Reply(201, b"other"))
    assert await tasks.ids() == [first.id]
    assert await tasks.first(KEY) == REPLY


@pytest.mark.parametrize("write", ["save", "remove"])
async def test_a_lost_race_leaves_no_key_behind(tasks: "Tasks", write: str) -> None:
    task = await tasks.stored()
    await tasks.save(task.change({}, LATER))
    with pytest.raises(LostRace):
        await getattr(tasks, write)(task.change({}, LATER) if write == "save" else task, KEY)
    assert await tasks.first(KEY) is None
    await tasks.add(await tasks.new(), KEY, REPLY)
    assert await tasks.first(KEY) == REPLY


async def test_a_duplicate_leaves_no_key_behind(tasks: "Tasks") -> None:
    await tasks.stored(title="Fix bug")
    with pytest.raises(DuplicateTask):
        await tasks.add(await tasks.new(title="fix bug"), KEY, REPLY)
    assert await tasks.first(KEY) is None
    await tasks.add(await tasks.new(), KEY, REPLY)
    assert await tasks.first(KEY) == REPLY


async def test_a_retry_of_a_task_that_is_there_already_finds_the_first_answer(tasks: "Tasks") -> None:
    """The title is what is violated first; the route then asks for the answer to the key."""
    await tasks.add(await tasks.new(title="Fix bug"), KEY, REPLY)
    with pytest.raises(DuplicateTask):
        await tasks.add(await tasks.new(title="Fix bug"), KEY, Reply(201, b"other"))
    assert await tasks.first(KEY) == REPLY


async def test_a_key_outlives_what_it_made(tasks: "Tasks") -> None:
    task = await tasks.new()
    await tasks.add(task, KEY, REPLY)
    await tasks.remove(task)
    with pytest.raises(KeyTaken):
        await tasks.add(await tasks.new(), KEY, REPLY)
    with pytest.raises(TaskNotFound):
        await tasks.repository.get(task.id)
    assert await tasks.first(KEY) == REPLY


async def test_in_sqlite_a_key_whose_time_is_over_is_free_and_forgotten() -> None:
    async with SqliteTasks(keep_keys=0) as store:
        for value in ("a", "b", "a"):
            await SqliteUnit(store).commit(REPLY, replace(KEY, value=value))
        assert await SqliteUnit(store).first(replace(KEY, value="b")) is None
