"""PostgreSQL's unit of work: change, idempotency key and events in ONE statement, hence one round trip and one commit.

    WITH change AS (…), key AS (INSERT … SELECT … FROM change …), events AS (INSERT … SELECT … FROM key …) SELECT …

Every part selects from the part before it. PostgreSQL would run parts that nothing reads in reverse order, and an event
that does not wait for its change would draw its sequence number before the row is locked, so that two writers of one
aggregate could publish in the wrong order. The key comes after the change and has no ON CONFLICT: a taken key undoes
the whole statement.
"""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

import asyncpg
from sqlalchemy import Delete, Insert, Update, literal_column

from mainstay.kernel.core.errors import DomainError, Unavailable
from mainstay.kernel.core.unit import Key, KeyTaken, LostRace, Reply, RequestInProgress, Unit
from mainstay.kernel.db import idempotency, outbox
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.lease import Connection
from mainstay.kernel.db.statements import Statement, Values

Change = Insert | Update | Delete
Violation = Callable[[Exception], Awaitable[DomainError]]
"""Makes the domain error for a violated constraint out of the driver's; async, because it may have to name the row in
the way. Raises LostRace where that row is gone again."""

_KEPT = 1000
"""Texts kept, at most: a repository has a few, but one that makes a statement for each request must not fill memory."""


class SqlUnit(Unit):
    """One row's change, as a statement."""

    def __init__(self) -> None:
        super().__init__()
        self._change: Change | None = None
        self._values: Values = {}
        self._violations: Mapping[str, Violation] = {}

    def write(self, change: Change, values: Values, violations: Mapping[str, Violation] | None = None) -> None:
        """Take the statement to send at the commit; `violations` has the error that each constraint stands for."""
        if self._change is not None:
            raise RuntimeError("a unit writes one row; use its transaction for more")
        self._change, self._values, self._violations = change, values, violations or {}


class PostgresUnit(SqlUnit):
    """The change with its key and its events."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._is_committed = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """For a flow that writes several rows: at the end of the block they are committed, with what was emitted.

        The events draw their sequence there, when the rows that they are about have been written and are locked.
        Nothing is left to `commit` then; an operation that takes an idempotency key cannot be such a flow.
        """
        async with self._database.transaction() as connection:
            yield connection
            for event in self.events:
                await outbox.insert(connection, event)
        self._is_committed = True
        if self.events:
            self._database.committed_events()

    async def commit(self, reply: Reply, key: Key | None) -> None:
        """See Unit. Sends nothing where there is nothing to write."""
        if self._is_committed or (self._change is None and key is None and not self.events):
            return
        change = None if self._change is None else _compiled(self._change)
        text = _compose(change, keyed=key is not None, events=len(self.events))
        arguments = [] if change is None else change.arguments(self._values)
        if key is not None:
            arguments += idempotency.values(key, reply)
        for event in self.events:
            arguments += outbox.values(event)
        try:
            written = await self._database.fetch_text(text, arguments)
        except asyncpg.IntegrityConstraintViolationError as error:
            await self._raise_violation(error)
        except Unavailable as error:
            if _waited_for_key(error.original_error):
                raise RequestInProgress from error
            raise
        if not written:
            raise LostRace
        if self.events:
            self._database.committed_events()

    async def first(self, key: Key) -> Reply | None:
        """See Unit."""
        return await idempotency.IdempotencyRepository(self._database).first(key)

    async def _raise_violation(self, error: asyncpg.IntegrityConstraintViolationError) -> NoReturn:
        if error.constraint_name == idempotency.PRIMARY_KEY:
            raise KeyTaken from error
        violation = self._violations.get(error.constraint_name or "")
        if violation is None:
            raise error
        raise await violation(error) from error


def _waited_for_key(error: BaseException | None) -> bool:
    """Whether a lock time-out was met at the key's own row: then the key's first use is not over."""
    return isinstance(error, asyncpg.LockNotAvailableError) and idempotency.PRIMARY_KEY in (error.context or "")


@functools.lru_cache(_KEPT)
def _compiled(change: Change) -> Statement:
    return Statement(change.returning(literal_column("1")))


@functools.lru_cache(_KEPT)
def _compose(change: Statement | None, *, keyed: bool, events: int) -> str:
    """The whole statement's text. It answers how many rows its last part wrote: none where the change met none."""
    parts = [f"change AS ({change.text if change else 'SELECT 1'})"]
    number, source = change.size if change else 0, "change"
    if keyed:
        row, number = _row(idempotency.COLUMNS, number)
        parts.append(_insert("key", "idempotency_keys", idempotency.COLUMNS, f"SELECT {row} FROM {source}"))
        source = "key"
    if events:
        rows = []
        for position in range(events):
            row, number = _row(outbox.COLUMNS, number)
            rows.append(f"({position}, {row})")
        columns = ", ".join(name for name, _ in outbox.COLUMNS)
        select = f"SELECT {columns} FROM {source}, (VALUES {', '.join(rows)}) AS e(n, {columns}) ORDER BY n"
        parts.append(_insert("events", "outbox", outbox.COLUMNS, select))
        source = "events"
    return f"WITH {', '.join(parts)} SELECT count(*) FROM {source}"


def _row(columns: Sequence[tuple[str, str]], number: int) -> tuple[str, int]:
    """Numbered, typed placeholders for the columns, and the last number used."""
    placeholders = [f"${number + offset}::{kind}" for offset, (_, kind) in enumerate(columns, start=1)]
    return ", ".join(placeholders), number + len(columns)


def _insert(part: str, table: str, columns: Sequence[tuple[str, str]], select: str) -> str:
    names = ", ".join(name for name, _ in columns)
    return f"{part} AS (INSERT INTO {table} ({names}) {select} RETURNING 1)"
