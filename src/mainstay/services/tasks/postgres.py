"""Tasks in PostgreSQL."""

import functools

from sqlalchemy import select

from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.statements import Statement
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.tasks import sql
from mainstay.services.tasks.domain import Task, TaskNotFound
from mainstay.services.tasks.models import TASK_IDS
from mainstay.services.tasks.repository import ITEM_FIELDS, TaskQuery
from mainstay.services.tasks.sql import KINDS_KEPT, ListKind, SqlTaskRepository

_NEXT_ID = Statement(select(TASK_IDS.next_value()))
_ID_OF_TITLE = Statement(sql.ID_OF_TITLE)


class PostgresTaskRepository(SqlTaskRepository):
    """See TaskRepository."""

    def __init__(self, database: Database, unit: PostgresUnit) -> None:
        super().__init__(unit)
        self._database = database

    async def next_id(self) -> int:
        """See TaskRepository. From a sequence, so that a lost race or a failed commit leaves a hole, never a repeat."""
        return int(await self._database.fetch_value(_NEXT_ID))

    async def get(self, task_id: int) -> Task:
        """See TaskRepository."""
        row = await self._database.fetch_one(sql.TASKS.get, {"id": task_id})
        if row is None:
            raise TaskNotFound(id=task_id)
        return Task(*row)

    async def find(self, query: TaskQuery) -> Page[Item]:
        """See TaskRepository."""
        kind, values = ListKind.of(query), sql.listed(query)
        rows = await self._database.fetch_all(_page(kind), values)
        if rows:
            return Page([dict(zip(ITEM_FIELDS, row, strict=False)) for row in rows], rows[0][-1])
        return Page([], await self._database.fetch_value(_count(kind), values))

    async def find_id(self, title_key: str) -> int | None:
        """See SqlTaskRepository."""
        found: int | None = await self._database.fetch_value(_ID_OF_TITLE, {"title_key": title_key})
        return found


@functools.lru_cache(KINDS_KEPT)
def _page(kind: ListKind) -> Statement:
    return Statement(sql.page(kind))


@functools.lru_cache(KINDS_KEPT)
def _count(kind: ListKind) -> Statement:
    return Statement(sql.count(kind))
