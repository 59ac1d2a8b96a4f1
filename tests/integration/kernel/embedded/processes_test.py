"""The embedded PostgreSQL among processes that share it, end, are killed, and leave things behind."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainstay.kernel.db import embedded
from mainstay.kernel.db.embedded import EmbeddedPostgres, binary

if TYPE_CHECKING:
    from tests.integration.kernel.embedded.conftest import Eventually, Psql, Spawn

NOBODY = pwd.getpwnam("nobody").pw_uid
as_nobody = pytest.param(
    NOBODY, id="as nobody", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a server with its owner")


def is_gone(pid: int) -> bool:
    return not embedded._command_line(str(pid))


@contextmanager
def owned_by(uid: int, folder: Path) -> Iterator[None]:
    """Give a user what root owns where it serves as nobody."""
    places = [folder, folder / "lock", folder / "postgres.log"]
    for place in places:
        os.chown(place, uid, uid)
    try:
        yield
    finally:
        for place in places:
            os.chown(place, 0, 0)


# The end of the owner.


@on_linux
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("uid", [pytest.param(None, id="as ourselves"), as_nobody])
def test_server_ends_with_its_owner_and_the_data_is_intact(
    folder: Path, how: signal.Signals, uid: int | None, psql: "Psql", spawn: "Spawn", eventually: "Eventually"
) -> None:
    with owned_by(uid, folder) if uid else nullcontext():
        with spawn(folder, uid=uid) as child:
            url = child.url
            psql.note(url, f"last words before {how.name} as {uid}")
            pid = psql.pid(url)
            child.kill(how)
            assert eventually(lambda: is_gone(pid)) < 2
        with spawn(folder, uid=uid) as child:
            assert f"last words before {how.name} as {uid}" in psql.notes(child.url)
            assert child.end() == ""


def test_next_start_stops_a_server_whose_owner_is_gone(folder: Path, server: EmbeddedPostgres, psql: "Psql") -> None:
    """As on macOS, where nothing ends the server with its owner."""
    left = EmbeddedPostgres(folder, durable=False)
    url = left.start()
    pid = psql.pid(url)
    assert left._lock
    left._lock.close()
    assert server.start() == url
    assert is_gone(pid)
    assert "kept" in psql.notes(url)
    assert left._process
    left._process.wait()


def test_killed_server_is_started_again_by_its_owner(
    folder: Path, psql: "Psql", spawn: "Spawn", eventually: "Eventually"
) -> None:
    with spawn(folder, "--keep") as child:
        url = child.url
        pid = psql.pid(url)
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: is_gone(pid) and psql.answers(url)) < 2
        assert "kept" in psql.notes(url)
        assert child.end() == ""


def test_start_after_server_and_owner_were_killed(
    folder: Path, server: EmbeddedPostgres, psql: "Psql", spawn: "Spawn"
) -> None:
    with spawn(folder, "--durable") as child:
        url = child.url
        psql.note(url, "last words before the end of all")
        os.kill(psql.pid(url), signal.SIGKILL)
        child.kill(signal.SIGKILL)
    assert "last words before the end of all" in psql.notes(server.start())


def test_what_is_left_of_a_killed_server_is_waited_for(
    server: EmbeddedPostgres, psql: "Psql", eventually: "Eventually"
) -> None:
    url = server.start()
    busy = subprocess.Popen([binary("psql"), url, "-c", "DO 'BEGIN LOOP END LOOP; END'"], stderr=subprocess.DEVNULL)
    its_backend = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO %'"
    eventually(lambda: psql(url, its_backend))
    backend = int(psql(url, its_backend))
    assert server._process
    server._process.kill()
    server._process.wait()
    awaited = server._serve()
    eventually(lambda: next(awaited) == "what is left of a killed server")
    os.kill(backend, signal.SIGKILL)
    for _ in awaited:
        time.sleep(0.01)
    assert "kept" in psql.notes(url)
    busy.wait()


def test_stop_does_not_wait_for_ever(server: EmbeddedPostgres, psql: "Psql", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_STOP", 0.05)
    pid = psql.pid(server.start())
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert is_gone(pid)
    assert "kept" in psql.notes(server.start())


def test_start_after_a_first_start_was_killed(
    home: Path, psql: "Psql", spawn: "Spawn", eventually: "Eventually"
) -> None:
    with spawn(home / "fresh") as child:
        eventually(lambda: list((home / "fresh").glob("new-*/global/pg_control")))
        child.kill(signal.SIGKILL)
    for _ in range(2):  # what the killed one's children still wrote goes at the second
        with spawn(home / "fresh") as child:
            assert psql.answers(child.url)
            assert child.end() == ""
    assert {entry.name for entry in (home / "fresh").iterdir()} == {"data", "lock", "postgres.log"}


# Several processes on one folder.


def test_two_processes_make_one_cluster_and_share_its_server(home: Path, psql: "Psql", spawn: "Spawn") -> None:
    place = home / "fresh"
    with spawn(place) as one, spawn(place) as other:
        url = one.url
        assert other.url == url
        pid = psql.pid(url)
        assert psql.answers(url)
        assert [one.end(), other.end()] == ["", ""]
        assert is_gone(pid)


def test_sharer_lets_go_without_stopping_the_server(
    folder: Path, server: EmbeddedPostgres, psql: "Psql", spawn: "Spawn"
) -> None:
    url = server.start()
    with spawn(folder) as sharer:
        assert sharer.url == url
        assert sharer.end() == ""
    assert psql.answers(url)


def test_sharer_in_another_temporary_folder_finds_the_server(home: Path, folder: Path, spawn: "Spawn") -> None:
    with spawn(folder, TMPDIR=str(home)) as owner:
        url = owner.url
        with spawn(folder, TMPDIR="/") as sharer:
            assert sharer.url == url
        assert owner.end() == ""


@pytest.mark.parametrize("how", ["stop", "SIGKILL"])
def test_sharer_takes_over_within_two_seconds(
    folder: Path, how: str, psql: "Psql", spawn: "Spawn", eventually: "Eventually"
) -> None:
    with spawn(folder, "--keep") as owner:
        url = owner.url
        with spawn(folder, "--keep") as sharer:
            assert sharer.url == url
            pid = psql.pid(url)
            if how == "SIGKILL":
                owner.kill(signal.SIGKILL)
                begin = time.monotonic()
            else:
                begin = time.monotonic()
                owner.end()
            eventually(lambda: is_gone(pid) and psql.answers(url))
            assert time.monotonic() - begin < 2
            assert "kept" in psql.notes(url)
            assert sharer.end() == ""
    assert not psql.answers(url)


# What an earlier run left.


@pytest.mark.parametrize("whose", ["nobody's", "another program's", "another server's", "garbage"])
def test_stale_pid_file_and_socket_lock_are_told_from_live_ones(
    folder: Path, server: EmbeddedPostgres, postgres_url: str, whose: str, psql: "Psql"
) -> None:
    account = embedded._account(folder / "data")
    server._sockets.mkdir(mode=0o700)
    os.chown(server._sockets, *account)
    with subprocess.Popen(["/bin/sleep", "60"], **embedded._as(account)) as sleeper:
        if whose == "nobody's":
            sleeper.kill()
            sleeper.wait()
        other_server = psql(postgres_url, "SELECT pg_read_file('postmaster.pid')").partition("\n")[0]
        pid = {"another server's": other_server, "garbage": "\0\0"}.get(whose, str(sleeper.pid))
        for stale in (folder / "data" / "postmaster.pid", server._sockets / ".s.PGSQL.5432.lock"):
            stale.write_text(f"{pid}\n/proc/self/cwd\n1763700000\n5432\n{server._sockets}\n\n  1234 5\nready   \n")
            os.chown(stale, *account)
        assert "kept" in psql.notes(server.start())
        assert psql.answers(postgres_url)
        assert (sleeper.poll() is None) == (whose != "nobody's")
        sleeper.kill()


def test_folder_deleted_under_the_owner_is_no_longer_its_own(home: Path) -> None:
    place = home / "postgres"
    one, other = EmbeddedPostgres(place), EmbeddedPostgres(place)
    assert one._own()
    shutil.rmtree(place)
    assert other._own()
    assert not one._own()
    one.stop()
    other.stop()
