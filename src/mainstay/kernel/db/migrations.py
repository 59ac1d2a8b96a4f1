"""Migrations of the schema: Alembic over asyncpg, one process at a time, with a checksum of every file applied.

The files are `mainstay/migrations/versions/YYYY_MM_DD_HHMM_description.py`; Alembic enters by `migrations/env.py`. What
it does is in `schema`, which is imported where there is something for it to do.

The url must lead to PostgreSQL itself: behind PgBouncer's transaction pooling neither the lock nor the time-outs,
which belong to a session, would hold. One database at a time in a process: Alembic's `op` is global.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

import asyncpg
from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError

from mainstay.kernel.core.clock import now
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.revisions import LOCATION, File, MigrationError, load
from mainstay.kernel.db.url import driver_url

LOCK_KEY = int.from_bytes(b"migrates")
"""Of the advisory lock. Any number does that nothing else here takes; this one can be recognised in pg_locks."""

_POLL_SECONDS = 0.1  # a waiting replica sees the other's end that soon; a try costs 0.1 ms
_ATTEMPTS = 8  # with growing rests between them: about half a minute at the default lock time-out
_LOCKED = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
SESSION = {
    "application_name": "mainstay migrate",
    "timezone": "UTC",
    "statement_timeout": "1h",  # an index on a large table takes its time
    "idle_in_transaction_session_timeout": "60s",  # a migration that hangs must not keep its tables locked
    # A dead process loses its session, and so the lock, at once; also in the middle of a long statement (the first)
    # and when its whole machine went away (the others, after 25 s; the system's default is two hours).
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""The server's settings for a session that migrates; its time-out for locks comes to them."""


class DatabaseAheadError(MigrationError):
    """A newer program has migrated the database. This one can still serve: migrations keep the last release working."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a database stands. A revision is the time in its file's name; None is before the first."""

    current: str | None
    head: str | None
    pending: tuple[str, ...] = ()
    ahead: bool = False
    """The database is at a revision that this program does not know: a newer one has migrated it."""


async def up(url: str, *, location: Path = LOCATION, lock_timeout: float = 0.8, patience: float = 60.0) -> list[str]:
    """Apply what is pending, the oldest first, each in a transaction of its own. Return what was applied here.

    A database that is current costs one query and no lock. Else one process migrates and the others wait for it, at
    most `patience` seconds. `lock_timeout` (seconds) bounds the wait for a table in use: everyone else queues behind
    that wait, so it stays below the 0.9 s that a request waits for a lock; it is tried again after a rest.

    Raises MigrationError where the database is away, at an unknown revision, locked for too long, or a migration
    fails: then the database stays at the one before.
    """
    files = load(location)
    async with _session(url, lock_timeout) as session:
        if not await _pending(session, files):
            return []
        await _lock(session, patience)
        pending = await _pending(session, files)  # another process may have been faster
        if pending:
            await _migrate(session, location, "upgrade", "head", lock_timeout)
        return pending


async def down(url: str, revision: str, *, location: Path = LOCATION, lock_timeout: float = 0.8) -> None:
    """Undo what was applied after `revision` ("base": everything), its data included.

    Raises MigrationError as `up` does.
    """
    async with _session(url, lock_timeout) as session:
        await _lock(session, patience=60.0)
        await _migrate(session, location, "downgrade", revision, lock_timeout)


async def status(url: str, *, location: Path = LOCATION) -> Status:
    """Where the database stands. Raises MigrationError where it is away."""
    async with _session(url) as session:
        return _status(load(location), await _current(session))


async def verify(url: str, metadata: MetaData, *, location: Path = LOCATION) -> list[str]:
    """Find what is not as it should be, in sentences for people; an empty list is good news.

    A file changed or gone after it was applied, a migration not applied yet, and, where the database is at this
    program's head, tables that differ from the models. Only the models' tables are looked at: others in the schema
    (Alembic's, ours for checksums, those of configs, a team's own) are none of our business.

    Raises MigrationError where the database is away.
    """
    files = load(location)
    async with _session(url) as session:
        state = _status(files, await _current(session))
        findings = list(_check_files(files, state, await _recorded(session)))
        if state.current == state.head:
            from mainstay.kernel.db import schema  # noqa: PLC0415 - it brings Alembic

            findings += await schema.differences(session, metadata)
        return findings


def revisions(*, location: Path = LOCATION) -> list[str]:
    """All that this program has, the oldest first. Raises MigrationError where they are not one line."""
    return [file.revision for file in load(location)]


async def is_current(database: Database, *, location: Path = LOCATION) -> bool:
    """Tell whether every migration of this program is applied. One query; for /readyz.

    True also when a newer program has applied more: its rolling update must not take the replicas that still run out
    of service. Raises Unavailable where the database is away.
    """
    query = "SELECT EXISTS (SELECT FROM migration_checksums WHERE revision = $1)"
    try:
        return bool(await database.fetch_text(query, (_head(location),)))
    except asyncpg.UndefinedTableError:
        return False


def next_revision(*, location: Path = LOCATION) -> str:
    """What a migration is called that is written now: the time, and later than all that there are."""
    newest = max((file.revision for file in load(location)), default="")
    minute = now()
    while (revision := f"{minute:%Y_%m_%d_%H%M}") <= newest:
        minute = max(minute, datetime.strptime(newest, "%Y_%m_%d_%H%M").replace(tzinfo=UTC)) + timedelta(minutes=1)
    return revision


async def new_revision(url: str, metadata: MetaData, message: str, *, location: Path = LOCATION) -> Path:
    """Write the migration from the database to the models. Read it before you commit it.

    Raises MigrationError where the database is not current.
    """
    if (await status(url, location=location)).pending:
        raise MigrationError("The database is not up to date: run `mainstay migrate up` first.")
    from mainstay.kernel.db import schema  # noqa: PLC0415 - it brings Alembic

    async with _session(url) as session:
        return await schema.write(session, location, metadata, message, next_revision(location=location))


@cache
def _head(location: Path) -> str | None:
    return _status(load(location), None).head


@asynccontextmanager
async def _session(url: str, lock_timeout: float = 0.8) -> AsyncIterator[asyncpg.Connection]:
    """A connection for one command. Raises MigrationError where there is none, or it is lost on the way."""
    settings = {**SESSION, "lock_timeout": f"{int(lock_timeout * 1000)}ms"}
    try:
        session = await asyncpg.connect(driver_url(url), timeout=5, statement_cache_size=0, server_settings=settings)
        try:
            yield session
        finally:
            await session.close(timeout=5)
    except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError, DBAPIError) as error:
        raise MigrationError(
            f"The database cannot be used: {_cause(error)}. Check DATABASE_URL, and that PostgreSQL is running."
        ) from error


async def _current(session: asyncpg.Connection) -> str | None:
    try:
        # Joined: several rows, which we never write, are then an unknown revision, not one of them by chance.
        revision: str | None = await session.fetchval("SELECT string_agg(version_num, ', ') FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision


async def _recorded(session: asyncpg.Connection) -> dict[str, str]:
    try:
        return dict(await session.fetch("SELECT revision, checksum FROM migration_checksums"))
    except asyncpg.UndefinedTableError:
        return {}


def _status(files: list[File], current: str | None) -> Status:
    revisions = [None, *(file.revision for file in files)]
    if current not in revisions:
        return Status(current=current, head=revisions[-1], ahead=True)
    pending = [file.revision for file in files[revisions.index(current) :]]
    return Status(current=current, head=revisions[-1], pending=tuple(pending))


async def _pending(session: asyncpg.Connection, files: list[File]) -> list[str]:
    state = _status(files, await _current(session))
    if state.ahead:
        raise DatabaseAheadError(
            f"The database is at {state.current}, which this program does not know (its newest is {state.head}): "
            "a newer program has migrated it. Run that one, or check that DATABASE_URL is the right one."
        )
    return list(state.pending)


async def _lock(session: asyncpg.Connection, patience: float) -> None:
    """Take the advisory lock; the end of the session, however it comes, releases it.

    Tried again and again: a session that waits inside pg_advisory_lock holds a snapshot, for which a CREATE INDEX
    CONCURRENTLY of the one that migrates would wait, and neither would end.
    """
    try:
        async with asyncio.timeout(patience):
            while not await session.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise MigrationError(
            f"Another process has been migrating for {patience:g} s. Wait until it is done, or look in "
            f"pg_stat_activity what the sessions named '{SESSION['application_name']}' do."
        ) from error


async def _migrate(
    session: asyncpg.Connection,
    location: Path,
    direction: Literal["upgrade", "downgrade"],
    target: str,
    lock_timeout: float,
) -> None:
    """Upgrade or downgrade, again where a lock was in the way. Raises MigrationError where a migration fails."""
    from mainstay.kernel.db import schema  # noqa: PLC0415 - it brings Alembic

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await schema.move(session, location, direction, target)
            break
        except Exception as error:
            cause = _cause(error)
            if not isinstance(cause, _LOCKED) or attempt == _ATTEMPTS:
                stays = await _current(session) or "base"
                raise MigrationError(
                    f"A migration failed and was rolled back; the database is at {stays}. Mend the cause, then run it "
                    f"again: {cause}"
                ) from error
        await asyncio.sleep(attempt * lock_timeout)


def _cause(error: BaseException) -> BaseException:
    """What the driver said, out of SQLAlchemy's two wrappings."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _check_files(files: list[File], state: Status, recorded: dict[str, str]) -> Iterator[str]:
    for file in files:
        checksum = recorded.get(file.revision)
        if file.revision in state.pending:
            yield f"migration {file.revision} is not applied: run `mainstay migrate up`"
        elif checksum is None and not state.ahead:
            yield f"migration {file.revision} is applied, but not by `mainstay migrate up`: it has no checksum"
        elif checksum not in (None, file.checksum()):
            yield f"migration {file.revision} was changed after it was applied: restore it, and write a new one"
    for revision in sorted({*recorded, state.current or ""} - {"", *(file.revision for file in files)}):
        yield f"migration {revision} was applied, but its file is missing here: removed, or of a newer program"
