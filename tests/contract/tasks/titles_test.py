"""A title is there once, whatever its case and the white space around it."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mainstay.kernel.core.unit import LostRace, Reply, Unit
from mainstay.services.tasks.domain import DuplicateTask, Task
from mainstay.services.tasks.sql import SqlTaskRepository

if TYPE_CHECKING:
    from tests.contract.tasks.conftest import Tasks

LATER = datetime(2026, 2, 3, tzinfo=UTC)
REPLY = Reply(200, b"")
SAME = pytest.mark.parametrize(
    ("there", "new"),
    [
        ("Fix bug", "Fix bug"),
        ("Fix bug", " fix BUG"),
        ("Fix bug\n", "\t\u2003FIX BUG\u00a0"),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ПРАВКА", "правка"),
        ("İ", "i̇"),
    ],
)


@SAME
async def test_a_new_task_of_a_title_that_is_there_is_a_duplicate(tasks: "Tasks", there: str, new: str) -> None:
    first = await tasks.stored(title=there)
    with pytest.raises(DuplicateTask) as raised:
        await tasks.stored(title=new)
    assert raised.value.details == {"title": new, "existing_id": first.id}
    assert await tasks.ids() == [first.id]


@SAME
async def test_so_is_a_task_that_gets_such_a_title(tasks: "Tasks", there: str, new: str) -> None:
    first, second = await tasks.titled(there, "other")
    with pytest.raises(DuplicateTask) as raised:
        await tasks.save(second.change({"title": new}, LATER))
    assert raised.value.details == {"title": new, "existing_id": first.id}
    assert await tasks.repository.get(second.id) == second


@pytest.mark.parametrize(
    ("there", "new"), [("Fix bug", "Fix  bug"), ("é", "e"), ("é", "e\u0301"), ("a%", "ab"), ("a_", "ab"), ("a/", "a\\")]
)
async def test_titles_that_differ_in_more_than_case_are_two(tasks: "Tasks", there: str, new: str) -> None:
    assert await tasks.ids() == []
    first, second = await tasks.titled(there, new)
    assert await tasks.ids() == [first.id, second.id]


@pytest.mark.parametrize("title", ["Fix bug", "FIX BUG ", "fix it"])
async def test_a_task_may_get_its_own_title_in_another_case(tasks: "Tasks", title: str) -> None:
    task = await tasks.stored(title="Fix bug")
    after = task.change({"title": title}, LATER)
    await tasks.save(after)
    assert await tasks.repository.get(task.id) == after


async def test_a_title_is_free_when_its_task_has_another_or_is_gone(tasks: "Tasks") -> None:
    renamed, removed = await tasks.titled("one", "two")
    await tasks.save(renamed.change({"title": "three"}, LATER))
    await tasks.remove(removed)
    again = await tasks.titled("ONE", "TWO")
    assert await tasks.ids() == [renamed.id, *(task.id for task in again)]


async def test_the_error_carries_what_the_driver_said(tasks: "Tasks") -> None:
    await tasks.stored(title="Fix bug")
    with pytest.raises(DuplicateTask) as raised:
        await tasks.stored(title="Fix bug")
    original = raised.value.original_error
    assert "unique" in str(original).lower()
    assert "Fix bug" not in str(raised.value)


@pytest.mark.parametrize("count", [2, 8])
async def test_of_units_that_add_one_title_at_once_one_wins_and_the_others_name_it(tasks: "Tasks", count: int) -> None:
    made = [await tasks.new(title=title) for title in ("Fix bug", " fix BUG") * (count // 2)]
    ended = await committed_at_once([tasks.adding(task) for task in made])
    (winner,) = [task for task, end in zip(made, ended, strict=True) if end is None]
    assert [(type(end), end.details["existing_id"]) for end in ended if isinstance(end, DuplicateTask)] == [
        (DuplicateTask, winner.id)
    ] * (count - 1)
    assert await tasks.ids() == [winner.id]


async def test_of_units_that_rename_to_one_title_at_once_one_wins(tasks: "Tasks") -> None:
    made = await tasks.titled("one", "two")
    ended = await committed_at_once([tasks.saving(task.change({"title": "same"}, LATER)) for task in made])
    assert sorted(type(end).__name__ for end in ended) == ["DuplicateTask", "NoneType"]
    titles = [item["title"] for item in (await tasks.page()).items]
    assert titles.count("same") == 1


async def test_where_the_task_in_the_way_is_gone_again_the_race_is_lost_and_can_be_run_again(
    tasks: "Tasks", monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await tasks.stored(title="Fix bug")
    late = await tasks.new(title="fix bug")
    unit = tasks.adding(late)
    forget_before_the_search(tasks, there, monkeypatch)
    with pytest.raises(LostRace):
        await unit.commit(REPLY, None)
    assert await tasks.ids() == []
    await tasks.add(late)
    assert await tasks.ids() == [late.id]


def forget_before_the_search(tasks: "Tasks", task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the task after it was in the way and before somebody asks for its id."""
    kind = type(tasks.repository)
    assert issubclass(kind, SqlTaskRepository)
    find_id = kind.find_id

    async def removed_first(repository: SqlTaskRepository, title_key: str) -> int | None:
        await tasks.remove(task)
        return await find_id(repository, title_key)

    monkeypatch.setattr(kind, "find_id", removed_first)


async def committed_at_once(units: list[Unit]) -> list[BaseException | None]:
    """What each unit's commit came to."""
    return await asyncio.gather(*(unit.commit(REPLY, None) for unit in units), return_exceptions=True)
