"""Tasks in SQLite, in this process's memory: gone at restart."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from mainstay.kernel.core.clock import ensure_utc
from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.db.sqlite import SqliteStore, SqliteUnit
from mainstay.services.tasks import sql
from mainstay.services.tasks.domain import Task, TaskNotFound
from mainstay.services.tasks.models import TaskRow
from mainstay.services.tasks.repository import ITEM_FIELDS, TaskQuery
from mainstay.services.tasks.sql import ListKind, SqlTaskRepository


class SqliteTasks(SqliteStore):
    """The database, and the ids that it has not given yet."""

    def __init__(self, *, keep_keys: float) -> None:
        super().__init__(TaskRow, keep_keys=keep_keys)
        self.ids = itertools.count(1)


class SqliteTaskRepository(SqlTaskRepository):
    """See TaskRepository."""

    def __init__(self, store: SqliteTasks, unit: SqliteUnit) -> None:
        super().__init__(unit)
        self._store = store

    async def next_id(self) -> int:
        """See TaskRepository."""
        return next(self._store.ids)

    async def get(self, task_id: int) -> Task:
        """See TaskRepository."""
        row = await self._store.run(lambda connection: connection.execute(sql.TASKS.one, {"id": task_id}).first())
        if row is None:
            raise TaskNotFound(id=task_id)
        return Task(*_aware(row))

    async def find(self, query: TaskQuery) -> Page[Item]:
        """See TaskRepository."""
        kind, values = ListKind.of(query), sql.listed(query)
        rows = await self._store.run(lambda connection: connection.execute(sql.page(kind), values).all())
        if rows:
            return Page([dict(zip(ITEM_FIELDS, _aware(row), strict=False)) for row in rows], rows[0][-1])
        total = await self._store.run(lambda connection: connection.execute(sql.count(kind), values).scalar_one())
        return Page([], total)

    async def find_id(self, title_key: str) -> int | None:
        """See SqlTaskRepository."""
        values = {"title_key": title_key}
        return await self._store.run(lambda connection: connection.execute(sql.ID_OF_TITLE, values).scalar())


def _aware(row: Iterable[Any]) -> Iterator[Any]:
    return (ensure_utc(value) if isinstance(value, datetime) else value for value in row)
