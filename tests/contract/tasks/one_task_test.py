"""One task, written and read."""

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from mainstay.kernel.core.unit import LostRace
from mainstay.services.tasks.domain import Task, TaskNotFound
from mainstay.services.tasks.postgres import PostgresTaskRepository
from mainstay.services.tasks.repository import TaskRepository
from mainstay.services.tasks.sql import SqlTaskRepository
from mainstay.services.tasks.sqlite import SqliteTaskRepository

if TYPE_CHECKING:
    from tests.contract.tasks.conftest import Tasks

LATER = datetime(2026, 2, 3, 4, 5, 6, 789012, UTC)
FULL: dict[str, Any] = {
    "description": "since Monday",
    "status": "completed",
    "priority": 5,
    "assignee": "ada",
    "due_date": date(2026, 12, 1),
    "completed_at": LATER,
    "updated_at": LATER,
}
METHODS = ["next_id", "get", "find", "add", "save", "remove"]
WRITES = pytest.mark.parametrize("write", ["save", "remove"])


# Implementations


@pytest.mark.parametrize("implementation", [PostgresTaskRepository, SqliteTaskRepository])
@pytest.mark.parametrize("forgotten", METHODS)
def test_an_implementation_that_forgets_a_method_fails_when_it_is_made(
    implementation: type[TaskRepository], forgotten: str
) -> None:
    methods = {name: getattr(implementation, name) for name in METHODS if name != forgotten}
    with pytest.raises(TypeError, match=f"Forgetful.*{forgotten}"):
        type("Forgetful", (TaskRepository,), methods)()


def test_one_that_has_the_common_writes_needs_the_reads() -> None:
    with pytest.raises(TypeError, match=r"'?find'?, '?find_id'?, '?get'?, '?next_id'?"):
        type("Forgetful", (SqlTaskRepository,), {})(None)


# Reads


@pytest.mark.parametrize("given", [{}, FULL], ids=["least", "most"])
@pytest.mark.parametrize("text", ["Fix bug", "Straße 😀 e\u0301 é", " %_\\'\"; ", "x" * 200])
async def test_what_was_added_is_read_back_equal(tasks: "Tasks", text: str, given: dict[str, Any]) -> None:
    task = await tasks.stored(title=text, **{**given, **({"description": text * 20} if given else {})})
    assert await tasks.repository.get(task.id) == task


@pytest.mark.parametrize("given", [{}, FULL], ids=["least", "most"])
async def test_a_list_shows_every_field(tasks: "Tasks", given: dict[str, Any]) -> None:
    task = await tasks.stored(**given)
    page = await tasks.page()
    assert [dict(item) for item in page.items] == [{field.name: getattr(task, field.name) for field in fields(Task)}]


async def test_all_times_are_aware_and_in_utc(tasks: "Tasks") -> None:
    there = LATER.astimezone(timezone(timedelta(hours=5, minutes=30)))
    task = await tasks.stored(**{**FULL, "created_at": there, "updated_at": there, "completed_at": there})
    read = await tasks.repository.get(task.id)
    (item,) = (await tasks.page()).items
    for name in ("created_at", "updated_at", "completed_at"):
        for time in (getattr(read, name), item[name]):
            assert (time, time.utcoffset()) == (LATER, timedelta(0))
    assert type(read.due_date) is type(item["due_date"]) is date


@pytest.mark.parametrize("task_id", [1, 2**63 - 1])
async def test_a_task_that_is_not_there_is_not_found(tasks: "Tasks", task_id: int) -> None:
    with pytest.raises(TaskNotFound) as raised:
        await tasks.repository.get(task_id)
    assert raised.value.details == {"id": task_id}


# Writes


async def test_nothing_is_written_before_the_commit(tasks: "Tasks") -> None:
    task = await tasks.new()
    tasks.adding(task)
    with pytest.raises(TaskNotFound):
        await tasks.repository.get(task.id)


async def test_a_saved_task_is_as_saved_and_the_others_are_as_they_were(tasks: "Tasks") -> None:
    other, task = await tasks.titled("other", "one")
    after = task.change(
        {
            "title": "new",
            "description": "d",
            "status": "completed",
            "priority": 1,
            "assignee": "a",
            "due_date": date.min,
        },
        LATER,
    )
    await tasks.save(after)
    assert await tasks.repository.get(task.id) == after
    assert await tasks.repository.get(other.id) == other


async def test_what_was_given_may_be_taken_back(tasks: "Tasks") -> None:
    task = await tasks.stored(**FULL)
    after = task.change({"description": None, "status": "new", "assignee": None, "due_date": None}, LATER)
    await tasks.save(after)
    assert await tasks.repository.get(task.id) == after
    assert after.completed_at is None


async def test_a_removed_task_is_gone_and_the_others_stay(tasks: "Tasks") -> None:
    other, task = await tasks.titled("other", "one")
    await tasks.remove(task)
    with pytest.raises(TaskNotFound):
        await tasks.repository.get(task.id)
    assert await tasks.ids() == [other.id]


@WRITES
async def test_a_write_to_a_stale_version_loses_the_race_and_changes_nothing(tasks: "Tasks", write: str) -> None:
    task = await tasks.stored()
    winner = task.change({"title": "winner"}, LATER)
    await tasks.save(winner)
    with pytest.raises(LostRace):
        await getattr(tasks, write)(task.change({"title": "late"}, LATER) if write == "save" else task)
    assert await tasks.repository.get(task.id) == winner


@WRITES
async def test_a_write_to_a_task_that_is_gone_loses_the_race(tasks: "Tasks", write: str) -> None:
    task = await tasks.stored()
    await tasks.remove(task)
    with pytest.raises(LostRace):
        await getattr(tasks, write)(task.change({}, LATER) if write == "save" else task)
    assert await tasks.ids() == []


async def test_no_version_is_passed_over(tasks: "Tasks") -> None:
    task = await tasks.stored()
    with pytest.raises(LostRace):
        await tasks.save(task.change({}, LATER).change({}, LATER))
    assert await tasks.repository.get(task.id) == task


async def test_a_unit_takes_one_write(tasks: "Tasks") -> None:
    with pytest.raises(RuntimeError, match="one row"):
        await tasks.write_twice(await tasks.new())


# Ids


async def test_ids_begin_at_one_and_grow(tasks: "Tasks") -> None:
    assert [task.id for task in await tasks.titled("a", "b", "c")] == [1, 2, 3]


async def test_the_id_of_a_removed_task_is_not_used_again(tasks: "Tasks") -> None:
    task = await tasks.stored()
    await tasks.remove(task)
    assert (await tasks.stored()).id > task.id


async def test_the_id_of_a_task_that_was_never_committed_is_not_used_again(tasks: "Tasks") -> None:
    task = await tasks.new()
    assert (await tasks.stored()).id > task.id
