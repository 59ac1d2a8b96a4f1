from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from mainstay.kernel.core.errors import PreconditionFailed
from mainstay.kernel.core.etag import ANY_VERSION, TagList
from mainstay.kernel.core.memory import MemoryStore, MemoryUnit
from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.core.unit import LostRace, Reply
from mainstay.services.tasks.domain import DuplicateTask, Task, TaskNotFound
from mainstay.services.tasks.repository import TaskQuery, TaskRepository
from mainstay.services.tasks.service import TaskService

FIELDS: dict[str, Any] = {
    "title": "Fix bug",
    "description": None,
    "status": "new",
    "priority": 3,
    "assignee": None,
    "due_date": None,
}
REPLY = Reply(200, b"")
FIRST, SECOND = TagList.parse('"1"'), TagList.parse('"2"')

Call = Callable[[TaskService, int, TagList], Awaitable[None]]


class Tasks(MemoryStore):
    """What is kept."""

    def __init__(self) -> None:
        super().__init__(keep_keys=60)
        self.by_id: dict[int, Task] = {}
        self.ids = count(1)

    def put(self, task: Task, version_before: int | None) -> None:
        stored = self.by_id.get(task.id)
        if (stored and stored.version) != version_before:
            raise LostRace
        for other in self.by_id.values():
            if other.title_key == task.title_key and other.id != task.id:
                raise DuplicateTask(title=task.title, existing_id=other.id)
        self.by_id[task.id] = task


class FakeTaskRepository(TaskRepository):
    """The least that a service can be tried on."""

    def __init__(self, store: Tasks, unit: MemoryUnit) -> None:
        self._store = store
        self._unit = unit

    async def next_id(self) -> int:
        return next(self._store.ids)

    async def get(self, task_id: int) -> Task:
        if task_id not in self._store.by_id:
            raise TaskNotFound(id=task_id)
        return self._store.by_id[task_id]

    async def find(self, query: TaskQuery) -> Page[Item]:
        raise NotImplementedError

    def add(self, task: Task) -> None:
        self._unit.write(lambda: self._store.put(task, None))

    def save(self, task: Task) -> None:
        self._unit.write(lambda: self._store.put(task, task.version - 1))

    def remove(self, task: Task) -> None:
        self._unit.write(lambda: self._store.by_id.__delitem__(task.id))


class Work:
    """One request's service, and the unit that it fills."""

    def __init__(self, store: Tasks) -> None:
        self.unit = MemoryUnit(store)
        self.tasks = FakeTaskRepository(store, self.unit)
        self.service = TaskService(self.tasks, self.unit)

    @property
    def told(self) -> list[tuple[str, str, int]]:
        return [(event.type, event.aggregate_id, event.aggregate_version) for event in self.unit.events]


@pytest.fixture
def store() -> Tasks:
    return Tasks()


@pytest.fixture
def work(store: Tasks) -> Work:
    return Work(store)


async def created(store: Tasks, **fields: Any) -> Task:
    """A task that is stored."""
    work = Work(store)
    task = await work.service.create({**FIELDS, **fields})
    await work.unit.commit(REPLY, None)
    return task


async def update(service: TaskService, task_id: int, if_match: TagList) -> None:
    await service.update(task_id, if_match, {"status": "completed"})


async def delete(service: TaskService, task_id: int, if_match: TagList) -> None:
    await service.delete(task_id, if_match)


WRITES = pytest.mark.parametrize("write", [update, delete])


async def test_a_created_task_has_an_id_and_its_times_and_is_told_of(work: Work) -> None:
    before = datetime.now(UTC)
    task = await work.service.create(FIELDS)
    assert {name: getattr(task, name) for name in FIELDS} == FIELDS
    assert before <= task.created_at == task.updated_at <= datetime.now(UTC)
    assert task.created_at.tzinfo is UTC
    assert work.told == [("task.created", "1", 1)]


async def test_a_task_that_comes_completed_is_told_of_as_such(work: Work) -> None:
    task = await work.service.create({**FIELDS, "status": "completed"})
    assert task.completed_at == task.created_at
    assert work.told == [("task.created", "1", 1), ("task.completed", "1", 1)]


async def test_each_created_task_has_an_id_of_its_own(store: Tasks) -> None:
    ids = [(await Work(store).service.create(FIELDS)).id for _ in range(3)]
    assert len(set(ids)) == 3


async def test_nothing_is_stored_before_the_commit(work: Work) -> None:
    task = await work.service.create(FIELDS)
    with pytest.raises(TaskNotFound):
        await work.tasks.get(task.id)
    await work.unit.commit(REPLY, None)
    assert await work.tasks.get(task.id) == task


async def test_the_commit_of_a_second_task_of_a_title_raises_and_stores_nothing(store: Tasks, work: Work) -> None:
    first = await created(store)
    await work.service.create({**FIELDS, "title": " fix BUG"})
    with pytest.raises(DuplicateTask) as raised:
        await work.unit.commit(REPLY, None)
    assert raised.value.details == {"title": " fix BUG", "existing_id": first.id}
    assert list(store.by_id.values()) == [first]


@pytest.mark.parametrize("if_match", [ANY_VERSION, FIRST, TagList.parse('"9", W/"1"')])
async def test_an_updated_task_is_the_next_version_and_is_told_of(store: Tasks, work: Work, if_match: TagList) -> None:
    task = await created(store)
    changed = await work.service.update(task.id, if_match, {"priority": 5})
    await work.unit.commit(REPLY, None)
    assert (changed.priority, changed.version, changed.title) == (5, 2, "Fix bug")
    assert changed.created_at == task.created_at <= changed.updated_at <= datetime.now(UTC)
    assert await work.tasks.get(task.id) == changed
    assert work.told == [("task.updated", "1", 2)]


async def test_a_task_that_gets_done_is_told_of_from_the_general_to_the_particular(store: Tasks, work: Work) -> None:
    task = await created(store)
    done = await work.service.update(task.id, FIRST, {"status": "completed"})
    assert done.completed_at == done.updated_at
    assert work.told == [("task.updated", "1", 2), ("task.status_changed", "1", 2), ("task.completed", "1", 2)]


async def test_a_task_may_be_renamed_to_its_own_title_in_other_case(store: Tasks, work: Work) -> None:
    task = await created(store)
    await work.service.update(task.id, FIRST, {"title": "FIX BUG "})
    await work.unit.commit(REPLY, None)
    assert store.by_id[task.id].title == "FIX BUG "


async def test_a_deleted_task_is_gone_and_told_of_with_one_version_more(store: Tasks, work: Work) -> None:
    task = await created(store)
    await work.service.delete(task.id, FIRST)
    await work.unit.commit(REPLY, None)
    assert work.told == [("task.deleted", "1", 2)]
    assert work.unit.events[0].data["title"] == "Fix bug"
    with pytest.raises(TaskNotFound):
        await work.tasks.get(task.id)


@WRITES
async def test_a_write_to_no_task_raises_and_tells_nothing(store: Tasks, work: Work, write: Call) -> None:
    task = await created(store)
    with pytest.raises(TaskNotFound) as raised:
        await write(work.service, task.id + 1, FIRST)
    assert raised.value.details == {"id": task.id + 1}
    assert work.told == []


@WRITES
async def test_a_write_meant_for_another_version_raises_with_the_current_tag(
    store: Tasks, work: Work, write: Call
) -> None:
    task = await created(store)
    with pytest.raises(PreconditionFailed) as raised:
        await write(work.service, task.id, SECOND)
    assert raised.value.etag == '"1"'
    assert work.told == []


async def test_of_two_updates_that_read_one_version_the_later_commit_loses(store: Tasks) -> None:
    task = await created(store)
    winner, loser = Work(store), Work(store)
    await winner.service.update(task.id, FIRST, {"priority": 5})
    await loser.service.update(task.id, FIRST, {"priority": 1})
    await winner.unit.commit(REPLY, None)
    with pytest.raises(LostRace):
        await loser.unit.commit(REPLY, None)
    assert (store.by_id[task.id].priority, store.by_id[task.id].version) == (5, 2)
