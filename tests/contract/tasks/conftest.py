"""The storages of tasks, each held to the same suite. Another one joins with a line in STORAGES."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.core.unit import Key, Reply, Unit
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.http.storage import Storage, postgres_storage
from mainstay.services.tasks.dependencies import sqlite_storage
from mainstay.services.tasks.domain import Task, TaskCreated
from mainstay.services.tasks.postgres import PostgresTaskRepository
from mainstay.services.tasks.repository import TaskQuery, TaskRepository

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
NEW = Task(0, "", None, "new", 3, None, None, AT, AT, None, 1)
CREATED = Reply(201, b"")
EMPTY = (
    "DELETE FROM tasks",
    "DELETE FROM idempotency_keys",
    "DELETE FROM outbox",
    "SELECT setval('tasks_id_seq', 1, false)",
)
PATIENT = Timeouts(pool_wait=30, lock=30, statement=30)
"""What is late on a busy machine is not wrong."""


async def execute(url: str, *statements: str) -> None:
    """Run statements, each its own transaction, on a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def kept_database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """One database for all these tests: to empty it takes a hundredth of the time that a new one takes."""
    with copied_database() as url:
        yield url


@pytest.fixture
def database_url(kept_database_url: str) -> str:
    """A migrated database without a row."""
    asyncio.run(execute(kept_database_url, *EMPTY))
    return kept_database_url


class Tasks:
    """The repository as a service uses it: each write in a unit of work of its own."""

    def __init__(self, storage: Storage[TaskRepository]) -> None:
        self._storage = storage

    @property
    def repository(self) -> TaskRepository:
        """For reads."""
        return self._storage()[0]

    async def new(self, **fields: Any) -> Task:
        """A task with an id of its own, and a title, not stored yet."""
        task_id = await self.repository.next_id()
        return replace(NEW, **{"id": task_id, "title": f"task {task_id}", **fields})

    async def stored(self, **fields: Any) -> Task:
        """A task that is stored."""
        task = await self.new(**fields)
        await self.add(task)
        return task

    async def titled(self, *titles: str) -> list[Task]:
        """Tasks of these titles, stored in this order."""
        return [await self.stored(title=title) for title in titles]

    def adding(self, task: Task) -> Unit:
        """A unit that holds the first version, with the event that a service tells of it."""
        repository, unit = self._storage()
        repository.add(task)
        unit.emit(TaskCreated.of(task))
        return unit

    def saving(self, task: Task) -> Unit:
        """A unit that holds the next version."""
        repository, unit = self._storage()
        repository.save(task)
        return unit

    async def add(self, task: Task, key: Key | None = None, reply: Reply = CREATED) -> None:
        """Commit the first version."""
        await self.adding(task).commit(reply, key)

    async def save(self, task: Task, key: Key | None = None) -> None:
        """Commit the next version."""
        await self.saving(task).commit(Reply(200, b""), key)

    async def remove(self, task: Task, key: Key | None = None) -> None:
        """Commit the removal."""
        repository, unit = self._storage()
        repository.remove(task)
        await unit.commit(Reply(204, b""), key)

    async def write_twice(self, task: Task) -> None:
        """Give one unit two writes."""
        repository, _ = self._storage()
        repository.add(task)
        repository.remove(task)

    async def first(self, key: Key) -> Reply | None:
        """What the key's first use was answered."""
        return await self._storage()[1].first(key)

    async def page(self, limit: int = 100, offset: int = 0, **query: Any) -> Page[Item]:
        """A page of tasks."""
        return await self.repository.find(TaskQuery(limit=limit, offset=offset, **query))

    async def ids(self, **query: Any) -> list[object]:
        """The ids on a page, by id unless another order is asked for."""
        return [item["id"] for item in (await self.page(**{"order_by": "id", **query})).items]


def postgres(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Storage[TaskRepository]]:
    """In a database of these tests' own."""
    url = request.getfixturevalue("database_url")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Storage[TaskRepository]]:
        async with Database(url, pool_min=1, pool_max=3, timeouts=PATIENT) as database:
            yield postgres_storage(PostgresTaskRepository, database)

    return opened()


def sqlite(_: pytest.FixtureRequest) -> AbstractAsyncContextManager[Storage[TaskRepository]]:
    """In memory."""
    return sqlite_storage(keep_keys=3600)


STORAGES = [postgres, sqlite]


@pytest.fixture(params=STORAGES, ids=lambda storage: storage.__name__)
def storage(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Storage[TaskRepository]]:
    """Each storage in turn."""
    found: AbstractAsyncContextManager[Storage[TaskRepository]] = request.param(request)
    return found


@pytest.fixture
async def tasks(storage: AbstractAsyncContextManager[Storage[TaskRepository]]) -> AsyncIterator[Tasks]:
    """No task yet."""
    async with storage as opened:
        yield Tasks(opened)
