"""Migrations of the schema: Alembic over asyncpg, one process at a time, with a checksum of every file applied.

The files are `mainstay/migrations/versions/YYYY_MM_DD_HHMM_description.py`; Alembic enters by `migrations/env.py`.

The url must lead to PostgreSQL itself: behind PgBouncer's transaction pooling neither the lock nor the time-outs,
which belong to a session, would hold. One database at a time in a process: Alembic's `op` is global.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Column, Connection, DateTime, MetaData, StaticPool, Table, Text, func
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from mainstay.kernel.core.clock import now
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.url import driver_url

T = TypeVar("T")

LOCATION = Path(__file__).parents[2] / "migrations"

LOCK_KEY = int.from_bytes(b"migrates")
"""Of the advisory lock. Any number does that nothing else here takes; this one can be recognised in pg_locks."""

# Kept like Alembic's own alembic_version: made by the runner, in no model, in no migration.
_CHECKSUMS = Table(
    "migration_checksums",
    MetaData(),
    Column("revision", Text, primary_key=True),
    Column("checksum", Text, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

_POLL_SECONDS = 0.1  # a waiting replica sees the other's end that soon; a try costs 0.1 ms
_ATTEMPTS = 8  # with growing rests between them: about half a minute at the default lock time-out
# All but comments, which are a DBA's to write; CHECK constraints by their names.
_COMPARED = ("alembic.autogenerate.*", "~alembic.autogenerate.comments", "alembic.ext.checkconstraint_byname")
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


class MigrationError(Exception):
    """A migration cannot go on. The message says why, and what to do about it."""


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
    files = _load(location)
    async with _session(url, lock_timeout) as session:
        if not await _pending(session, files):
            return []
        await _lock(session, patience)
        pending = await _pending(session, files)  # another process may have been faster
        if pending:
            await _migrate(session, command.upgrade, location, "head", lock_timeout)
        return pending


async def down(url: str, revision: str, *, location: Path = LOCATION, lock_timeout: float = 0.8) -> None:
    """Undo what was applied after `revision` ("base": everything), its data included.

    Raises MigrationError as `up` does.
    """
    async with _session(url, lock_timeout) as session:
        await _lock(session, patience=60.0)
        await _migrate(session, command.downgrade, location, revision, lock_timeout)


async def status(url: str, *, location: Path = LOCATION) -> Status:
    """Where the database stands. Raises MigrationError where it is away."""
    async with _session(url) as session:
        return _status(_load(location), await _current(session))


async def verify(url: str, metadata: MetaData, *, location: Path = LOCATION) -> list[str]:
    """Find what is not as it should be, in sentences for people; an empty list is good news.

    A file changed or gone after it was applied, a migration not applied yet, and, where the database is at this
    program's head, tables that differ from the models. Only the models' tables are looked at: others in the schema
    (Alembic's, ours for checksums, those of configs, a team's own) are none of our business.

    Raises MigrationError where the database is away.
    """
    files = _load(location)
    async with _session(url) as session:
        state = _status(files, await _current(session))
        findings = list(_check_files(files, state, await _recorded(session)))
        if state.current == state.head:
            findings += await _run(session, lambda connection: _check_tables(connection, metadata))
        return findings


def revisions(*, location: Path = LOCATION) -> list[str]:
    """All that this program has, the oldest first. Raises MigrationError where they are not one line."""
    return [file.revision for file in _load(location)]


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
    newest = max((file.revision for file in _load(location)), default="")
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
    revision = next_revision(location=location)

    def generate(connection: Connection) -> Any:
        config = _config(location, connection=connection, metadata=metadata)
        return command.revision(config, message, autogenerate=True, rev_id=revision)

    async with _session(url) as session:
        script = await _run(session, generate)
    return Path(script.path)


def options(metadata: MetaData) -> dict[str, Any]:
    """How Alembic is to work: for env.py, and for comparing the database with the models."""
    return {
        "transaction_per_migration": True,  # what is applied stays applied when the next one fails
        "on_version_apply": _record,
        "target_metadata": metadata,
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        "autogenerate_plugins": _COMPARED,
    }


def _record(*, ctx: MigrationContext, step: MigrationInfo, **_: object) -> None:
    """Keep the checksum of a migration, in the migration's own transaction; forget it when it is undone."""
    script: Any = step.up_revision
    connection: Any = ctx.connection
    connection.execute(_CHECKSUMS.delete().where(_CHECKSUMS.c.revision == script.revision))
    if step.is_upgrade:
        connection.execute(_CHECKSUMS.insert().values(revision=script.revision, checksum=_checksum(script)))


def _config(location: Path, **attributes: object) -> Config:
    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(location).replace("%", "%%"))  # it interpolates
    return config


def _load(location: Path) -> list[Script]:
    """The migrations, the oldest first."""
    try:
        return list(ScriptDirectory(location).walk_revisions(head="head"))[::-1]
    except CommandError as error:
        raise MigrationError(
            f"The migrations are not one line, each following one other: {error} Mend their down_revision."
        ) from error


@cache
def _head(location: Path) -> str | None:
    return _status(_load(location), None).head


def _checksum(script: Script) -> str:
    """Of the file's text, without what an editor or Git may change: line endings and blanks at the end of a line."""
    lines = Path(script.path).read_text(encoding="utf-8").splitlines()
    return hashlib.sha256("\n".join(line.rstrip() for line in lines).strip().encode()).hexdigest()


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
    except CommandError as error:
        raise MigrationError(str(error)) from error


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


def _status(files: list[Script], current: str | None) -> Status:
    revisions = [None, *(file.revision for file in files)]
    if current not in revisions:
        return Status(current=current, head=revisions[-1], ahead=True)
    pending = [file.revision for file in files[revisions.index(current) :]]
    return Status(current=current, head=revisions[-1], pending=tuple(pending))


async def _pending(session: asyncpg.Connection, files: list[Script]) -> list[str]:
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
    session: asyncpg.Connection, move: Callable[[Config, str], None], location: Path, target: str, lock_timeout: float
) -> None:
    """Upgrade or downgrade, again where a lock was in the way. Raises MigrationError where a migration fails."""

    def migrate(connection: Connection) -> None:
        _CHECKSUMS.create(connection, checkfirst=True)
        connection.commit()
        move(_config(location, connection=connection), target)

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await _run(session, migrate)
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


async def _run(session: asyncpg.Connection, function: Callable[[Connection], T]) -> T:
    """Call a function of Alembic's kind, synchronous and with a SQLAlchemy connection, on the session."""

    async def connect() -> asyncpg.Connection:
        return session

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=StaticPool)
    async with engine.connect() as connection:
        return await connection.run_sync(function)


def _cause(error: BaseException) -> BaseException:
    """What the driver said, out of SQLAlchemy's two wrappings."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _check_files(files: list[Script], state: Status, recorded: dict[str, str]) -> Iterator[str]:
    for file in files:
        checksum = recorded.get(file.revision)
        if file.revision in state.pending:
            yield f"migration {file.revision} is not applied: run `mainstay migrate up`"
        elif checksum is None and not state.ahead:
            yield f"migration {file.revision} is applied, but not by `mainstay migrate up`: it has no checksum"
        elif checksum not in (None, _checksum(file)):
            yield f"migration {file.revision} was changed after it was applied: restore it, and write a new one"
    for revision in sorted({*recorded, state.current or ""} - {"", *(file.revision for file in files)}):
        yield f"migration {revision} was applied, but its file is missing here: removed, or of a newer program"


def _check_tables(connection: Connection, metadata: MetaData) -> list[str]:
    context = MigrationContext.configure(connection, opts=options(metadata))
    changes = compare_metadata(context, metadata)
    return [_sentence(*step) for change in changes for step in (change if isinstance(change, list) else [change])]


def _sentence(kind: str, *details: Any) -> str:
    """Say what Alembic found: `kind` is what it would do to the database, its subject comes last in `details`."""
    if kind.startswith("modify_"):
        *_, table, column, _, there, here = details
        what = kind.removeprefix("modify_")
        return (
            f"table {table}: column {column} has {what} {_shown(there)} in the database, {_shown(here)} in the models"
        )
    subject = details[-1]
    where = "the models, not in the database" if kind.startswith("add_") else "the database, not in the models"
    if isinstance(subject, Table):
        return f"table {subject.name} is in {where}"
    what = kind.partition("_")[2]
    return f"table {subject.table.name}: {what} {subject.name} is in {where}"


def _shown(value: Any) -> str:
    return str(getattr(value, "arg", value))  # of a default, its expression
