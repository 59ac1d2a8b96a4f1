"""Every statement that a request can send is read off an index: of no filled table all rows are read.

The statements are those that the program sends while each operation is called, with every choice of a list's filters.
A plan is that of a statement which a pooled connection has sent many times: PostgreSQL then weighs one plan for all
values against one for these. An index that is read from one end to the other in place of its table is not noticed
here: how much a list of orders reads, tests/integration/orders/plan_test.py counts.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class, spelled small
from psycopg2.extras import RealDictCursor

from mainstay.app import create_app
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.services.configs.driver import Connection
from mainstay.settings import SERVICES, load_settings
from tests.conftest import client_of, run_sql, running
from tests.integration.plans.calls import every_call
from tests.integration.plans.filling import FILL, TABLES
from tests.signed_in import sign_in


class Sending(NamedTuple):
    """How a statement was sent the first time."""

    values: Any
    prepared: bool
    """By asyncpg, which does; psycopg2 writes the values into the text, so that every time is the first."""


Sent = dict[str, Sending]
"""Statements."""
Node = dict[str, Any]

PLANNED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
"""What has a plan; BEGIN and its like have none."""
_SENT_OFTEN = 7
"""From the sixth time on PostgreSQL may take one plan for all values."""


@pytest.fixture(scope="module")
def filled(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """A database with many rows in each table."""
    with copied_database() as url:
        run_sql(url, FILL, "VACUUM ANALYZE")
        yield url


@dataclass(frozen=True)
class Called:
    """What came of calling every operation."""

    sent: Sent
    operations: set[str]
    expected: set[str]
    """All that need the database."""


@pytest.fixture(scope="module")
def called(filled: str, tmp_path_factory: pytest.TempPathFactory) -> Called:
    """Call every operation."""
    called = Called({}, set(), set())
    with pytest.MonkeyPatch.context() as patch:
        note_asyncpg(patch, called.sent)
        note_psycopg2(patch, called.sent)
        note_operations(patch, called.operations)
        asyncio.run(call_all(filled, tmp_path_factory.mktemp("plans"), called.expected))
    return called


@pytest.fixture
def cursor(filled: str) -> Iterator[Cursor]:
    """On the filled tables; what is done is undone."""
    with closing(psycopg2.connect(filled)) as connection, connection.cursor() as cursor:
        yield cursor
        connection.rollback()


def note_asyncpg(patch: pytest.MonkeyPatch, sent: Sent) -> None:
    def noting(method: Any) -> Any:
        async def note(self: asyncpg.Connection, text: str, *values: Any, **options: Any) -> Any:
            sent.setdefault(text, Sending(values, prepared=True))
            return await method(self, text, *values, **options)

        return note

    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        patch.setattr(asyncpg.Connection, name, noting(getattr(asyncpg.Connection, name)))


def note_psycopg2(patch: pytest.MonkeyPatch, sent: Sent) -> None:
    class Noting(RealDictCursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as the base has it
            for statement in str(query).split(";"):
                sent.setdefault(statement, Sending(vars, prepared=False))
            super().execute(query, vars)

    patch.setattr(Connection, "rows", lambda self: self.cursor(cursor_factory=Noting))


def note_operations(patch: pytest.MonkeyPatch, operations: set[str]) -> None:
    def noting(line: Any) -> Any:
        def note(self: AccessLog, method: str, route: str, status: int, *rest: Any, **more: Any) -> None:
            if status < HTTPStatus.BAD_REQUEST:
                operations.add(f"{method} {route}")
            line(self, method, route, status, *rest, **more)

        return note

    patch.setattr(AccessLog, "line", noting(AccessLog.line))


async def call_all(url: str, folder: Path, expected: set[str]) -> None:
    """Start the program, note which operations need the database, and call them."""
    settings = load_settings(
        app_env="test",
        auth_mode="required",
        database_url=url,
        data_dir=folder,
        migrate_on_start=False,
        relay=False,
        bcrypt_cost=4,
        rate_limits="none",
    )
    async with running(create_app(settings)) as app, client_of(app) as client:
        routes = [route for route in app.routes if isinstance(route, UnitRoute) and route.contract.stored]
        expected.update(f"{method} {route.path}" for route in routes for method in route.methods)
        scopes = [f"{service}:*" for service in SERVICES if service != "users"]
        admin = sign_in(url, app.state.users().keys, scopes=scopes, role="admin", tenant="tenant-1")
        client.headers.update(admin.headers)
        await every_call(client)


def plans(cursor: Cursor, text: str, sending: Sending) -> Iterator[Node]:
    """Of a statement: the first time it is sent, and when it has been often."""
    values = sending.values
    if not sending.prepared:
        yield explained(cursor, cursor.mogrify(text, values).decode())
        return
    places = f"({', '.join(['%s'] * len(values))})" if values else ""
    execute = cursor.mogrify(f"EXECUTE sent{places}", [literal(value) for value in values]).decode()
    cursor.execute(f"PREPARE sent AS {text}")
    found = [explained(cursor, execute) for _ in range(_SENT_OFTEN)]
    cursor.execute("DEALLOCATE sent")
    yield from (found[0], found[-1])


def explained(cursor: Cursor, statement: str) -> Node:
    cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
    plan: Node = cursor.fetchone()[0][0]["Plan"]  # type: ignore[index]  # it always answers
    return plan


def literal(value: Any) -> Any:
    """What psycopg2 can write down."""
    if isinstance(value, list | tuple):
        return list(value)
    return value if value is None or isinstance(value, int | bytes) else str(value)


def nodes(node: Node) -> Iterator[Node]:
    """A plan with all its parts, but for that which counts a list: a third of all pets cannot be counted off an index.

    By contract the lists of pets and tasks say how many there are; whose count may cost so much says docs/FRD.md.
    """
    yield node
    for part in node.get("Plans", ()):
        if not (part["Node Type"] == "Aggregate" and part["Parent Relationship"] == "InitPlan"):
            yield from nodes(part)


def read_whole(plan: Node) -> set[str]:
    """The filled tables of which a plan reads every row."""
    return {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"} & TABLES


def offenders(cursor: Cursor, sent: Sent) -> dict[str, set[str]]:
    """Statements that read a filled table whole, and which."""
    found: dict[str, set[str]] = {}
    for text, sending in sent.items():
        for plan in plans(cursor, text, sending) if PLANNED.match(text) else ():
            if tables := read_whole(plan):
                found[text] = tables
    return found


def test_no_statement_reads_a_filled_table_whole(cursor: Cursor, called: Called) -> None:
    assert offenders(cursor, called.sent) == {}


def test_every_operation_was_called(called: Called) -> None:
    assert called.operations >= called.expected


def test_the_statements_of_every_filled_table_were_looked_at(cursor: Cursor, called: Called) -> None:
    looked_at = {
        node.get("Relation Name")
        for text, sending in called.sent.items()
        if PLANNED.match(text)
        for plan in plans(cursor, text, sending)
        for node in nodes(plan)
    }
    assert looked_at >= TABLES


@pytest.mark.parametrize(
    ("dropped", "table"),
    [
        ("DROP INDEX pets_name_id_idx", "pets"),
        ("ALTER TABLE tasks DROP CONSTRAINT tasks_title_key_key", "tasks"),
        ("DROP INDEX tasks_due_date_desc_idx", "tasks"),
        ("ALTER TABLE users DROP CONSTRAINT users_email_key_key", "users"),
        ("DROP INDEX sessions_user_id_id_idx", "sessions"),
        ("ALTER TABLE configurations DROP CONSTRAINT configurations_pkey", "configurations"),
        ("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey", "idempotency_keys"),
    ],
)
def test_a_missing_index_is_found(cursor: Cursor, called: Called, dropped: str, table: str) -> None:
    cursor.execute(dropped)
    of_table = {text: sending for text, sending in called.sent.items() if table in text}
    assert {table} in offenders(cursor, of_table).values()
