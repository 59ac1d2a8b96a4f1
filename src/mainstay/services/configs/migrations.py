"""Migrations of this service's tables: SQL files, applied in the order of their numbers, each once, each as a whole.

The files are `mainstay/migrations/configs/NNNN_name.sql`, numbered from 0001 without a gap; the table `migrations` has
a row for each that is applied. Alembic, which has all other tables, knows nothing of these, nor they of it. A file runs
in a transaction: it has no transaction statements of its own, and nothing that PostgreSQL refuses in one.

The functions block: call them in a thread. The url must lead to PostgreSQL itself, not to a pooler.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2.errors import DeadlockDetected, LockNotAvailable, UndefinedTable
from psycopg2.extras import RealDictCursor

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.migrations import SESSION, DatabaseAheadError, Status
from mainstay.kernel.db.revisions import MigrationError
from mainstay.services.configs.driver import Connection, connect
from mainstay.services.configs.pool import Pool

LOCATION = Path(__file__).parents[2] / "migrations" / "configs"

LOCK_KEY = int.from_bytes(b"configs!")
"""Of the advisory lock; another than Alembic's, which is free again when it is these files' turn."""

_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+")
_POLL_SECONDS = 0.1
_ATTEMPTS = 8  # as of Alembic's migrations: about half a minute, with the rests between them

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
"""


class File(NamedTuple):
    """A migration: its number, the whole name without the suffix, its SQL."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the text. Line endings, which Git may change, make no difference."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Row(NamedTuple):
    """What the table `migrations` has of one that is applied."""

    name: str
    checksum: str


Applied = Mapping[int, Row]
"""By version, in order."""


def up(url: str, *, location: Path = LOCATION, lock_timeout: float = 0.8, patience: float = 60.0) -> list[str]:
    """Apply what is pending, the oldest first, and return its names.

    A database that is current costs one query and no lock. Else one process migrates and the others wait for it, at
    most `patience` seconds. `lock_timeout` (seconds) bounds the wait for a table in use, which is tried again.

    Raises MigrationError where the database is away, files are not as they were applied, or one fails: that one leaves
    nothing behind. DatabaseAheadError where more is applied than there are files.
    """
    files = load(location)
    with _session(url, lock_timeout) as session:
        if not pending(files, _applied(session)):
            return []
        _lock(session, patience)
        due = pending(files, _applied(session))  # another process may have been faster
        for file in due:
            _apply(session, file, lock_timeout)
        return [file.name for file in due]


def status(url: str, *, location: Path = LOCATION) -> Status:
    """Where the database stands. Raises MigrationError where it is away, or the files are not in order."""
    files = load(location)
    with _session(url) as session:
        applied = _applied(session)
    return Status(
        current=list(applied.values())[-1].name if applied else None,
        head=files[-1].name,
        pending=tuple(file.name for file in files if file.version not in applied),
        ahead=bool(_unknown(files, applied)),
    )


def verify(url: str, *, location: Path = LOCATION) -> list[str]:
    """Find what is not as it should be, in sentences for people; an empty list is good news.

    Raises MigrationError where the database is away, or the files are not in order.
    """
    files = load(location)
    with _session(url) as session:
        applied = _applied(session)
    missing = [f"migration {name} was applied, but its file is missing here" for name in _unknown(files, applied)]
    due = [file.name for file in files if file.version > max(applied, default=0)]
    return [
        *_changed(files, applied),
        *missing,
        *(f"migration {name} is not applied: run `mainstay migrate up`" for name in due),
    ]


async def is_current(pool: Pool) -> bool:
    """Tell whether every migration of this program is applied, by one query. Raises Unavailable as the pool does."""
    try:
        return await pool.run(_is_applied, _newest().version)
    except UndefinedTable:
        return False


def load(location: Path) -> list[File]:
    """The files in order. Raises MigrationError, and names the file, where the numbers don't run on from 0001."""
    files = [_read(path) for path in sorted(location.glob("*.sql"))]
    for expected, file in enumerate(files, start=1):
        if file.version != expected:
            raise MigrationError(f"There is no {expected:04}_….sql before {file.name}.sql, or it is there twice.")
    if not files:
        raise MigrationError(f"There are no migrations in {location}.")
    return files


def pending(files: Sequence[File], applied: Applied) -> list[File]:
    """What is to be applied. Raises MigrationError where that cannot be said, because the past is not as it was."""
    if changed := _changed(files, applied):
        raise MigrationError("\n".join(changed))
    if unknown := _unknown(files, applied):
        raise DatabaseAheadError(
            f"The database has {', '.join(unknown)}, and this program has no such file (its newest is "
            f"{files[-1].name}): a newer one has migrated it, or the file was removed. Run that one, or put it back."
        )
    return [file for file in files if file.version not in applied]


def _read(path: Path) -> File:
    if (name := _NAME.fullmatch(path.stem)) is None:
        raise MigrationError(f"{path.name} is not named like 0001_init.sql.")
    return File(int(name[1]), path.stem, _text(path))


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MigrationError(f"{path.name} cannot be read, or is not UTF-8.") from error
    if "\0" in text:  # no statement of PostgreSQL's can have one
        raise MigrationError(f"{path.name} holds a NUL character: take it out.")
    return text


@cache
def _newest() -> File:
    return load(LOCATION)[-1]


def _changed(files: Sequence[File], applied: Applied) -> list[str]:
    """What the files say otherwise than they did when they were applied."""
    findings = []
    for file in files:
        row = applied.get(file.version)
        if row is None and file.version < max(applied, default=0):
            findings.append(f"migration {file.name} is not applied, but a later one is")
        elif row is not None and row.name != file.name:
            findings.append(f"migration {file.name} was applied as {row.name}: give it its name back")
        elif row is not None and row.checksum != file.checksum:
            findings.append(f"migration {file.name} was changed after it was applied: restore it, and write a new one")
    return findings


def _unknown(files: Sequence[File], applied: Applied) -> list[str]:
    return [row.name for version, row in applied.items() if version > len(files)]


@contextmanager
def _session(url: str, lock_timeout: float = 0.8) -> Iterator[Connection]:
    """A connection for one command. Raises MigrationError where there is none, or it is lost on the way."""
    try:
        session = connect(url, lock_timeout=f"{lock_timeout * 1000:.0f}", **SESSION)
        try:
            session.autocommit = True  # but for the blocks that begin with `with session`
            yield session
        finally:
            session.close()
    except (Unavailable, psycopg2.Error) as error:
        raise MigrationError(
            f"The database cannot be used: {str(error).strip()}. Check DATABASE_URL, and that PostgreSQL is running."
        ) from error


def _applied(session: Connection) -> Applied:
    with session.rows() as cursor:
        try:
            cursor.execute("SELECT version, name, checksum FROM migrations ORDER BY version")
        except UndefinedTable:
            return {}
        return {row["version"]: Row(row["name"], row["checksum"]) for row in cursor}


def _is_applied(cursor: RealDictCursor, version: int) -> bool:
    cursor.execute("SELECT FROM migrations WHERE version = %s", (version,))
    return cursor.rowcount > 0


def _lock(session: Connection, patience: float) -> None:
    """Take the advisory lock, which the end of the session releases. Tried again and again: a wait has a snapshot."""
    deadline = time.monotonic() + patience
    with session.rows() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s) AS taken", (LOCK_KEY,))
            row = cursor.fetchone()
            if row and row["taken"]:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
    raise MigrationError(
        f"Another process has been migrating for {patience:g} s. Wait until it is done, or look in "
        f"pg_stat_activity what the sessions named '{SESSION['application_name']}' do."
    )


def _apply(session: Connection, file: File, lock_timeout: float) -> None:
    """Apply one, again where a lock was in the way. Raises MigrationError where it fails."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _run(session, file)
        except (LockNotAvailable, DeadlockDetected) as error:
            if attempt == _ATTEMPTS:
                raise _failure(file, error) from error
            time.sleep(attempt * lock_timeout)
        except psycopg2.Error as error:
            raise _failure(file, error) from error
        else:
            return


def _run(session: Connection, file: File) -> None:
    """The file and its row, in one transaction."""
    with session, session.rows() as cursor:
        cursor.execute(_TABLE)
        cursor.execute(file.sql)
        cursor.execute(
            "INSERT INTO migrations (version, name, checksum) VALUES (%s, %s, %s)",
            (file.version, file.name, file.checksum),
        )


def _failure(file: File, error: psycopg2.Error) -> MigrationError:
    return MigrationError(
        f"Migration {file.name} failed and was rolled back. Mend the cause, then run it again: {str(error).strip()}"
    )
