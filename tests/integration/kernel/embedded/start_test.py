"""Starting the embedded PostgreSQL, and what it says where it cannot start."""

import asyncio
import os
import pwd
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psycopg2
import pytest
from sqlalchemy import create_engine, make_url, text

from mainstay.kernel.db import embedded
from mainstay.kernel.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, binary

if TYPE_CHECKING:
    from tests.integration.kernel.embedded.conftest import Eventually, Psql, Spawn

IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody").pw_uid


# The first start, and what it makes.


def test_first_start_serves_every_client_also_from_an_odd_temporary_folder(
    home: Path, psql: "Psql", spawn: "Spawn"
) -> None:
    odd = home / """it's a "b" + 50%"""
    odd.mkdir()
    uid = NOBODY if IS_ROOT else None  # root goes without its own temporary folder
    for place in (home, odd) if uid else ():
        os.chown(place, NOBODY, NOBODY)
    with spawn(home / "postgres", uid=uid, TMPDIR=str(odd)) as child:
        url = child.url
        assert psql(url, "SELECT current_user, current_database()") == "mainstay|mainstay"
        assert asyncio.run(ask_asyncpg(url)) == 1
        psycopg2.connect(url).close()
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()
        assert list(odd.iterdir()) != []
        assert child.end() == ""
    assert list(odd.iterdir()) == []


async def ask_asyncpg(url: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT 1")
    finally:
        await connection.close()


@pytest.mark.parametrize("name", ["a,b", "a long name" * 10])
def test_temporary_folder_that_will_not_do_is_left_aside(
    home: Path, folder: Path, name: str, psql: "Psql", spawn: "Spawn"
) -> None:
    (home / name).mkdir()
    with spawn(folder, TMPDIR=str(home / name)) as child:
        assert psql.answers(child.url)


def test_server_speaks_utf8_and_utc_and_listens_on_no_port(server: EmbeddedPostgres, psql: "Psql") -> None:
    url = server.start()
    wanted = {"TimeZone": "UTC", "listen_addresses": "", "max_connections": "200"}
    for name, value in {**wanted, "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}.items():
        assert psql(url, f"SHOW {name}") == value
    database = psql(url, "SELECT pg_encoding_to_char(encoding), datctype FROM pg_database WHERE datname = 'mainstay'")
    assert database == ("UTF8|C.UTF-8" if sys.platform == "linux" else "UTF8|UTF-8")
    assert psql(url, "SELECT upper('ä')") == "Ä"


def test_server_is_durable_unless_told_otherwise(folder: Path, psql: "Psql") -> None:
    server = EmbeddedPostgres(folder)
    url = server.start()
    assert [psql(url, f"SHOW {name}") for name in ("fsync", "full_page_writes", "synchronous_commit")] == ["on"] * 3
    server.stop()


@pytest.mark.parametrize("name", ["""it's a "place" with 50% room""", "ünï", "long/" + "/".join(["abcdefgh" * 9] * 4)])
def test_folder_may_have_any_name(folder: Path, name: str, psql: "Psql") -> None:
    place = folder.parent / name
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    server = EmbeddedPostgres(place, durable=False)
    try:
        assert "kept" in psql.notes(server.start())
    finally:
        server.stop()
        place.rename(folder)


def test_second_start_takes_under_half_a_second_and_finds_the_data(server: EmbeddedPostgres, psql: "Psql") -> None:
    psql.note(server.start(), "more")
    seconds = []
    for _ in range(3):  # other tests may have the machine for a moment
        server.stop()
        begin = time.monotonic()
        url = server.start()
        seconds.append(time.monotonic() - begin)
    assert min(seconds) < 0.5
    assert {"kept", "more"} <= set(psql.notes(url))


def test_stop_ends_the_server_and_leaves_nothing_in_the_temporary_folder(
    server: EmbeddedPostgres, folder: Path, psql: "Psql"
) -> None:
    url = server.start()
    pid = psql.pid(url)
    assert server._sockets.stat().st_mode & 0o777 == 0o700
    server.stop()
    assert not embedded._command_line(str(pid))
    assert not psql.answers(url)
    assert not server._sockets.exists()


def test_server_is_out_of_the_terminals_reach(server: EmbeddedPostgres, psql: "Psql") -> None:
    url = server.start()
    assert os.getsid(psql.pid(url)) != os.getsid(0)  # Ctrl-C would stop it before the requests are done


def test_log_does_not_grow_for_ever(
    server: EmbeddedPostgres, folder: Path, monkeypatch: pytest.MonkeyPatch, psql: "Psql"
) -> None:
    url = server.start()
    monkeypatch.setattr(embedded, "_LOG_BYTES", 10)
    before = (folder / "postgres.log").stat().st_size
    list(server._serve())
    assert (folder / "postgres.log").stat().st_size == 0
    psql(url, "SELECT 1/0")
    assert 0 < (folder / "postgres.log").stat().st_size < before


# What cannot work says so.


@pytest.mark.parametrize("how", ["mode", "link", "file", "owner"])
def test_socket_folder_that_somebody_else_may_use_is_refused(server: EmbeddedPostgres, home: Path, how: str) -> None:
    planted = server._sockets
    if how == "link":
        (home / "elsewhere").mkdir(mode=0o700)
        planted.symlink_to(home / "elsewhere")
    elif how == "file":
        planted.touch(mode=0o600)
    else:
        planted.mkdir(mode=0o700)
    if how == "mode":
        planted.chmod(0o777)
    if how == "owner":
        if not IS_ROOT:
            planted.rmdir()
            pytest.skip("only root can give a folder away")
        os.chown(planted, 12345, 12345)
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"somebody else.*Remove it\. Or set DATABASE_URL"):
            server.start()
    finally:
        planted.rmdir() if planted.is_dir() and how != "link" else planted.unlink()


def test_missing_wheel_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedPostgresError, match=r"not installed.*Alpine.*DATABASE_URL"):
        EmbeddedPostgres(home / "fresh").start()


def test_missing_tool_is_named() -> None:
    with pytest.raises(EmbeddedPostgresError, match="There is no mysql"):
        binary("mysql")


def test_windows_is_told_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        with pytest.raises(EmbeddedPostgresError, match=r"Linux or macOS.*DATABASE_URL"):
            EmbeddedPostgres(home)


def test_cluster_of_another_major_version_is_left_alone(server: EmbeddedPostgres, folder: Path, psql: "Psql") -> None:
    (folder / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedPostgresError, match=r"initialized by PostgreSQL version 15.*move .*postgres away"):
        server.start()
    (folder / "data" / "PG_VERSION").write_text("16\n")
    assert "kept" in psql.notes(server.start())


def test_folder_that_is_not_writable_is_named(home: Path, spawn: "Spawn") -> None:
    home.chmod(0o555)
    with spawn(home / "fresh", uid=NOBODY if IS_ROOT else None) as child:
        complaint = child.end()
    assert f"PostgreSQL cannot run in {home / 'fresh'}" in complaint
    assert "Make it writable" in complaint


def test_full_disk_is_told_and_leaves_no_cluster(home: Path, spawn: "Spawn") -> None:
    with spawn(home / "fresh", "--largest-file", "1000000") as child:
        assert "A new cluster cannot be made: " in child.end()
    assert not (home / "fresh" / "data").exists()


def test_start_does_not_wait_for_ever(folder: Path, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_START", 0.05)
    other = EmbeddedPostgres(folder)
    assert other._own()
    with pytest.raises(EmbeddedPostgresError, match="still waiting for the server of the process that holds"):
        server.start()
    other.stop()


async def test_keep_goes_on_trying(
    server: EmbeddedPostgres,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    psql: "Psql",
    eventually: "Eventually",
) -> None:
    monkeypatch.setattr(embedded, "_RETRY", 0.0)
    monkeypatch.setattr(embedded, "_ORPHANS", 0.0)
    needed, aside = folder / "data" / "PG_VERSION", folder / "PG_VERSION"
    url = server.start()
    pid = psql.pid(url)
    needed.rename(aside)
    os.kill(pid, signal.SIGKILL)
    keeping = asyncio.create_task(server.keep())
    await asyncio.to_thread(eventually, lambda: "trying again" in caplog.text)
    aside.rename(needed)
    await asyncio.to_thread(eventually, lambda: psql.answers(url))
    keeping.cancel()
    assert "kept" in psql.notes(url)
