"""What PostgreSQL and SQLite have in common: the statements, and the writes.

Each kind of list has its statement, which is built once: the text does not depend on what is looked for.
"""

import functools
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, UnaryExpression, bindparam, func, select

from mainstay.kernel.core.unit import LostRace
from mainstay.kernel.db.repository import Table
from mainstay.kernel.db.statements import Values
from mainstay.kernel.db.unit import Change, SqlUnit
from mainstay.services.tasks.domain import DuplicateTask, Task, search_key
from mainstay.services.tasks.models import TITLE_IS_UNIQUE, TaskRow
from mainstay.services.tasks.repository import OrderBy, TaskQuery, TaskRepository

_ESCAPE = "/"
KINDS_KEPT = 1000
"""Kinds of list whose statement is kept. There are more, but nobody asks for all of them."""

TASKS = Table(TaskRow, Task, more=("title_key", "search_text"))
ID_OF_TITLE = select(TaskRow.id).where(TaskRow.title_key == bindparam("title_key"))


class SqlTaskRepository(TaskRepository):
    """The writes; where they go is the unit's business."""

    def __init__(self, unit: SqlUnit) -> None:
        self._unit = unit

    def add(self, task: Task) -> None:
        """See TaskRepository."""
        self._write(TASKS.add, TASKS.row(task), task)

    def save(self, task: Task) -> None:
        """See TaskRepository."""
        self._write(TASKS.save, TASKS.next(task), task)

    def remove(self, task: Task) -> None:
        """See TaskRepository."""
        self._unit.write(TASKS.remove, TASKS.last(task))

    @abstractmethod
    async def find_id(self, title_key: str) -> int | None:
        """The task that has the title."""

    def _write(self, change: Change, values: Values, task: Task) -> None:
        async def duplicate(error: Exception) -> DuplicateTask:
            existing_id = await self.find_id(task.title_key)
            if existing_id is None:  # removed, or renamed, in between: now there is room
                raise LostRace
            return DuplicateTask(title=task.title, existing_id=existing_id, original_error=error)

        self._unit.write(change, values, {TITLE_IS_UNIQUE: duplicate})


@dataclass(frozen=True, slots=True)
class ListKind:
    """What the text of a list's statement depends on."""

    statuses: int
    assignee: bool
    priority_min: bool
    due_before: bool
    words: int
    order_by: OrderBy
    descending: bool

    @classmethod
    def of(cls, query: TaskQuery) -> "ListKind":
        """The kind of list that a query asks for."""
        return cls(
            statuses=len(query.statuses),
            assignee=query.assignee is not None,
            priority_min=query.priority_min is not None,
            due_before=query.due_before is not None,
            words=len(query.words),
            order_by=query.order_by,
            descending=query.descending,
        )


def listed(query: TaskQuery) -> Values:
    """What PAGE and COUNT of a query's kind take."""
    return {
        "assignee": query.assignee,
        "priority_min": query.priority_min,
        "due_before": query.due_before,
        "limit": query.limit,
        "offset": query.offset,
        **{f"status{number}": status for number, status in enumerate(query.statuses)},
        **{f"word{number}": _pattern(word) for number, word in enumerate(query.words)},
    }


@functools.lru_cache(KINDS_KEPT)
def page(kind: ListKind) -> Select[tuple[object, ...]]:
    """The rows of a page, each with the number of all behind it, so that both are of one moment."""
    filters = list(_filters(kind))
    total = select(func.count()).select_from(TaskRow).where(*filters).scalar_subquery()
    rows = select(*TASKS.columns, total).where(*filters).order_by(*_order(kind))
    return rows.limit(bindparam("limit")).offset(bindparam("offset"))


@functools.lru_cache(KINDS_KEPT)
def count(kind: ListKind) -> Select[tuple[int]]:
    """For a page that is empty: then no row carries the total."""
    return select(func.count()).select_from(TaskRow).where(*_filters(kind))


def _filters(kind: ListKind) -> Iterator[ColumnElement[bool]]:
    if kind.statuses:
        yield TaskRow.status.in_([bindparam(f"status{number}") for number in range(kind.statuses)])
    if kind.assignee:
        yield TaskRow.assignee == bindparam("assignee")
    if kind.priority_min:
        yield TaskRow.priority >= bindparam("priority_min")
    if kind.due_before:
        yield TaskRow.due_date < bindparam("due_before")
    for number in range(kind.words):
        yield TaskRow.search_text.like(bindparam(f"word{number}"), escape=_ESCAPE)


def _order(kind: ListKind) -> tuple[UnaryExpression[Any], ...]:
    column = TaskRow.title_key if kind.order_by == "title" else getattr(TaskRow, kind.order_by)
    first = column.desc() if kind.descending else column.asc()
    # said only where there can be any: it would keep the index of another order from being used backwards
    return (first.nulls_last() if column is TaskRow.due_date else first, TaskRow.created_at.asc(), TaskRow.id.asc())


def _pattern(word: str) -> str:
    """What LIKE takes for a word anywhere in a text; its wildcards are plain characters here."""
    escaped = search_key(word)
    for character in (_ESCAPE, "%", "_"):
        escaped = escaped.replace(character, _ESCAPE + character)
    return f"%{escaped}%"
