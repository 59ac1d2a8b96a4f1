"""What a request for tasks is given, and where tasks are kept but in PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from mainstay.kernel.core.unit import Unit
from mainstay.kernel.http.storage import Providers, Storage
from mainstay.services.tasks.repository import TaskRepository
from mainstay.services.tasks.service import TaskService


@asynccontextmanager
async def sqlite_storage(*, keep_keys: float) -> AsyncIterator[Storage[TaskRepository]]:
    """Tasks in this process, until the end of the block; `keep_keys` in seconds."""
    from mainstay.kernel.db.sqlite import SqliteUnit  # noqa: PLC0415 - 2 MB that few need
    from mainstay.services.tasks.sqlite import SqliteTaskRepository, SqliteTasks  # noqa: PLC0415 - the same

    async with SqliteTasks(keep_keys=keep_keys) as store:

        def open_unit() -> tuple[TaskRepository, Unit]:
            unit = SqliteUnit(store)
            return SqliteTaskRepository(store, unit), unit

        yield open_unit


_tasks = Providers("tasks", TaskService)

Tasks = Annotated[TaskRepository, Depends(_tasks.repository)]
Service = Annotated[TaskService, Depends(_tasks.service)]
