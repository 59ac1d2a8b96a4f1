"""The migrations of configs on a database of their own: from nothing, twice, at once, failing, changed."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mainstay.app import database
from mainstay.kernel.db import migrations as alembic
from mainstay.kernel.db import revisions
from mainstay.kernel.db.migrations import DatabaseAheadError, Status
from mainstay.kernel.db.revisions import MigrationError
from mainstay.services.configs import migrations
from mainstay.services.configs.migrations import LOCATION, LOCK_KEY, load
from mainstay.services.configs.pool import Pool

OURS = [file.name for file in load(LOCATION)]


async def up(url: str, **options: Any) -> list[str]:
    return await asyncio.to_thread(migrations.up, url, **options)


async def status(url: str, **options: Any) -> Status:
    return await asyncio.to_thread(migrations.status, url, **options)


async def verify(url: str, **options: Any) -> list[str]:
    return await asyncio.to_thread(migrations.verify, url, **options)


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Not migrated: that is what is tested."""
    return empty_database_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations of the test's own."""
    write(tmp_path, "0001_gate", "CREATE TABLE gate (id int)")
    write(
        tmp_path,
        "0002_walls",
        "CREATE TABLE toy_walls (id int); COMMENT ON TABLE toy_walls IS '100%'; CREATE INDEX ON toy_walls (id)",
    )
    return tmp_path


def write(folder: Path, name: str, sql: str) -> Path:
    file = folder / f"{name}.sql"
    file.write_text(sql)
    return file


async def tables(session: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await session.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


# Up


async def test_from_nothing(database_url: str, session: asyncpg.Connection) -> None:
    before = await status(database_url)
    assert (before.current, before.head, before.pending, before.ahead) == (None, OURS[-1], tuple(OURS), False)

    assert await up(database_url) == OURS

    after = await status(database_url)
    assert (after.current, after.head, after.pending, after.ahead) == (OURS[-1], OURS[-1], (), False)
    assert await verify(database_url) == []
    assert await tables(session) == {"applications", "configurations", "migrations"}


async def test_a_row_for_each_file(database_url: str, session: asyncpg.Connection, folder: Path) -> None:
    await up(database_url, location=folder)
    rows = await session.fetch("SELECT version, name, checksum, applied_at <= now() AS past FROM migrations ORDER BY 1")
    assert [tuple(row) for row in rows] == [(file.version, file.name, file.checksum, True) for file in load(folder)]


async def test_twice_does_nothing_and_takes_no_lock(database_url: str, session: asyncpg.Connection) -> None:
    await up(database_url)
    rows = await session.fetch("SELECT * FROM migrations")
    await session.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    assert await up(database_url, patience=0) == []
    assert await session.fetch("SELECT * FROM migrations") == rows


async def test_only_what_is_new_is_applied(database_url: str, session: asyncpg.Connection, folder: Path) -> None:
    await up(database_url, location=folder)
    write(folder, "0003_roof", "ALTER TABLE toy_walls ADD COLUMN roof text")
    assert (await status(database_url, location=folder)).pending == ("0003_roof",)
    assert await up(database_url, location=folder) == ["0003_roof"]


async def test_many_at_once_apply_once(database_url: str) -> None:
    results = await asyncio.gather(*(up(database_url) for _ in range(6)))
    assert sorted(results) == [[]] * 5 + [OURS]
    assert await verify(database_url) == []


async def test_the_wait_for_another_process_has_an_end(database_url: str, session: asyncpg.Connection) -> None:
    await session.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    with pytest.raises(MigrationError, match=r"has been migrating for 0\.2 s.*pg_stat_activity"):
        await up(database_url, patience=0.2)
    assert await tables(session) == set()


async def test_one_that_waits_goes_on_when_it_is_its_turn(
    database_url: str, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    await session.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    waiting = asyncio.create_task(up(database_url))

    async def has_asked() -> bool:
        query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE $1)"
        return bool(await session.fetchval(query, "SELECT pg_try_advisory_lock(%"))

    await eventually(has_asked)
    assert not waiting.done()
    await session.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
    assert await waiting == OURS


async def test_a_table_in_use_is_tried_again(database_url: str, session: asyncpg.Connection, folder: Path) -> None:
    await up(database_url, location=folder)
    write(folder, "0003_roof", "ALTER TABLE toy_walls ADD COLUMN roof text")
    async with session.transaction():
        await session.execute("LOCK TABLE toy_walls")
        trying = asyncio.create_task(up(database_url, location=folder, lock_timeout=0.1))
        await asyncio.sleep(0.3)  # more than one try
        assert not trying.done()
    assert await trying == ["0003_roof"]


# What goes wrong


@pytest.mark.parametrize(
    "wrong",
    [
        "CREATE TABLE roof (id int); SELECT 1/0",
        "CREATE TABLE roof (id int); CREATE INDEX CONCURRENTLY ON toy_walls (id)",
        "",
    ],
    ids=["fails", "no transaction", "empty"],
)
async def test_a_failing_file_leaves_nothing_behind(
    database_url: str, session: asyncpg.Connection, folder: Path, wrong: str
) -> None:
    write(folder, "0003_roof", wrong)
    write(folder, "0004_garden", "CREATE TABLE garden (id int)")
    with pytest.raises(MigrationError, match="0003_roof failed and was rolled back"):
        await up(database_url, location=folder)
    assert await tables(session) == {"migrations", "gate", "toy_walls"}  # what was before stays
    assert (await status(database_url, location=folder)).pending == ("0003_roof", "0004_garden")
    write(folder, "0003_roof", "CREATE TABLE roof (id int)")
    assert await up(database_url, location=folder) == ["0003_roof", "0004_garden"]


async def test_the_first_file_failing_leaves_no_table_at_all(
    database_url: str, session: asyncpg.Connection, folder: Path
) -> None:
    write(folder, "0001_gate", "CREATE TABLE gate (id nonsense)")
    with pytest.raises(MigrationError, match=r'0001_gate failed.*type "nonsense" does not exist'):
        await up(database_url, location=folder)
    assert await tables(session) == set()


async def test_a_file_that_was_changed_is_named_and_nothing_is_applied(
    database_url: str, session: asyncpg.Connection, folder: Path
) -> None:
    await up(database_url, location=folder)
    write(folder, "0001_gate", "CREATE TABLE gate (id bigint)")
    write(folder, "0003_roof", "CREATE TABLE roof (id int)")
    with pytest.raises(MigrationError, match="0001_gate was changed"):
        await up(database_url, location=folder)
    assert "roof" not in await tables(session)
    assert await verify(database_url, location=folder) == [
        "migration 0001_gate was changed after it was applied: restore it, and write a new one",
        "migration 0003_roof is not applied: run `mainstay migrate up`",
    ]


async def test_a_file_that_is_missing_in_between_is_named_and_nothing_is_applied(
    database_url: str, session: asyncpg.Connection, folder: Path
) -> None:
    await up(database_url, location=folder)
    (folder / "0002_walls.sql").unlink()
    write(folder, "0003_roof", "CREATE TABLE roof (id int)")
    commands: list[Callable[..., Awaitable[Any]]] = [up, status, verify]
    for command in commands:
        with pytest.raises(MigrationError, match="no 0002_"):
            await command(database_url, location=folder)
    assert "roof" not in await tables(session)


async def test_a_database_ahead_of_the_program_is_told_from_one_that_is_wrong(database_url: str, folder: Path) -> None:
    await up(database_url, location=folder)
    (folder / "0002_walls.sql").unlink()
    with pytest.raises(DatabaseAheadError, match=r"0002_walls.*newest is 0001_gate"):
        await up(database_url, location=folder)
    found = await status(database_url, location=folder)
    assert (found.current, found.head, found.pending, found.ahead) == ("0002_walls", "0001_gate", (), True)
    assert await verify(database_url, location=folder) == [
        "migration 0002_walls was applied, but its file is missing here"
    ]


@pytest.mark.parametrize("command", [up, status, verify], ids=["up", "status", "verify"])
async def test_a_database_that_is_away_is_said_without_its_password(command: Callable[..., Awaitable[Any]]) -> None:
    with pytest.raises(MigrationError, match="DATABASE_URL") as raised:
        await command("postgresql://user:hunter2@127.0.0.1:1/nowhere")
    assert "hunter2" not in str(raised.value)


async def test_a_table_of_that_name_which_is_somebody_elses_is_an_error(
    database_url: str, session: asyncpg.Connection
) -> None:
    await session.execute("CREATE TABLE migrations (id int, migration text, batch int)")
    with pytest.raises(MigrationError, match="version"):
        await up(database_url)
    assert await tables(session) == {"migrations"}


# Ready or not


async def test_it_is_current_when_the_last_is_applied(database_url: str, session: asyncpg.Connection) -> None:
    async with Pool(database_url, size=1) as pool:
        assert not await migrations.is_current(pool)
        await up(database_url)
        assert await migrations.is_current(pool)
        await session.execute("INSERT INTO migrations VALUES (9999, '9999_newer', '')")
        assert await migrations.is_current(pool)  # a rolling update must not take the others out of service
        await session.execute("DELETE FROM migrations WHERE version = $1", len(OURS))
        assert not await migrations.is_current(pool)


# Beside Alembic


async def test_alembic_leaves_these_tables_alone(
    database_url: str, session: asyncpg.Connection, tmp_path: Path
) -> None:
    for kind in database.MIGRATIONS.values():
        await kind.up(database_url)
    assert {"applications", "configurations", "migrations"} <= await tables(session)
    assert {"applications", "configurations", "migrations"} & set(database.tables().tables) == set()
    assert await alembic.verify(database_url, database.tables()) == []

    shutil.copytree(revisions.LOCATION, tmp_path / "copy")
    written = await alembic.new_revision(database_url, database.tables(), "nothing", location=tmp_path / "copy")
    text = written.read_text()
    assert "applications" not in text
    assert "drop" not in text


async def test_neither_waits_for_the_lock_of_the_other(database_url: str, session: asyncpg.Connection) -> None:
    await session.execute("SELECT pg_advisory_lock($1)", alembic.LOCK_KEY)
    assert await up(database_url, patience=0.5) == OURS
    await session.execute("SELECT pg_advisory_unlock_all()")
    await session.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    assert await alembic.up(database_url, patience=0.5)
