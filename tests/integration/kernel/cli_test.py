"""The command line as a person types it, and settings as a process reads them."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mainstay import __version__
from mainstay.cli import app
from mainstay.kernel.db.migrations import revisions

COMMANDS = [
    (),
    ("serve",),
    ("openapi",),
    ("doctor",),
    ("backup",),
    ("restore",),
    ("demo",),
    ("migrate",),
    ("migrate", "up"),
    ("migrate", "status"),
    ("migrate", "verify"),
    ("migrate", "new"),
    ("relay",),
    ("outbox",),
    ("outbox", "stats"),
    ("outbox", "list"),
    ("outbox", "retry"),
    ("outbox", "purge"),
    ("users",),
    ("users", "create-admin"),
    ("new",),
    ("new", "service"),
    ("remove",),
    ("remove", "service"),
]
NOWHERE = "postgresql://user:hunter2@127.0.0.1:1/nowhere"  # nothing listens on port 1

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mainstay_process(tmp_path: Path, database_url: str) -> Run:
    """Runs `mainstay` in an empty folder, with nothing in the environment but what is given."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        defaults = {"APP_ENV": "test", "DATABASE_URL": database_url, "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "mainstay", *arguments],
            cwd=tmp_path,
            env={**inherited, **defaults, **environment},
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    return run


@pytest.fixture
def mainstay(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The same in this process: a second sooner."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        defaults = {"APP_ENV": "test", "DATABASE_URL": database_url, "COLUMNS": "200"}
        result = CliRunner().invoke(app, arguments, env={**defaults, **environment}, prog_name="mainstay")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    yield run
    root.handlers[:], root.level = handlers, level  # the command's go to an output that is closed by now


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines on standard error of a command that failed; a trace is no way to say what is wrong."""
    assert result.returncode not in {0, -1}
    assert "Traceback" not in result.stderr + result.stdout
    assert "hunter2" not in result.stderr + result.stdout
    return result.stderr.splitlines()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_a_help(mainstay: Run, command: tuple[str, ...], option: str) -> None:
    result = mainstay(*command, option)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"Usage: {' '.join(('mainstay', *command))} " in result.stdout
    assert "--help" in result.stdout
    if command not in {(), ("migrate",), ("outbox",), ("users",), ("new",), ("remove",)}:  # these list their commands
        _, _, examples = result.stdout.partition("Example")
        assert f"mainstay {' '.join(command)}" in examples


def test_without_arguments_it_shows_the_help(mainstay_process: Run) -> None:
    result = mainstay_process()
    assert (result.returncode, result.stderr) == (0, "")
    for name in ("serve", "relay", "migrate", "outbox", "users", "openapi", "doctor", "backup", "restore", "demo"):
        assert name in result.stdout


def test_the_version(mainstay: Run) -> None:
    result = mainstay("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("hunt",),
        ("--hunt",),
        ("serve", "--port", "x"),
        ("serve", "--port", "65536"),
        ("serve", "--workers", "0"),
        ("serve", "--hunt"),
        ("migrate", "down"),
        ("migrate", "up", "extra"),
        ("relay", "extra"),
        ("outbox", "hunt"),
        ("outbox", "list", "--limit", "0"),
        ("users", "create-admin"),
        ("users", "create-admin", "ada@example.com", "extra"),
        ("users", "create-admin", "ada@example.com", "--password", "hunter2"),
    ],
    ids=" ".join,
)
def test_what_it_does_not_know_is_said_on_standard_error(mainstay: Run, arguments: tuple[str, ...]) -> None:
    result = mainstay(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Usage:" in "\n".join(said(result))


def test_a_process_says_it_on_standard_error_too(mainstay_process: Run) -> None:
    result = mainstay_process("serve", APP_PORT="hunter2", LOG_LEVEL="hunter2", SERVICES="hunter2")
    assert [line.split(": ")[1] for line in said(result)] == ["APP_PORT", "SERVICES", "LOG_LEVEL"]
    assert (result.returncode, result.stdout) == (2, "")


@pytest.mark.parametrize("command", [("serve",), ("openapi",), ("doctor",), ("migrate", "status")], ids=" ".join)
def test_each_wrong_setting_is_one_line(mainstay: Run, command: tuple[str, ...]) -> None:
    result = mainstay(*command, APP_PORT="hunter2", LOG_LEVEL="hunter2")
    lines = said(result)
    assert [line.split(": ")[:2] for line in lines] == [["mainstay", "APP_PORT"], ["mainstay", "LOG_LEVEL"]]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "name"),
    [
        (("serve",), {"APP_ENV": "prod", "DATABASE_URL": ""}, "DATABASE_URL"),
        (("serve",), {"APP_ENV": "prod"}, "SECRET_KEY"),
        (("serve",), {"SECRET_KEY": "hunter2"}, "SECRET_KEY"),
        (("serve",), {"APP_ENV": "hunter2"}, "APP_ENV"),
        (("serve",), {"ENVIRONMENT": "production"}, "ENVIRONMENT"),
        (("serve",), {"DATABASE_URL": "hunter2"}, "DATABASE_URL"),
        (("serve", "--services", "hunter"), {}, "SERVICES"),
        (("serve", "--workers", "2"), {"PETS_STORAGE": "memory"}, "PETS_STORAGE"),
        (("doctor",), {"CORS_ORIGINS": "hunter2"}, "CORS_ORIGINS"),
        (("openapi",), {"DB_POOL_MIN": "20"}, "DB_POOL_MIN"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(
    mainstay: Run, arguments: tuple[str, ...], environment: dict[str, str], name: str
) -> None:
    (line,) = said(mainstay(*arguments, **environment))
    assert line.startswith("mainstay: ")
    assert name in line


@pytest.mark.parametrize("command", [("migrate", "up"), ("migrate", "status"), ("migrate", "verify")], ids=" ".join)
@pytest.mark.parametrize(
    "database_url", [NOWHERE, "postgresql://a:hunter2@name.invalid/x", "postgresql:///x?host=/nowhere"]
)
def test_a_database_that_does_not_answer_is_said_plainly(
    mainstay: Run, command: tuple[str, ...], database_url: str
) -> None:
    (line,) = said(mainstay(*command, DATABASE_URL=database_url))
    assert "DATABASE_URL" in line


@pytest.mark.parametrize("app_env", ["test", "prod"])
def test_a_server_without_its_database_says_so_and_ends(mainstay_process: Run, app_env: str) -> None:
    """In prod nothing is migrated at the start: there, another part of the program finds it out."""
    secret = "0123456789-0123456789-0123456789"
    result = mainstay_process("serve", "--port", "0", DATABASE_URL=NOWHERE, APP_ENV=app_env, SECRET_KEY=secret)
    (line,) = said(result)
    assert "DATABASE_URL" in line
    assert "Cannot start" in result.stdout


def test_a_migration_begins_at_a_database_that_is_current(mainstay: Run, empty_database_url: str) -> None:
    before = revisions()
    refused = mainstay("migrate", "new", "Paint pets", DATABASE_URL=empty_database_url)
    assert (refused.returncode, refused.stdout, revisions()) == (2, "", before)
    assert "not up to date" in refused.stderr


def test_migrate_goes_from_nothing_to_current(mainstay: Run, empty_database_url: str) -> None:
    pending = mainstay("migrate", "status", DATABASE_URL=empty_database_url)
    assert pending.returncode == 1
    assert "pending:" in pending.stdout
    up = mainstay("migrate", "up", DATABASE_URL=empty_database_url)
    assert (up.returncode, up.stderr) == (0, "")
    assert up.stdout.count("applied") == pending.stdout.count("pending:")
    again = mainstay("migrate", "up", DATABASE_URL=empty_database_url)
    assert (again.returncode, again.stdout) == (0, "The database is current.\n")
    assert mainstay("migrate", "status", DATABASE_URL=empty_database_url).returncode == 0
    assert mainstay("migrate", "verify", DATABASE_URL=empty_database_url).returncode == 0


async def test_verify_and_doctor_find_what_differs(mainstay: Run, session: Any) -> None:
    await session.execute("ALTER TABLE pets ADD COLUMN colour text")
    verified = await asyncio.to_thread(mainstay, "migrate", "verify")
    assert verified.returncode == 1
    assert "colour" in verified.stderr
    doctor = await asyncio.to_thread(mainstay, "doctor")
    assert doctor.returncode == 1
    assert "colour" in doctor.stdout + doctor.stderr
    assert "migrate verify" in doctor.stdout + doctor.stderr


def test_openapi_is_printed_and_written(mainstay: Run, tmp_path: Path) -> None:
    printed = mainstay("openapi", DATABASE_URL=NOWHERE)
    assert (printed.returncode, printed.stderr) == (0, "")
    document = json.loads(printed.stdout)
    assert document["info"]["version"] == __version__
    assert "/pets" in document["paths"]
    assert mainstay("openapi", "--output", "api.json").returncode == 0
    assert (tmp_path / "api.json").read_text() == printed.stdout
    assert "nowhere" in said(mainstay("openapi", "--output", "nowhere/api.json"))[0]


def test_settings_come_from_files_where_the_environment_is_silent(mainstay: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PETS_STORAGE=memory\nSERVICES=pets\nAPP_PORT=nonsense\nUNKNOWN=1\n")
    (tmp_path / ".env.test").write_text("APP_PORT=8001\n")
    assert "ok       database     none is needed" in mainstay("doctor").stdout.splitlines()
    assert "APP_PORT" in said(mainstay("doctor", APP_ENV="qa"))[0]


def test_a_server_reads_its_settings(serve: Callable[..., Any], tmp_path: Path) -> None:
    """`serve` as a whole: the environment before the file, the options before both."""
    (tmp_path / ".env").write_text("APP_HOST=127.0.0.2\nAPP_PORT=1\nAPP_ENV=prod\n")
    server = serve(MIGRATE_ON_START="false")
    assert server.url.startswith("http://127.0.0.2:")
    assert not server.url.endswith((":1", ":0"))


def test_a_port_that_is_taken_is_said_plainly(mainstay: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        (line,) = said(mainstay("serve", "--port", port))
    assert port in line
