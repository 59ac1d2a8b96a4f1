"""`mainstay demo`: the same data for the same seed, once, by the services' own rules."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from mainstay.cli import demo_data
from mainstay.services.configs.schemas import ApplicationIn, ConfigurationIn
from mainstay.services.orders.domain import STATUSES
from mainstay.services.pets.schemas import PetIn
from mainstay.services.tasks.schemas import TaskIn
from mainstay.services.users.schemas import UserIn
from tests.conftest import run_sql

TABLES = ("pets", "tasks", "applications", "configurations", "orders", "users", "outbox")
PASSWORD = "correct-battery-horse"
DAY = date(2026, 11, 21)

Run = Callable[..., Any]
Said = Callable[[Any], str]


def rows(url: str, query: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def counts(url: str) -> dict[str, int]:
    return {table: rows(url, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


# What it is


@pytest.mark.parametrize("number", [0, 1, 250, 5000])
def test_callers_could_have_sent_it(number: int) -> None:
    PetIn.model_validate(demo_data.pet(7, number))
    TaskIn.model_validate(demo_data.task(7, number, DAY).fields)
    person = demo_data.user(7, number)
    UserIn.model_validate({name: person[name] for name in ("email", "full_name")} | {"password": PASSWORD})
    made = demo_data.application(7, number)
    ApplicationIn.model_validate(made.fields)
    for name, config in made.configurations.items():
        application_id = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA"
        ConfigurationIn.model_validate({"application_id": application_id, "name": name, "config": config})


@pytest.mark.parametrize(
    "name",
    [
        lambda number: demo_data.task(7, number, DAY).fields["title"].casefold(),
        lambda number: demo_data.user(7, number)["email"].casefold(),
        lambda number: demo_data.application(7, number).fields["name"],
    ],
    ids=["task", "user", "application"],
)
def test_no_name_comes_twice(name: Callable[[int], str]) -> None:
    assert len({name(number) for number in range(1500)}) == 1500


def test_another_seed_makes_other_data() -> None:
    assert [demo_data.pet(1, number) for number in range(9)] == [demo_data.pet(1, number) for number in range(9)]
    assert [demo_data.pet(1, number) for number in range(9)] != [demo_data.pet(2, number) for number in range(9)]


# Filling


def test_all_services_are_filled_with_their_events(mainstay: Run, database_url: str) -> None:
    result = mainstay("demo")
    assert (result.returncode, result.stderr) == (0, "")
    filled = counts(database_url)
    assert filled | {"outbox": 0} == {
        "pets": 20,
        "tasks": 20,
        "orders": 20,
        "users": 5,
        "outbox": 0,
        "applications": 6,
        "configurations": 16,  # one of them holds how far it has come
    }
    told = dict(rows(database_url, "SELECT type, count(*) FROM outbox GROUP BY type"))
    for kind in ("pet.created", "task.created", "order.created"):
        assert told[kind] == 20
    assert told["user.registered"] == 5
    assert told["order.confirmed"] > told["order.closed"] > 0
    assert told["task.completed"] > 0


def test_there_are_several_tenants_states_and_roles(mainstay: Run, database_url: str) -> None:
    mainstay("demo", "--size", 60)
    assert {status for (status,) in rows(database_url, "SELECT DISTINCT status FROM orders")} == set(STATUSES)
    assert len(rows(database_url, "SELECT DISTINCT tenant_id FROM orders")) > 2
    assert len(rows(database_url, "SELECT DISTINCT status FROM tasks")) == 3
    assert len(rows(database_url, "SELECT DISTINCT status FROM pets")) == 3
    assert len(rows(database_url, "SELECT DISTINCT role, tenant FROM users")) > 3


@pytest.mark.parametrize("before", ["SELECT 1", "DELETE FROM idempotency_keys"])
def test_a_second_run_adds_nothing_and_says_so(mainstay: Run, database_url: str, before: str) -> None:
    mainstay("demo", "--seed", 7)
    filled = counts(database_url)
    run_sql(database_url, before)
    for size in ("small", 3):
        again = mainstay("demo", "--seed", 7, "--size", size)
        assert again.returncode == 0
        assert "Nothing to add" in again.stdout
    assert counts(database_url) == filled


def test_more_of_a_seed_adds_what_is_missing(mainstay: Run, database_url: str, empty_database_url: str) -> None:
    for size in (3, 12):
        assert mainstay("demo", "--size", size).returncode == 0
    assert mainstay("demo", "--size", 12, DATABASE_URL=empty_database_url).returncode == 0
    for query in (
        "SELECT id, name, species, age_years, status FROM pets ORDER BY id",
        "SELECT title, description, status, priority, assignee FROM tasks ORDER BY id",
        "SELECT tenant_id, status, total_cents FROM orders ORDER BY id",
        "SELECT email, full_name, role, scopes, tenant, is_active FROM users ORDER BY email",
        "SELECT name, comments FROM applications ORDER BY name",
        "SELECT name, config::text FROM configurations ORDER BY name, config",
    ):
        assert rows(database_url, query) == rows(empty_database_url, query)


def test_a_run_that_was_cut_off_is_gone_on_with(mainstay: Run, database_url: str) -> None:
    mainstay("demo", "--size", 8)
    filled = counts(database_url)
    run_sql(database_url, "UPDATE configurations SET config = '{}' WHERE name = 'seed-1'")
    result = mainstay("demo", "--size", 8)
    assert (result.returncode, counts(database_url)) == (0, filled)


def test_what_others_have_named_so_stays_theirs(mainstay: Run, database_url: str) -> None:
    name = demo_data.application(1, 0).fields["name"]
    run_sql(database_url, f"INSERT INTO applications VALUES ('01JCZ5W1XJ8T3S6V9Q4N2M7KRA', '{name}', 'ours')")
    result = mainstay("demo", "--size", 1)
    assert "4 to configs" in result.stdout
    assert rows(database_url, "SELECT FROM configurations WHERE application_id = '01JCZ5W1XJ8T3S6V9Q4N2M7KRA'") == []


@pytest.mark.parametrize("migrate", ["true", "false"])
def test_tables_are_made_where_that_is_done_at_the_start(
    mainstay: Run, said: Said, empty_database_url: str, migrate: str
) -> None:
    result = mainstay("demo", "--size", 1, DATABASE_URL=empty_database_url, MIGRATE_ON_START=migrate)
    if migrate == "true":
        assert result.returncode == 0
    else:
        assert "mainstay migrate up" in said(result)


# Passwords


async def test_with_a_password_its_users_sign_in(mainstay: Run, tmp_path: Path, client: httpx.AsyncClient) -> None:
    (tmp_path / "password.txt").write_text(f"{PASSWORD}\nanother line\n")
    result = await asyncio.to_thread(mainstay, "demo", "--password-file", "password.txt")
    assert (result.returncode, PASSWORD in result.stdout) == (0, False)
    email = demo_data.user(1, 0)["email"]
    answer = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200


def test_without_one_each_has_another_that_nobody_is_told(mainstay: Run, database_url: str) -> None:
    result = mainstay("demo")
    assert "--password-file" in result.stdout
    hashes = {found for (found,) in rows(database_url, "SELECT password_hash FROM users")}
    assert len(hashes) == 5


@pytest.mark.parametrize(
    "given", ["", "\n", "hunter2\n", "password1234\n", "hunter2" * 30, "correct\0battery\0horse", "passwordpassword"]
)
def test_a_password_that_registration_refuses_is_refused(
    mainstay: Run, said: Said, database_url: str, given: str
) -> None:
    assert said(mainstay("demo", "--password-file", "-", given=given)).startswith("--password-file: ")
    assert sum(counts(database_url).values()) == 0


# Where it is not wanted


def test_in_prod_it_is_refused_unless_forced(mainstay: Run, said: Said, database_url: str) -> None:
    prod = {"APP_ENV": "prod", "SECRET_KEY": "0123456789-0123456789-0123456789", "BCRYPT_COST": "10"}
    assert "--force" in said(mainstay("demo", **prod))
    assert sum(counts(database_url).values()) == 0
    assert mainstay("demo", "--force", "--size", 1, **prod).returncode == 0


def test_what_a_server_has_in_its_memory_is_left_out(mainstay: Run, said: Said, database_url: str) -> None:
    result = mainstay("demo", PETS_STORAGE="memory", SERVICES="pets,orders")
    assert "pets: not filled" in result.stderr
    assert (counts(database_url)["pets"], counts(database_url)["orders"]) == (0, 20)
    assert "memory" in said(mainstay("demo", PETS_STORAGE="memory", SERVICES="pets"))


@pytest.mark.parametrize("size", ["0", "-1", "huge", "100001", "1e3", "٣", ""])
def test_a_size_that_is_none_is_said(mainstay: Run, said: Said, size: str) -> None:
    assert "--size is small, medium, large" in said(mainstay("demo", f"--size={size}"))


def test_a_database_that_is_away_is_said(mainstay: Run, said: Said) -> None:
    for migrate in ("true", "false"):
        nowhere = "postgresql://user:hunter2@127.0.0.1:1/nowhere"
        assert "DATABASE_URL" in said(mainstay("demo", DATABASE_URL=nowhere, MIGRATE_ON_START=migrate))


@pytest.mark.skipif(sys.platform == "win32", reason="has no terminals of this kind")
def test_at_a_terminal_there_is_a_progress_bar(database_url: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mainstay", "demo", "--size", "5"],
        cwd=tmp_path,
        env={"PATH": os.defpath, "APP_ENV": "test", "DATABASE_URL": database_url, "BCRYPT_COST": "4", "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"100%" not in shown:
        shown += os.read(ours, 4096)
    assert process.wait(30) == 0
    os.close(ours)
    assert b"orders" in shown
