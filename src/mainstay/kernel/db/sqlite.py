"""SQLite in this process's memory behind the same unit of work: for tries and demonstrations, gone at the end.

The same models and the same SQLAlchemy statements as on PostgreSQL, run by SQLAlchemy itself, one transaction at a
time. Events reach the process's listeners alone.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn, Self, TypeVar

from sqlalchemy import Connection, StaticPool, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from mainstay.kernel.core.clock import ensure_utc, now
from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, KeyTaken, LostRace, Reply
from mainstay.kernel.db.models import Base, IdempotencyKey
from mainstay.kernel.db.statements import Values
from mainstay.kernel.db.unit import SqlUnit

T = TypeVar("T")

_FIRST = select(
    IdempotencyKey.fingerprint,
    IdempotencyKey.status,
    IdempotencyKey.body,
    IdempotencyKey.etag,
    IdempotencyKey.location,
).where(
    IdempotencyKey.tenant_id == bindparam("tenant_id"),
    IdempotencyKey.scope == bindparam("scope"),
    IdempotencyKey.key == bindparam("key"),
    IdempotencyKey.created_at >= bindparam("since"),
)
_FORGET = delete(IdempotencyKey).where(IdempotencyKey.created_at < bindparam("since"))


class SqliteStore:
    """A database on one connection. Use as an asynchronous context manager."""

    def __init__(self, *models: type[Base], keep_keys: float) -> None:
        """`keep_keys`: seconds for which an idempotency key's first answer is kept."""
        kept: tuple[type[Base], ...] = (*models, IdempotencyKey)
        self._tables = [Base.metadata.tables[model.__tablename__] for model in kept]
        self._keep_keys = timedelta(seconds=keep_keys)
        self._engine = create_async_engine(
            "sqlite+aiosqlite://",
            poolclass=StaticPool,
            hide_parameters=True,  # else an error's text, which is logged, holds what callers sent
        )
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Make the tables."""
        await self.run(lambda connection: Base.metadata.create_all(connection, self._tables))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Forget everything."""
        await self._engine.dispose()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, after its transaction has been committed.

        Runs to its end even where the caller is cancelled: SQLAlchemy closes a connection that it was cancelled on, and
        with this one the data would go.
        """
        return await asyncio.shield(self._transact(work))

    async def _transact(self, work: Callable[[Connection], T]) -> T:
        async with self._lock, self._engine.begin() as connection:
            return await connection.run_sync(work)

    def keys_since(self) -> datetime:
        """From when on idempotency keys are still kept."""
        return now() - self._keep_keys


class SqliteUnit(SqlUnit):
    """One row's change with its key, in one transaction. Names one violation at most."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__()
        self._store = store

    async def commit(self, reply: Reply, key: Key | None) -> None:
        """See Unit."""
        try:
            await self._store.run(lambda connection: self._commit(connection, reply, key))
        except IntegrityError as error:
            await self._raise_violation(error)

    def _commit(self, connection: Connection, reply: Reply, key: Key | None) -> None:
        if self._change is not None and connection.execute(self._change, _in_utc(self._values)).rowcount == 0:
            raise LostRace
        if key is not None:
            connection.execute(_FORGET, {"since": self._store.keys_since()})
            connection.execute(insert(IdempotencyKey).values(_row(key, reply)))

    async def _raise_violation(self, error: IntegrityError) -> NoReturn:
        """SQLite tells the kind of the constraint, not its name; no primary key can clash but that of the keys."""
        driver_error: Any = error.orig
        if driver_error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
            raise KeyTaken from error
        if driver_error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE or len(self._violations) != 1:
            raise error
        (violation,) = self._violations.values()
        raise await violation(driver_error) from error

    async def first(self, key: Key) -> Reply | None:
        """See Unit."""
        values = {
            "tenant_id": key.tenant,
            "scope": key.scope,
            "key": key.value,
            "since": self._store.keys_since(),
        }
        row = await self._store.run(lambda connection: connection.execute(_FIRST, values).first())
        if row is None:
            return None
        fingerprint, *reply = row
        if fingerprint != key.fingerprint:
            raise IdempotencyKeyReused
        return Reply(*reply)


def _in_utc(values: Values) -> Values:
    """SQLite keeps the hour and drops the zone."""
    return {name: ensure_utc(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _row(key: Key, reply: Reply) -> dict[str, object]:
    return {
        "tenant_id": key.tenant,
        "scope": key.scope,
        "key": key.value,
        "fingerprint": key.fingerprint,
        "status": reply.status,
        "body": reply.body,
        "etag": reply.etag,
        "location": reply.location,
        "created_at": now(),
    }
