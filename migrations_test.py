"""`python migrations.py` as a person types it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mainstay.kernel.db.embedded import EmbeddedPostgres

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database without a table."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data", durable=False)
    yield server.start()
    server.stop()


@pytest.fixture
def run(tmp_path: Path, database_url: str) -> Run:
    """Runs it in an empty folder, with nothing in the environment but what is given."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        defaults = {"APP_ENV": "test", "DATABASE_URL": database_url, "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, Path(__file__).with_name("migrations.py"), *arguments],
            cwd=tmp_path,
            env={**inherited, **defaults, **environment},
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    return run


def test_from_nothing_to_current(run: Run) -> None:
    pending = run("status")
    assert (pending.returncode, pending.stderr) == (1, "")
    assert pending.stdout.splitlines()[0] == "current: none"
    assert "pending: 0001_init" in pending.stdout.splitlines()

    up = run("up")
    assert (up.returncode, up.stderr) == (0, "")
    assert up.stdout.splitlines()[0] == "applied 0001_init"
    assert up.stdout.count("applied") == pending.stdout.count("pending:")  # and none of Alembic's

    again = run("up")
    assert (again.returncode, again.stdout) == (0, "The database is current.\n")
    verified = run("verify")
    assert (verified.returncode, verified.stdout) == (0, "Nothing found.\n")


@pytest.mark.parametrize("command", ["status", "up", "verify"])
def test_a_database_that_is_away_is_said_in_one_line(run: Run, command: str) -> None:
    result = run(command, DATABASE_URL="postgresql://user:hunter2@127.0.0.1:1/nowhere")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "DATABASE_URL" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [("down",), ("up", "extra"), ("--hunt",)], ids=" ".join)
def test_what_it_does_not_know_is_said_on_standard_error(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage: migrations.py" in result.stderr


def test_alone_it_shows_the_help(run: Run) -> None:
    result = run()
    assert (result.returncode, result.stderr) == (0, "")
    for command in ("status", "up", "verify"):
        assert command in result.stdout
