"""`mainstay doctor`: what can be wrong with database, settings and folder, in turn, beside nothing else that is."""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from mainstay.cli import checks as looks
from mainstay.kernel.core.clock import now
from mainstay.kernel.db import inspection
from mainstay.kernel.db.inspection import Server
from mainstay.settings import load_settings
from tests.conftest import run_sql
from tests.integration.operations.report import Report, states, trouble

NOWHERE = "postgresql://user:hunter2@127.0.0.1:1/nowhere"  # nothing listens on port 1
KEY = "0123456789-0123456789-0123456789"

Look = Callable[..., Report]


def test_where_all_is_well_every_line_says_so(look: Look) -> None:
    checks = look()
    assert states(checks) == {}
    assert list(checks) == [
        *("database", "settings", "secrets", "data folder", "rate limits", "migrations", "relay", "sink log"),
    ]


def test_a_table_for_people(mainstay: Callable[..., Any], empty_database_url: str) -> None:
    result = mainstay("doctor", DATABASE_URL=empty_database_url)
    lines = result.stdout.splitlines()
    pending = next(number for number, line in enumerate(lines) if line.startswith("failed   migrations   models:"))
    assert lines[pending + 1].split() == ["->", "run", "`mainstay", "migrate", "up`"]
    assert (result.returncode, result.stderr) == (1, "")


# The database


@pytest.mark.parametrize(
    "url",
    [NOWHERE, "postgresql://a:hunter2@name.invalid/x", "postgresql:///x?host=/nowhere"],
    ids=["port", "name", "socket"],
)
def test_without_the_database_all_else_is_looked_at(look: Look, url: str) -> None:
    checks = look(DATABASE_URL=url)
    assert states(checks) == {"database": {"failed"}, "migrations": {"skipped"}, "relay": {"skipped"}}
    assert "DATABASE_URL" in checks["database"][0]["found"]
    assert checks["relay"][0]["found"] == "database"
    assert checks["sink log"][0]["state"] == "ok"


def test_a_database_that_hangs_takes_seconds(look: Look) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        checks = look(DATABASE_URL=f"postgresql://a:hunter2@127.0.0.1:{silent.getsockname()[1]}/x")
    assert states(checks)["database"] == {"failed"}


def test_a_role_that_lacks_rights_is_told_which(look: Look, database_url: str) -> None:
    with role(database_url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}") as url:
        checks = look(DATABASE_URL=url)
        (found,) = [found for found in checks["database"] if found["state"] == "failed"]
        assert "pets, pets_id_seq" in found["found"]
        assert "GRANT" in found["advice"]


@pytest.mark.parametrize(("migrates", "state"), [("true", "failed"), ("false", None)])
def test_a_role_that_makes_no_tables_may_not_migrate(
    look: Look, database_url: str, migrates: str, state: str | None
) -> None:
    rights = "GRANT ALL ON ALL TABLES IN SCHEMA public TO {0}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {0}"
    with role(database_url, rights) as url:
        checks = look(DATABASE_URL=url, MIGRATE_ON_START=migrates)
    if state is None:
        assert states(checks) == {}
    else:
        assert "MIGRATE_ON_START=false" in trouble(checks, "database")


@contextmanager
def role(url: str, rights: str) -> Iterator[str]:
    """The database's url for somebody with these rights alone."""
    name = f"role_{secrets.token_hex(4)}"
    run_sql(url, f"CREATE ROLE {name} LOGIN", rights.format(name))
    try:
        yield url.replace("mainstay@", f"{name}@")
    finally:
        run_sql(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_a_database_in_another_encoding_is_none(look: Look, database_url: str) -> None:
    name = f"latin_{secrets.token_hex(4)}"
    run_sql(database_url, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        checks = look(DATABASE_URL=database_url.replace(database_url.split("/")[3].split("?", maxsplit=1)[0], name))
        assert "LATIN1" in next(found["found"] for found in checks["database"] if found["state"] == "failed")
    finally:
        run_sql(database_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_one_that_takes_no_writes_is_the_wrong_one(look: Look, database_url: str) -> None:
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    run_sql(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "primary" in trouble(look(), "database")


@pytest.mark.parametrize(("limit", "fits"), [(23, True), (22, False)])
def test_the_pools_have_to_fit(look: Look, database_url: str, limit: int, fits: bool) -> None:
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    run_sql(database_url, f"ALTER DATABASE {name} CONNECTION LIMIT {limit}")
    checks = look()
    if fits:
        assert states(checks) == {}
    else:
        assert "1 x 23 connections at most, of 22" in trouble(checks, "database")


def test_what_others_have_is_not_for_us(look: Look, database_url: str) -> None:
    """In this database; those of the other tests are in theirs."""
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    run_sql(database_url, f"ALTER DATABASE {name} CONNECTION LIMIT 23")
    with closing(psycopg2.connect(database_url, application_name="mainstay")):
        assert states(look()) == {}
    with closing(psycopg2.connect(database_url, application_name="theirs")):
        assert "of 22 that" in trouble(look(), "database")


def test_all_processes_count(look: Look) -> None:
    assert "DB_POOL_MAX" in trouble(look("--workers", 40, RATE_LIMITS="none"), "database")
    assert states(look("--workers", 40, RATE_LIMITS="none", DB_POOL_MAX="2", DB_POOL_MIN="1", SERVICES="pets")) == {}


@pytest.mark.parametrize(("seconds", "word"), [(3, "behind"), (-3, "ahead of")])
def test_clocks_that_differ_are_said(look: Look, monkeypatch: pytest.MonkeyPatch, seconds: int, word: str) -> None:
    monkeypatch.setattr(inspection, "now", lambda: now() + timedelta(seconds=seconds))
    assert f"s {word} this machine's" in trouble(look(), "database", "warning")


SERVER = Server(
    16,
    "16.14",
    "shop",
    "ada",
    "public",
    "UTF8",
    "UTC",
    is_read_only=False,
    connections=97,
    may_create=True,
    is_encrypted=False,
)


@pytest.mark.parametrize(("release", "state"), [(14, "failed"), (15, "ok"), (18, "ok"), (19, "failed")])
def test_the_releases_of_postgresql_that_are_tried(release: int, state: str) -> None:
    assert looks._release(replace(SERVER, release=release)).state == state


def test_a_pooler_that_drops_the_time_zone_is_said() -> None:
    (found,) = looks._kind(replace(SERVER, time_zone="Europe/Berlin"))
    assert (found.state, "Europe/Berlin" in found.found, "pooler" in found.advice) == ("failed", True, True)
    assert list(looks._kind(SERVER)) == []


def test_a_role_without_a_schema_is_said() -> None:
    settings = load_settings(app_env="test")
    (found,) = looks._rights(replace(SERVER, schema=None), [], settings)
    assert (found.state, "search_path" in found.advice) == ("failed", True)


# Migrations


def test_both_kinds_that_are_pending_are_said(look: Look, empty_database_url: str) -> None:
    checks = look(DATABASE_URL=empty_database_url)
    assert [found["found"].split(":")[0] for found in checks["migrations"]] == ["models", "configs"]
    assert {found["advice"] for found in checks["migrations"]} == {"run `mainstay migrate up`"}
    assert "migrate up" in checks["relay"][0]["found"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE pets ADD COLUMN colour text", "colour"),
        ("UPDATE migration_checksums SET checksum = 'x' WHERE revision = '2026_11_21_0610'", "was changed"),
        ("UPDATE migrations SET checksum = 'x'", "0001_init was changed"),
    ],
)
def test_what_differs_is_named(look: Look, database_url: str, change: str, named: str) -> None:
    run_sql(database_url, change)
    assert named in trouble(look(), "migrations")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = '2031_01_01_0000'",
        "INSERT INTO migrations VALUES (99, '0099_later', 'x')",
    ],
)
def test_a_newer_release_has_migrated_it(look: Look, database_url: str, change: str) -> None:
    run_sql(database_url, change)
    assert "this release does not know" in trouble(look(), "migrations", "warning")


# Settings, secrets, the folder


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"AUTH_MODE": "open"}, "AUTH_MODE=required"),
        ({"AUTH_MODE_PETS": "open"}, "may call pets"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
        ({"PETS_STORAGE": "memory"}, "PETS_STORAGE=postgres"),
    ],
)
def test_what_is_for_developers_alone(look: Look, environment: dict[str, str], named: str) -> None:
    prod = {"APP_ENV": "prod", "SECRET_KEY": KEY, "BCRYPT_COST": "12"}
    assert states(look(**prod)) == {}
    assert named in trouble(look(**prod, **environment), "settings", "warning")


@pytest.mark.parametrize(
    ("content", "mode", "named"),
    [(b"x" * 40, 0o644, "chmod 600"), (b"x" * 40, 0o620, "chmod 600"), (b"short", 0o600, "is broken")],
)
def test_the_kept_secret_is_a_secret(look: Look, tmp_path: Path, content: bytes, mode: int, named: str) -> None:
    kept = tmp_path / ".data" / "secret_key"
    kept.parent.mkdir()
    kept.write_bytes(content)
    kept.chmod(mode)
    assert named in trouble(look(), "secrets")
    kept.write_bytes(b"x" * 40)
    kept.chmod(0o600)
    assert states(look()) == {}


@pytest.mark.parametrize("content", [None, "no key\n"])
def test_the_key_of_a_file_can_be_read(look: Look, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token.pem").write_text(content)
    assert "TOKEN_KEY_FILE" in trouble(look(TOKEN_KEY_FILE="token.pem"), "secrets")


def test_a_folder_that_is_a_file_takes_nothing(look: Look, tmp_path: Path) -> None:
    (tmp_path / ".data").write_text("")
    assert "DATA_DIR" in trouble(look(), "data folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours_takes_nothing(look: Look, tmp_path: Path) -> None:
    (tmp_path / ".data").mkdir(mode=0o500)
    assert "DATA_DIR" in trouble(look(), "data folder")


@pytest.mark.parametrize(("free", "state"), [(10**8 - 1, "failed"), (10**9 - 1, "warning")])
def test_a_disk_that_fills_up_is_said(look: Look, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert "make room" in trouble(look(), "data folder", state)


def test_a_folder_that_nobody_needs_is_not_looked_at(look: Look, tmp_path: Path) -> None:
    (tmp_path / ".data").write_text("")
    assert states(look(SECRET_KEY=KEY)) == {}


def test_what_is_in_memory_needs_no_database(look: Look) -> None:
    memory = {"SERVICES": "pets,tasks", "PETS_STORAGE": "memory", "TASKS_STORAGE": "sqlite-memory"}
    checks = look(**memory, DATABASE_URL=NOWHERE)
    assert states(checks) == {}
    assert not {"relay", "migrations"} & checks.keys()
