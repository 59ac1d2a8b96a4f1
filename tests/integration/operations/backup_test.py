"""`mainstay backup` and `mainstay restore`: what is refused, and that nothing is lost by it."""

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import psycopg2
import pytest

from mainstay.app.database import MIGRATIONS
from mainstay.cli.backup import ours
from mainstay.kernel.db import migrations
from mainstay.kernel.db.embedded import EmbeddedPostgres
from tests.conftest import run_sql

BACKUP = "all.mainstay"
PET = "INSERT INTO pets VALUES (nextval('pets_id_seq'), '{}', 'cat', 'cat', 2, 'sold', 1, now(), now())"
EMPTIED = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")

Run = Callable[..., Any]
Said = Callable[[Any], str]


def rows(url: str, query: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


def pets(url: str) -> list[str]:
    return rows(url, "SELECT name FROM pets ORDER BY id")


@contextmanager
def held(url: str, statement: str, *, name: str = "somebody") -> Iterator[None]:
    """Another session, in the middle of a transaction."""
    with closing(psycopg2.connect(url, application_name=name)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        yield


@pytest.fixture
def backed_up(mainstay: Run, database_url: str, tmp_path: Path) -> Path:
    """A backup of a database with one pet, which is there still; and with a secret that was made beside it."""
    run_sql(database_url, PET.format("Mittens"))
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "secret_key").write_bytes(b"a secret of thirty-two bytes, or more")
    assert mainstay("backup", BACKUP).returncode == 0
    return tmp_path / BACKUP


def test_every_table_and_sequence_of_ours_is_known(database_url: str) -> None:
    """One that is not would stand in the way of a restore."""
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S')"
    assert set(rows(database_url, query)) == ours()


# Backup


def test_the_file_is_for_its_owner_alone_and_says_what_it_is(backed_up: Path) -> None:
    assert backed_up.stat().st_mode & 0o777 == 0o600
    with ZipFile(backed_up) as file:
        assert file.namelist() == ["manifest.json", "secret_key", "database.dump"]
        manifest = json.loads(file.read("manifest.json"))
        assert manifest["migrations"].keys() == MIGRATIONS.keys()
        assert b"thirty-two" not in file.read("manifest.json")
        assert file.read("database.dump").startswith(b"PGDMP")
    assert [path.name for path in backed_up.parent.iterdir() if path.name != ".data"] == [BACKUP]


def test_it_says_what_is_in_it_and_what_is_not(mainstay: Run, backed_up: Path) -> None:
    kept = mainstay("backup", "kept.mainstay")
    assert "holds the secret" in kept.stdout
    given = mainstay("backup", "given.mainstay", SECRET_KEY="0123456789-0123456789-0123456789", TOKEN_KEY_FILE="x.pem")
    assert "SECRET_KEY is not in it" in given.stdout
    assert "TOKEN_KEY_FILE is not in it" in given.stdout
    with ZipFile(backed_up.with_name("given.mainstay")) as file:
        assert "secret_key" not in file.namelist()


def test_a_file_that_is_there_stays_unless_forced(mainstay: Run, said: Said, backed_up: Path) -> None:
    before = backed_up.read_bytes()
    assert "--force" in said(mainstay("backup", BACKUP))
    assert backed_up.read_bytes() == before
    assert mainstay("backup", BACKUP, "--force").returncode == 0
    assert backed_up.read_bytes() != before


async def test_it_is_made_while_the_server_runs(mainstay: Run, client: httpx.AsyncClient, tmp_path: Path) -> None:
    await client.post("/pets", json={"name": "Mittens", "species": "cat"})
    assert (await asyncio.to_thread(mainstay, "backup", BACKUP)).returncode == 0


@pytest.mark.parametrize("place", ["nowhere/all.mainstay", "folder"])
def test_a_place_that_takes_no_file_is_said(mainstay: Run, said: Said, tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    assert place in said(mainstay("backup", place, "--force"))


def test_on_a_full_disk_nothing_is_left(mainstay_process: Run, said: Said, backed_up: Path, database_url: str) -> None:
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit stands for a full disk")
    before = backed_up.read_bytes()
    result = mainstay_process("backup", BACKUP, "--force", largest_file=8192, DATABASE_URL=database_url)
    assert "cannot be written: File too large" in said(result)
    assert backed_up.read_bytes() == before
    assert [path.name for path in backed_up.parent.iterdir() if path.name != ".data"] == [BACKUP]


def test_a_table_that_may_not_be_read_is_said_and_leaves_no_file(
    mainstay: Run, said: Said, database_url: str, tmp_path: Path
) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    run_sql(database_url, f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON alembic_version, migrations TO {role}")
    try:
        url = database_url.replace("mainstay@", f"{role}@")
        assert "permission denied" in said(mainstay("backup", BACKUP, DATABASE_URL=url))
        assert list(tmp_path.iterdir()) == []
    finally:
        run_sql(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_database_without_our_tables_is_not_backed_up(mainstay: Run, said: Said, empty_database_url: str) -> None:
    assert "migrate up" in said(mainstay("backup", BACKUP, DATABASE_URL=empty_database_url))


# Restore


def test_data_that_is_there_stays_unless_forced(mainstay: Run, said: Said, database_url: str, backed_up: Path) -> None:
    run_sql(database_url, PET.format("Rex"))
    refused = said(mainstay("restore", BACKUP))
    assert "--force" in refused
    assert "(pets)" in refused
    assert pets(database_url) == ["Mittens", "Rex"]
    assert mainstay("restore", BACKUP, "--force").returncode == 0
    assert pets(database_url) == ["Mittens"]


def test_a_migrated_database_without_data_needs_no_force(mainstay: Run, database_url: str, backed_up: Path) -> None:
    run_sql(database_url, "DELETE FROM pets", "INSERT INTO outbox_sinks (sink, position) VALUES ('log', 7)")
    assert mainstay("restore", BACKUP).returncode == 0
    assert pets(database_url) == ["Mittens"]
    assert rows(database_url, "SELECT position FROM outbox_sinks") == []


def test_what_is_not_ours_stays(mainstay: Run, database_url: str, backed_up: Path) -> None:
    run_sql(database_url, "CREATE TABLE theirs AS SELECT 1 AS n", "CREATE TABLE outbox_later (n int)")
    assert mainstay("restore", BACKUP, "--force").returncode == 0
    assert rows(database_url, "SELECT n FROM theirs") == [1]


@pytest.mark.parametrize(
    ("obstacle", "complaint"),
    [
        ("CREATE VIEW cats AS SELECT * FROM pets", "other objects depend on them"),
        ("ALTER TABLE users RENAME TO people; CREATE VIEW users AS SELECT 1 AS n", "already exists"),
    ],
)
def test_what_cannot_be_restored_leaves_all_as_it_was(
    mainstay: Run, said: Said, database_url: str, backed_up: Path, obstacle: str, complaint: str
) -> None:
    run_sql(database_url, PET.format("Rex"), obstacle)
    (backed_up.parent / ".data" / "secret_key").write_bytes(b"another secret of more than thirty-two bytes")
    assert complaint in said(mainstay("restore", BACKUP, "--force"))
    assert pets(database_url) == ["Mittens", "Rex"]
    assert (backed_up.parent / ".data" / "secret_key").read_bytes().startswith(b"another")


@pytest.mark.timeout(30)
def test_a_table_in_use_is_waited_for_not_for_ever(
    mainstay: Run, said: Said, database_url: str, backed_up: Path
) -> None:
    with held(database_url, "SELECT * FROM pets"):
        assert "lock timeout" in said(mainstay("restore", BACKUP, "--force"))
    assert pets(database_url) == ["Mittens"]


async def test_it_is_refused_while_the_program_runs(
    mainstay: Run, said: Said, backed_up: Path, client: httpx.AsyncClient
) -> None:
    for arguments in (("restore", BACKUP), ("restore", BACKUP, "--force")):
        refused = said(await asyncio.to_thread(mainstay, *arguments))
        assert "stop every server and relay" in refused
        assert "mainstay configs" in refused
    assert (await client.get("/pets/1")).status_code == 200


def test_somebody_who_only_looks_is_in_nobodys_way(mainstay: Run, database_url: str, backed_up: Path) -> None:
    with held(database_url, "SELECT 1"):
        assert mainstay("restore", BACKUP, "--force").returncode == 0


def damaged(whole: bytes, how: str) -> bytes:
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    return {
        "empty": b"",
        "text": b"not a backup\n",
        "truncated": whole[:middle],
        "a byte short": whole[:-1],
        "flipped": flipped,
    }[how]


def rewritten(members: dict[str, bytes], how: str) -> dict[str, bytes]:
    manifest = json.loads(members["manifest.json"])
    migrated = manifest["migrations"]
    changes: dict[str, dict[str, Any]] = {
        "later format": {"format": "mainstay backup 2"},
        "newer models": {"migrations": migrated | {"models": "2031_01_01_0000"}},
        "newer configs": {"migrations": migrated | {"configs": "0099_later"}},
        "newer kind": {"migrations": migrated | {"graphs": "0001_first"}},
        "other schema": {"schema_name": "elsewhere"},
        "newer tools": {"tools": 18, "server": "18.4"},
    }
    if how in changes:
        return members | {"manifest.json": json.dumps(manifest | changes[how]).encode()}
    dump = members["database.dump"]
    other = {
        "other dump": {"database.dump": b"PGDMP" + bytes(100)},
        "short dump": {"database.dump": dump[:-400]},  # its list of contents is whole
        "other secret": {"secret_key": b"x" * 40},
    }
    return members | other[how] if how in other else {name: members[name] for name in members if name != how}


def spoil(path: Path, how: str) -> None:
    """Make another file of a backup."""
    with ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    if how == "a dump alone":
        path.write_bytes(members["database.dump"])
    elif how in {"empty", "text", "truncated", "a byte short", "flipped"}:
        path.write_bytes(damaged(path.read_bytes(), how))
    else:
        with ZipFile(path, "w") as file:
            for name, content in rewritten(members, how).items():
                file.writestr(name, content)


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("empty", "no backup"),
        ("text", "no backup"),
        ("a dump alone", "no backup"),
        ("truncated", "no backup"),
        ("a byte short", "no backup"),
        ("flipped", "damaged"),
        ("manifest.json", "no backup"),
        ("database.dump", "no backup"),
        ("other dump", "pg_restore: error:"),
        ("short dump", "pg_restore: error:"),
        ("other secret", "tampered"),
        ("later format", "later one"),
        ("newer models", "2031_01_01_0000"),
        ("newer configs", "0099_later"),
        ("newer kind", "0001_first"),
        ("other schema", "elsewhere"),
        ("newer tools", "PostgreSQL 18 or newer"),
    ],
)
def test_a_file_that_is_no_backup_of_ours_touches_nothing(
    mainstay: Run, said: Said, database_url: str, backed_up: Path, how: str, complaint: str
) -> None:
    run_sql(database_url, PET.format("Rex"))
    secret = (backed_up.parent / ".data" / "secret_key").read_bytes()
    spoil(backed_up, how)
    assert complaint in said(mainstay("restore", BACKUP, "--force"))
    assert pets(database_url) == ["Mittens", "Rex"]
    assert (backed_up.parent / ".data" / "secret_key").read_bytes() == secret


@pytest.mark.parametrize("name", ["nowhere.mainstay", "."])
def test_a_file_that_cannot_be_read_is_said(mainstay: Run, said: Said, name: str) -> None:
    assert said(mainstay("restore", name)).startswith(f"{name}: ")


def test_of_an_older_release_it_says_what_to_do(
    mainstay: Run, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    """Migrations stay as they were in the backup, also where the database was already further."""
    last = rows(database_url, "SELECT max(revision) FROM migration_checksums")[0]
    earlier = rows(database_url, f"SELECT max(revision) FROM migration_checksums WHERE revision < '{last}'")[0]
    asyncio.run(migrations.down(database_url, earlier))
    assert mainstay("backup", BACKUP).returncode == 0
    for url in (empty_database_url, database_url):
        asyncio.run(migrations.up(database_url))
        result = mainstay("restore", BACKUP, DATABASE_URL=url)
        assert result.returncode == 0, result.stderr
        assert "mainstay migrate up" in result.stdout
        assert rows(url, "SELECT version_num FROM alembic_version") == [earlier]
        assert mainstay("migrate", "up", DATABASE_URL=url).returncode == 0
        assert mainstay("migrate", "verify", DATABASE_URL=url).returncode == 0


# The secret


OTHER = "0123456789-0123456789-0123456789"


def test_the_kept_secret_comes_back(mainstay: Run, backed_up: Path) -> None:
    kept = backed_up.parent / ".data" / "secret_key"
    before = kept.read_bytes()
    shutil.rmtree(kept.parent)
    assert mainstay("restore", BACKUP, "--force").returncode == 0
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (before, 0o600)


def test_where_tokens_of_before_are_lost_it_says_so(mainstay: Run, backed_up: Path) -> None:
    result = mainstay("restore", BACKUP, "--force", SECRET_KEY=OTHER)
    assert result.returncode == 0
    assert "tokens and cursors of before are not valid" in result.stderr
    previous = "a secret of thirty-two bytes, or more"
    again = mainstay("restore", BACKUP, "--force", SECRET_KEY=OTHER, SECRET_KEY_PREVIOUS=previous)
    assert (again.returncode, again.stderr) == (0, "")


def test_a_secret_that_was_given_has_to_be_given_again(mainstay: Run, backed_up: Path) -> None:
    mainstay("backup", "given.mainstay", SECRET_KEY=OTHER)
    assert "set SECRET_KEY to" in mainstay("restore", "given.mainstay", "--force").stderr
    assert mainstay("restore", "given.mainstay", "--force", SECRET_KEY=OTHER).stderr == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_secret_that_cannot_be_written_is_said(mainstay: Run, said: Said, backed_up: Path) -> None:
    (backed_up.parent / ".data").chmod(0o500)
    assert "secret_key cannot be written" in said(mainstay("restore", BACKUP, "--force"))


# With the embedded PostgreSQL


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """A server in the folder where the program has its own, which the commands then share: faster than one for each."""
    server = EmbeddedPostgres(folder / ".data" / "postgres", durable=False)
    yield server.start()
    server.stop()


def test_the_embedded_database_comes_back_from_one_file(mainstay: Run, tmp_path: Path) -> None:
    with embedded(tmp_path) as url:
        assert mainstay("migrate", "up", DATABASE_URL="").returncode == 0
        run_sql(url, PET.format("Mittens"))
        assert mainstay("backup", BACKUP, DATABASE_URL="").returncode == 0
    shutil.rmtree(tmp_path / ".data")
    with embedded(tmp_path) as url:
        restored = mainstay("restore", BACKUP, DATABASE_URL="")
        assert (restored.returncode, restored.stderr) == (0, "")
        assert pets(url) == ["Mittens"]


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_where_nothing_is_kept_it_says_so(mainstay: Run, said: Said, command: str) -> None:
    memory = {"SERVICES": "pets,tasks", "PETS_STORAGE": "memory", "TASKS_STORAGE": "sqlite-memory"}
    assert "server's memory" in said(mainstay(command, BACKUP, **memory))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_database_that_is_away_is_said(mainstay: Run, said: Said, backed_up: Path, command: str) -> None:
    nowhere = "postgresql://user:hunter2@127.0.0.1:1/nowhere"
    assert "DATABASE_URL" in said(mainstay(command, BACKUP, "--force", DATABASE_URL=nowhere))
