"""Migrations on a database of their own: races, kills, locks in the way, files that change."""

import asyncio
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import MetaData

import mainstay.services.pets.models  # noqa: F401 - puts its tables into the metadata
from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.migrations import LOCK_KEY, down, is_current, status, up, verify
from mainstay.kernel.db.models import Base
from mainstay.kernel.db.revisions import LOCATION, MigrationError

MODELS = Base.metadata
FILES = sorted((LOCATION / "versions").glob("*.py"))
REVISIONS = [file.name[:15] for file in FILES]


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Not migrated: that is what is tested."""
    return empty_database_url


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of someone else in the database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place for migrations of the test's own."""
    folder = tmp_path / "100% own"  # Alembic's configuration interpolates
    (folder / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        shutil.copy(LOCATION / name, folder)
    return folder


def add(folder: Path, revision: str, after: str | None, *statements: str) -> Path:
    """Write a migration that runs these statements, a Python one where it begins with "with" or "raise"."""
    lines = [line if line.startswith(("with", "raise")) else f"op.execute({line!r})" for line in statements]
    file = folder / "versions" / f"{revision}.py"
    body = "\n    ".join(lines)
    file.write_text(
        f"from alembic import op\n\nrevision = {revision!r}\ndown_revision = {after!r}\n\n\n"
        f"def upgrade():\n    {body}\n\n\ndef downgrade():\n    op.execute('DROP TABLE {revision}')\n"
    )
    return file


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; fail after ten seconds."""
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


async def migrators(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """What the sessions do that migrate this database."""
    return await connection.fetch(  # type: ignore[no-any-return]
        "SELECT state, wait_event_type, query FROM pg_stat_activity "
        "WHERE application_name = 'mainstay migrate' AND datname = current_database()"
    )


async def tables(connection: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


@asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE {table}")
        yield
    await connection.close()


# The files


def test_files_are_named_by_time_and_follow_each_other() -> None:
    assert all(re.fullmatch(r"\d{4}_\d\d_\d\d_\d{4}_[a-z0-9_]+\.py", file.name) for file in FILES)
    texts = [file.read_text(encoding="utf-8") for file in FILES]
    assert [re.findall(r'^revision = "(.*)"$', text, re.MULTILINE)[0] for text in texts] == REVISIONS
    downs = [re.findall(r'^down_revision = "?(.*?)"?$', text, re.MULTILINE)[0] for text in texts]
    assert downs == ["None", *REVISIONS[:-1]]
    assert len(set(REVISIONS)) == len(REVISIONS)


# Up and down


async def test_up_from_nothing(database_url: str) -> None:
    before = await status(database_url)
    assert (before.current, before.pending, before.ahead) == (None, tuple(REVISIONS), False)

    assert await up(database_url) == REVISIONS

    after = await status(database_url)
    assert (after.current, after.head, after.pending) == (REVISIONS[-1], REVISIONS[-1], ())
    assert await verify(database_url, MODELS) == []


async def test_up_of_a_current_database_takes_no_lock(database_url: str, connection: asyncpg.Connection) -> None:
    await up(database_url)
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    assert await up(database_url, patience=0) == []


async def test_up_waits_for_the_lock_no_longer_than_told(database_url: str, connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    with pytest.raises(MigrationError, match=r"has been migrating for 0\.2 s.*pg_stat_activity"):
        await up(database_url, patience=0.2)
    assert await tables(connection) == set()


async def test_ten_at_once_migrate_once(database_url: str) -> None:
    results = await asyncio.gather(*(up(database_url) for _ in range(10)))
    assert sorted(results) == [[]] * 9 + [REVISIONS]
    assert await verify(database_url, MODELS) == []


async def test_those_who_wait_do_not_hinder_a_concurrent_index(
    database_url: str, connection: asyncpg.Connection, folder: Path
) -> None:
    """It waits for every snapshot; a session waiting inside pg_advisory_lock would hold one, for ever."""
    await connection.execute("CREATE TABLE gate (id int)")
    index = "with op.get_context().autocommit_block(): op.execute('CREATE INDEX CONCURRENTLY ON gate (id)')"
    add(folder, "one", None, "LOCK TABLE gate", index)

    async def all_wait() -> bool:
        sessions = await migrators(connection)
        return len(sessions) == 3 and any(session["wait_event_type"] == "Lock" for session in sessions)

    async with locked(database_url, "gate"):
        runs = [asyncio.create_task(up(database_url, location=folder, lock_timeout=5)) for _ in range(3)]
        await eventually(all_wait)
    assert sorted(await asyncio.gather(*runs)) == [[], [], ["one"]]


async def test_down_to_base_and_up_again(database_url: str, connection: asyncpg.Connection) -> None:
    await up(database_url)
    await down(database_url, "base")
    assert await tables(connection) == {"alembic_version", "migration_checksums"}
    assert await connection.fetchval("SELECT count(*) FROM migration_checksums") == 0
    assert await up(database_url) == REVISIONS
    assert await verify(database_url, MODELS) == []


async def test_down_to_one_revision(database_url: str, connection: asyncpg.Connection) -> None:
    await up(database_url)
    await down(database_url, REVISIONS[0])
    assert (await status(database_url)).pending == tuple(REVISIONS[1:])
    assert {"outbox"} == await tables(connection) & {"outbox", "pets"}


async def test_down_to_an_unknown_revision_changes_nothing(database_url: str) -> None:
    await up(database_url)
    with pytest.raises(MigrationError, match="1999"):
        await down(database_url, "1999")
    assert await verify(database_url, MODELS) == []


# What goes wrong


async def test_failing_migration_leaves_the_database_at_the_one_before(
    database_url: str, connection: asyncpg.Connection, folder: Path
) -> None:
    add(folder, "one", None, "CREATE TABLE one ()")
    two = add(folder, "two", "one", "CREATE TABLE two ()", "SELECT 1 / 0")
    with pytest.raises(MigrationError, match=r"is at one\..*: division by zero"):
        await up(database_url, location=folder)
    assert await tables(connection) == {"alembic_version", "migration_checksums", "one"}
    assert (await status(database_url, location=folder)).pending == ("two",)

    # of another length: Python tells a changed file by its size and the second it was written in
    two.write_text(two.read_text().replace("1 / 0", "10 / 1"))
    assert await up(database_url, location=folder) == ["two"]
    assert await verify(database_url, MetaData(), location=folder) == []


async def test_migration_with_a_bug_in_python_is_undone_too(
    database_url: str, connection: asyncpg.Connection, folder: Path
) -> None:
    add(folder, "one", None, "CREATE TABLE one ()", "raise LookupError('no such thing')")
    with pytest.raises(MigrationError, match=r"is at base\..*: no such thing"):
        await up(database_url, location=folder)
    assert "one" not in await tables(connection)


async def test_process_killed_in_a_migration_leaves_nothing(
    database_url: str, connection: asyncpg.Connection, folder: Path
) -> None:
    add(folder, "one", None, "CREATE TABLE one ()")
    two = add(folder, "two", "one", "CREATE TABLE two ()", "SELECT pg_sleep(600)")
    program = "import asyncio, pathlib, sys; from mainstay.kernel.db.migrations import up; "
    program += "asyncio.run(up(sys.argv[1], location=pathlib.Path(sys.argv[2])))"

    async def sleeps() -> bool:
        return any("pg_sleep" in session["query"] for session in await migrators(connection))

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, database_url, str(folder))
    await eventually(sleeps)
    process.send_signal(signal.SIGKILL)
    await process.wait()

    # The server notices within a second or so, though it is busy with the statement: the next one gets the lock.
    # of another length: Python tells a changed file by its size and the second it was written in
    two.write_text(two.read_text().replace("600", "0"))
    assert await up(database_url, location=folder, patience=10) == ["two"]
    assert await verify(database_url, MetaData(), location=folder) == []


async def test_connection_lost_in_a_migration(database_url: str, connection: asyncpg.Connection, folder: Path) -> None:
    add(folder, "one", None, "CREATE TABLE one ()", "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(MigrationError, match=r"database cannot be used.*DATABASE_URL"):
        await up(database_url, location=folder)
    assert "one" not in await tables(connection)


async def test_table_locked_for_too_long(database_url: str, connection: asyncpg.Connection, folder: Path) -> None:
    await connection.execute("CREATE TABLE busy ()")
    add(folder, "one", None, "CREATE TABLE one ()", "ALTER TABLE busy ADD id int")
    async with locked(database_url, "busy"):
        with pytest.raises(MigrationError, match=r"is at base\..*: canceling statement due to lock timeout"):
            await up(database_url, location=folder, lock_timeout=0.01)
    assert "one" not in await tables(connection)


async def test_locked_table_is_tried_again_after_a_rest(
    database_url: str, connection: asyncpg.Connection, folder: Path
) -> None:
    await connection.execute("CREATE TABLE busy ()")
    add(folder, "one", None, "CREATE TABLE one ()", "ALTER TABLE busy ADD id int")

    async def waits() -> bool:
        return any(session["wait_event_type"] == "Lock" for session in await migrators(connection))

    async def rests() -> bool:
        return any(session["state"] == "idle" for session in await migrators(connection))

    async with locked(database_url, "busy"):
        run = asyncio.create_task(up(database_url, location=folder, lock_timeout=0.1))
        await eventually(waits)
        await eventually(rests)
        assert not run.done()
    assert await run == ["one"]


async def test_database_of_a_newer_program_is_left_alone(database_url: str, connection: asyncpg.Connection) -> None:
    await up(database_url)
    await connection.execute("UPDATE alembic_version SET version_num = '2999'")
    with pytest.raises(MigrationError, match=r"is at 2999.*newer program"):
        await up(database_url)
    state = await status(database_url)
    assert (state.current, state.pending, state.ahead) == ("2999", (), True)
    assert await verify(database_url, MODELS) == [
        "migration 2999 was applied, but its file is missing here: removed, or of a newer program"
    ]


async def test_two_files_that_follow_the_same_one_are_refused(database_url: str, folder: Path) -> None:
    add(folder, "one", None, "CREATE TABLE one ()")
    add(folder, "two", "one", "CREATE TABLE two ()")
    add(folder, "three", "one", "CREATE TABLE three ()")
    with pytest.raises(MigrationError, match="down_revision"):
        await up(database_url, location=folder)


@pytest.mark.parametrize("command", [up, status, lambda url: verify(url, MODELS), lambda url: down(url, "base")])
async def test_database_away(command: Callable[[str], Awaitable[Any]], tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="Check DATABASE_URL, and that PostgreSQL is running"):
        await command(f"postgresql://nobody@/nothing?host={tmp_path}")


async def test_no_such_database(database_url: str) -> None:
    with pytest.raises(MigrationError, match=r"does not exist.*DATABASE_URL"):
        await up(urlsplit(database_url)._replace(path="/there_is_none").geturl())


# What verify finds out about the files (about the tables: migrations_drift_test.py)


async def test_verify_tells_what_is_pending(database_url: str) -> None:
    assert await verify(database_url, MODELS) == [
        f"migration {revision} is not applied: run `mainstay migrate up`" for revision in REVISIONS
    ]


async def test_verify_finds_a_changed_file(database_url: str, folder: Path) -> None:
    one = add(folder, "one", None, "CREATE TABLE one ()")
    await up(database_url, location=folder)
    one.write_text(one.read_text().replace("one ()", "one (id int)"))
    assert await verify(database_url, MetaData(), location=folder) == [
        "migration one was changed after it was applied: restore it, and write a new one"
    ]


async def test_verify_overlooks_line_endings_and_trailing_blanks(database_url: str, folder: Path) -> None:
    one = add(folder, "one", None, "CREATE TABLE one ()")
    await up(database_url, location=folder)
    one.write_bytes(one.read_bytes().replace(b"\n", b" \r\n") + b"\r\n")
    assert await verify(database_url, MetaData(), location=folder) == []


async def test_verify_finds_a_missing_file(database_url: str, folder: Path) -> None:
    one = add(folder, "one", None, "CREATE TABLE one ()")
    add(folder, "two", "one", "CREATE TABLE two ()")
    await up(database_url, location=folder)
    one.unlink()
    add(folder, "two", None, "CREATE TABLE two ()")
    assert await verify(database_url, MetaData(), location=folder) == [
        "migration two was changed after it was applied: restore it, and write a new one",
        "migration one was applied, but its file is missing here: removed, or of a newer program",
    ]


async def test_verify_finds_a_migration_applied_by_hand(database_url: str, connection: asyncpg.Connection) -> None:
    await up(database_url)
    await connection.execute("DELETE FROM migration_checksums WHERE revision = $1", REVISIONS[0])
    assert await verify(database_url, MODELS) == [
        f"migration {REVISIONS[0]} is applied, but not by `mainstay migrate up`: it has no checksum"
    ]


# Readiness


async def test_is_current_after_up_alone(database_url: str) -> None:
    async with Database(database_url) as database:
        assert not await is_current(database)
        await up(database_url)
        assert await is_current(database)
        await down(database_url, REVISIONS[0])
        assert not await is_current(database)


async def test_is_current_while_a_newer_program_rolls_out(database_url: str, folder: Path) -> None:
    one = add(folder, "one", None, "CREATE TABLE one ()")
    await up(database_url, location=folder)
    newer = folder.with_name("newer")
    shutil.copytree(folder, newer)
    add(newer, "two", one.stem, "CREATE TABLE two ()")
    async with Database(database_url) as database:
        assert not await is_current(database, location=newer)
        await up(database_url, location=newer)
        assert await is_current(database, location=newer)
        assert await is_current(database, location=folder)


async def test_is_current_of_a_database_away(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await is_current(Database(f"postgresql://nobody@/nothing?host={tmp_path}"))
