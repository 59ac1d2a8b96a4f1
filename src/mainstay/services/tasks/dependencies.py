"""Which storage and which service a request gets."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from mainstay.kernel.core.unit import Unit
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.sqlite import SqliteUnit
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.http.unit import begin
from mainstay.services.tasks.postgres import PostgresTaskRepository
from mainstay.services.tasks.repository import TaskRepository
from mainstay.services.tasks.service import TaskService
from mainstay.services.tasks.sqlite import SqliteTaskRepository, SqliteTasks

Storage = Callable[[], tuple[TaskRepository, Unit]]
"""Makes, for one request, a repository and the unit of work that it writes into. The app keeps it in its state."""


def postgres_storage(database: Database) -> Storage:
    """Tasks in PostgreSQL."""

    def open_unit() -> tuple[TaskRepository, Unit]:
        unit = PostgresUnit(database)
        return PostgresTaskRepository(database, unit), unit

    return open_unit


@asynccontextmanager
async def sqlite_storage(*, keep_keys: float) -> AsyncIterator[Storage]:
    """Tasks in this process, until the end of the block; `keep_keys` in seconds."""
    async with SqliteTasks(keep_keys=keep_keys) as store:

        def open_unit() -> tuple[TaskRepository, Unit]:
            unit = SqliteUnit(store)
            return SqliteTaskRepository(store, unit), unit

        yield open_unit


async def task_repository(request: Request) -> TaskRepository:
    """For the reads."""
    storage: Storage = request.app.state.tasks
    repository, _ = storage()
    return repository


async def task_service(request: Request) -> TaskService:
    """For the writes."""
    storage: Storage = request.app.state.tasks
    repository, unit = storage()
    return TaskService(repository, begin(request, unit))


Tasks = Annotated[TaskRepository, Depends(task_repository)]
Service = Annotated[TaskService, Depends(task_service)]
