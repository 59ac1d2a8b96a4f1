"""The data: one database made by Mainstay's own migrations and filled once; each turn begins on a fresh copy of it."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from bench import callers

_ORIGINAL, _COPY = "bench_original", "bench"

# An order's number is in its id, a UUIDv7 whose time is that many milliseconds after the one here.
_FILL_ORDERS = """
INSERT INTO orders (tenant_id, id, status, total_cents, version, created_at, updated_at, confirmed_at, closed_at)
SELECT format('%s-%s', owner, lpad((n % 100)::text, 3, '0')),
    ('019a' || lpad(to_hex(n), 8, '0') || '70008000000000000000')::uuid,
    (ARRAY['draft', 'confirmed', 'closed'])[version], CASE WHEN version > 1 THEN n END, version,
    at, at, CASE WHEN version > 1 THEN at END, CASE WHEN version > 2 THEN at END
FROM generate_series(0, 69999) AS n, LATERAL (
    SELECT CASE WHEN n < 10000 THEN 'tenant' ELSE 'drafts' END, CASE WHEN n < 10000 THEN n % 3 + 1 ELSE 1 END,
        timestamptz '2025-10-20T05:03:11.360Z' + n * interval '1 ms'
) AS derived(owner, version, at)
"""

_FILL_PETS = """
INSERT INTO pets (name, species, species_key, age_years, status, version, created_at, updated_at)
SELECT format('Pet %s', n), kind, kind, n % 20, 'available', 1, now(), now()
FROM generate_series(0, 9999) AS n, format('species-%s', lpad((n % 100)::text, 3, '0')) AS kind
ORDER BY n
"""

_FILL_TASKS = """
INSERT INTO tasks (
    id, title, title_key, search_text, status, priority, assignee, due_date, created_at, updated_at, version
)
SELECT nextval('tasks_id_seq'), title, lower(title), lower(title), CASE n % 2 WHEN 0 THEN 'new' ELSE 'in_progress' END,
    n % 5 + 1, format('person-%s', lpad((n % 100)::text, 3, '0')), date '2026-12-01' + n % 30, now(), now(), 1
FROM generate_series(0, 9999) AS n, format('Task %s', n) AS title
ORDER BY n
"""

_FILL_CONFIGS = """
INSERT INTO applications (id, name)
SELECT '01JCZ5W1XJ8T3S6V' || lpad(n::text, 10, '0'), format('application-%s', n) FROM generate_series(0, 99) AS n;
INSERT INTO configurations (id, application_id, name, config)
SELECT '01JCZ5Y7Q2GDB5E0' || lpad(n::text, 10, '0'), '01JCZ5W1XJ8T3S6V' || lpad((n % 100)::text, 10, '0'),
    format('configuration-%s', n), jsonb_build_object(
        'retries', n % 7, 'timeout_seconds', 2.5, 'url', format('https://service-%s.example/v1', n % 50),
        'features', jsonb_build_object('express', n % 2 = 0, 'limits', jsonb_build_array(1, 10, 100))
    )
FROM generate_series(0, 9999) AS n
"""


class NotDurable(Exception):
    """The server may lose what it said was committed: writes measured on it would be too fast."""


def prepare(url: str, folder: Path) -> None:
    """Make the original: 10,000 orders of 100 tenants, pets of 100 species, tasks of 100 people, and configurations.

    100 more tenants have 60,000 drafts, to be confirmed. Raises NotDurable where PostgreSQL does not wait for the disk.
    """
    make(url, _ORIGINAL, folder, _FILL_ORDERS, _FILL_PETS, _FILL_TASKS, _FILL_CONFIGS)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        if asyncio.run(_value(url, f"SHOW {setting}")) != "on":
            raise NotDurable(f"{setting} is off")


def make(url: str, name: str, folder: Path, *fillings: str) -> str:
    """A database with Mainstay's tables, filled, and with those who call; its URL."""
    asyncio.run(_execute(url, f"CREATE DATABASE {name}"))
    made = _named(url, name)
    command = [sys.executable, "-m", "mainstay", "migrate", "up"]
    subprocess.run(command, env={"DATABASE_URL": made}, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    asyncio.run(_execute(made, callers.fill(), *fillings, "VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"))
    return made


def copy(url: str) -> str:
    """Make a fresh copy of the original, in place of the one before; its URL. All of it is on the disk afterwards."""
    drop = f"DROP DATABASE IF EXISTS {_COPY} WITH (FORCE)"
    asyncio.run(_execute(url, drop, f"CREATE DATABASE {_COPY} TEMPLATE {_ORIGINAL}", "CHECKPOINT"))
    return _named(url, _COPY)


def events(url: str) -> int:
    """How many events are in the outbox."""
    number: int = asyncio.run(_value(url, "SELECT count(*) FROM outbox"))
    return number


def server_version(url: str) -> str:
    """PostgreSQL's version."""
    return str(asyncio.run(_value(url, "SHOW server_version"))).split()[0]


def _named(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _value(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
