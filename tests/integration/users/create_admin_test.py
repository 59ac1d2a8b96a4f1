"""`mainstay users create-admin`: the first admin, with a password that stands in no argument and no line."""

import asyncio
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import psycopg2.extras
import pytest
from typer.testing import CliRunner, Result

from mainstay.cli import app as mainstay

PASSWORD = "correct-battery-horse"
LOGIN = "/api/v1/auth/login"

Create = Callable[..., Result]


@pytest.fixture
def create(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Create]:
    """Runs the command in an empty folder, with these bytes on standard input."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def create(*arguments: str, given: bytes | str = PASSWORD, **environment: str) -> Result:
        env = {"APP_ENV": "test", "DATABASE_URL": database_url, "BCRYPT_COST": "4", "COLUMNS": "200", **environment}
        result = CliRunner().invoke(mainstay, ["users", "create-admin", *arguments], input=given, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert PASSWORD not in result.output
        return result

    yield create
    root.handlers[:], root.level = handlers, level


def users(url: str) -> list[dict[str, Any]]:
    return fetch(url, "SELECT * FROM users ORDER BY id")


def fetch(url: str, query: str) -> list[dict[str, Any]]:
    factory = psycopg2.extras.RealDictCursor
    with closing(psycopg2.connect(url, cursor_factory=factory)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return [dict(row) for row in cursor.fetchall()]


async def test_the_admin_signs_in_and_sees_all_users(
    create: Create, database_url: str, client: httpx.AsyncClient
) -> None:
    result = await asyncio.to_thread(create, "Ada@example.com", "--full-name", "Ada Lovelace")
    (user,) = users(database_url)
    assert (result.exit_code, result.stdout) == (0, f"Ada@example.com is an admin: user {user['id']}.\n")
    assert (user["role"], user["full_name"], user["is_active"]) == ("admin", "Ada Lovelace", True)
    tokens = (await client.post(LOGIN, json={"email": "ada@EXAMPLE.com", "password": PASSWORD})).json()
    found = await client.get("/api/v1/users", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert [item["email"] for item in found.json()["items"]] == ["Ada@example.com"]


def test_an_event_tells_of_it(create: Create, database_url: str) -> None:
    create("ada@example.com")
    (user,) = users(database_url)
    (event,) = fetch(database_url, "SELECT type, aggregateid, payload FROM outbox")
    assert (event["type"], event["aggregateid"]) == ("user.registered", user["id"])
    assert event["payload"] == {"id": user["id"], "version": 1}


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nanother line\n"])
def test_the_password_is_the_first_line(create: Create, database_url: str, end: str) -> None:
    assert create("ada@example.com", given=PASSWORD + end).exit_code == 0
    assert users(database_url)[0]["password_hash"].startswith("$2b$04$")
    assert create("ADA@example.com").exit_code == 1


@pytest.mark.parametrize(
    ("email", "given", "named"),
    [
        ("ada@example.com", "", "password"),
        ("ada@example.com", "\n", "password"),
        ("ada@example.com", "hunter2hunt", "password"),
        ("ada@example.com", "hunter2" * 20, "password"),
        ("ada@example.com", "hunter2hunter2\0", "password"),
        ("ada@example.com", "passwordpassword", "password"),
        ("ada@example.com", "ADA@example.com", "password"),
        ("ada@example.com", b"\xffhunter2hunter2", "password"),
        ("hunter2", PASSWORD, "email"),
        ("", PASSWORD, "email"),
        ("ada@" + "a" * 260 + ".com", PASSWORD, "email"),
    ],
)
def test_what_cannot_be_an_account_is_one_line(
    create: Create, database_url: str, email: str, given: bytes | str, named: str
) -> None:
    result = create(email, given=given)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"mainstay: {named}: ")
    assert "hunter2" not in result.output
    assert users(database_url) == []


def test_all_that_is_wrong_is_said_at_once(create: Create) -> None:
    result = create("hunter2", "--full-name", "x" * 201, given="short")
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["email", "password", "full_name"]


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@Example.COM"])
def test_an_address_that_is_taken_stays_as_it_is(create: Create, database_url: str, email: str) -> None:
    create("ada@example.com")
    before = users(database_url)
    result = create(email, given="another-good-one")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is an account" in result.stderr.lower()
    assert users(database_url) == before


def test_tables_are_made_first_where_that_is_done_at_the_start(create: Create, empty_database_url: str) -> None:
    assert create("ada@example.com", DATABASE_URL=empty_database_url).exit_code == 0
    assert len(users(empty_database_url)) == 1


def test_where_it_is_not_it_says_what_to_do(create: Create, empty_database_url: str) -> None:
    result = create("ada@example.com", DATABASE_URL=empty_database_url, MIGRATE_ON_START="false")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "mainstay migrate up" in line


def test_a_database_that_does_not_answer_is_said_plainly(create: Create) -> None:
    for migrate in ("true", "false"):
        nowhere = "postgresql://user:hunter2@127.0.0.1:1/nowhere"
        result = create("ada@example.com", DATABASE_URL=nowhere, MIGRATE_ON_START=migrate)
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert "DATABASE_URL" in line
        assert "hunter2" not in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="has no terminals of this kind")
@pytest.mark.parametrize(("again", "code"), [(PASSWORD, 0), ("correct-battery-mule", None)])
def test_at_a_terminal_it_asks_twice_and_shows_nothing(
    database_url: str, tmp_path: Path, again: str, code: int | None
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mainstay", "users", "create-admin", "ada@example.com"],
        cwd=tmp_path,
        env={"PATH": os.defpath, "APP_ENV": "test", "DATABASE_URL": database_url, "BCRYPT_COST": "4"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = answer(ours, b"Password: ", PASSWORD)
    shown += answer(ours, b"Repeat for confirmation: ", again)
    if code is None:
        shown += read_until(ours, b"Password: ")  # it asks again
        process.kill()
        process.wait()
    else:
        assert process.wait(20) == code
        shown += read_until(ours, b"is an admin")
    os.close(ours)
    assert PASSWORD.encode() not in shown
    assert again.encode() not in shown
    assert len(users(database_url)) == (code == 0)


def answer(terminal: int, question: bytes, text: str) -> bytes:
    shown = read_until(terminal, question)
    os.write(terminal, text.encode() + b"\n")
    return shown


def read_until(terminal: int, end: bytes) -> bytes:
    shown = b""
    while end not in shown:
        shown += os.read(terminal, 1024)
    return shown
