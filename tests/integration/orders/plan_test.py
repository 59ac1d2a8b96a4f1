"""What PostgreSQL does for each statement that a request can send: it reads off an index, and no more the further back.

The plans are those of a statement that has been sent many times, as a pooled connection's are: PostgreSQL then weighs
one plan for all values against one for these.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from mainstay.app import create_app
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.orders.repository import OrderQuery, OrderRepository

if TYPE_CHECKING:
    from mainstay.settings import Settings
    from tests.integration.orders.conftest import Calling

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 20
FILL = """
    INSERT INTO orders (id, tenant_id, status, version, created_at, updated_at)
    SELECT gen_random_uuid(), 'tenant-' || CASE WHEN n % 5 = 0 THEN 2 + n / 5 % 4 ELSE 1 END,
        CASE WHEN n <= {size} / 20 THEN 'draft' WHEN n % 10 = 0 THEN 'confirmed' ELSE 'closed' END,
        1, $1::timestamptz + n * interval '1 second', $1
    FROM generate_series(1, {size}) AS n"""
"""Four fifths are of tenant-1, whose drafts are the oldest: who looks for them among all walks through all."""
FILL_KEYS = """
    INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body)
    SELECT 'tenant-' || n % 5, 'POST /orders', n, '', 201, '' FROM generate_series(1, 20000) AS n"""
FILL_OUTBOX = """
    INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
    SELECT 'tenant-' || n % 5, gen_random_uuid(), 'order', n, 1, 'order.created', '{}', now()
    FROM generate_series(1, 20000) AS n"""

SINCE, UNTIL = FIRST, FIRST + timedelta(days=3650)
KINDS: dict[str, dict[str, Any]] = {
    "all": {},
    "the most frequent status": {"statuses": ["closed"]},
    "the rarest status": {"statuses": ["draft"]},
    "two statuses": {"statuses": ["closed", "draft"]},
    "three statuses": {"statuses": ["closed", "confirmed", "draft"]},
    "from": {"created_from": SINCE},
    "to": {"created_to": UNTIL},
    "range": {"created_from": SINCE, "created_to": UNTIL},
    "status and range": {"statuses": ["draft"], "created_from": SINCE, "created_to": UNTIL},
    "two statuses and range": {"statuses": ["draft", "closed"], "created_from": SINCE, "created_to": UNTIL},
}
Sent = list[tuple[str, tuple[Any, ...]]]
Node = dict[str, Any]


@dataclass(frozen=True)
class Filled:
    """A database with many orders, and a connection to it."""

    url: str
    connection: asyncpg.Connection
    position: tuple[datetime, UUID]
    """Of the order of tenant-1 before which nine tenths of them are newer."""


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=[20_000, pytest.param(1_250_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
)
async def filled(
    request: pytest.FixtureRequest, copied_database: Callable[[], AbstractContextManager[str]]
) -> AsyncIterator[Filled]:
    """Of so many orders; a million of the larger number are of tenant-1."""
    with copied_database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(FILL.format(size=request.param).replace("$1", f"'{FIRST}'"))
        await connection.execute(FILL_KEYS)
        await connection.execute(FILL_OUTBOX)
        await connection.execute("VACUUM ANALYZE")
        position = await connection.fetchrow(
            "SELECT created_at, id FROM orders WHERE tenant_id = 'tenant-1' ORDER BY created_at DESC, id DESC "
            "OFFSET $1 LIMIT 1",
            request.param * 4 // 5 * 9 // 10,
        )
        yield Filled(url, connection, tuple(position))
        await connection.close()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Every statement that goes to PostgreSQL, with its values."""
    sent: Sent = []

    def noting(method: Any) -> Any:
        async def note(self: asyncpg.Connection, text: str, *values: Any, **options: Any) -> Any:
            sent.append((text, values))
            return await method(self, text, *values, **options)

        return note

    for name in ("fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(asyncpg.Connection, name, noting(getattr(asyncpg.Connection, name)))
    return sent


def literal(value: Any) -> str:
    """A value in the text of a statement."""
    if value is None or isinstance(value, int):
        return "NULL" if value is None else str(value)
    text = f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
    return "'" + text.replace("'", "''") + "'"


async def plan(connection: asyncpg.Connection, text: str, values: tuple[Any, ...], *, run: bool = True) -> Node:
    """What is done for a statement: for one that may be run, when it has been several times on this connection."""
    execute = f"EXECUTE sent({', '.join(map(literal, values))})"
    await connection.execute(f"PREPARE sent AS {text}")
    for _ in range(7 * run):
        await connection.execute(execute)
    explained = await connection.fetchval(f"EXPLAIN ({'ANALYZE, BUFFERS, ' * run}FORMAT JSON) {execute}")
    await connection.execute("DEALLOCATE sent")
    found: Node = json.loads(explained)[0]["Plan"]
    return found


def nodes(node: Node) -> Iterator[Node]:
    """A plan with all its parts."""
    yield node
    for part in node.get("Plans", ()):
        yield from nodes(part)


def buffers(node: Node) -> int:
    """How many pages it has touched."""
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


def assert_off_an_index(found: Node) -> None:
    scans = [node for node in nodes(found) if "Scan" in node["Node Type"] and "Relation Name" in node]
    assert scans
    for scan in scans:
        assert scan["Node Type"] in {"Index Scan", "Index Only Scan"}, scan
        assert "tenant_id = " in scan["Index Cond"]


async def page_plan(filled: Filled, sent: Sent, after: tuple[datetime, UUID] | None, **filters: Any) -> Node:
    """What is done for the page of a list of tenant-1."""
    async with Database(filled.url) as database:
        sent.clear()
        query = OrderQuery(tenant_id="tenant-1", after=after, limit=LIMIT, **filters)
        page = await OrderRepository(database, PostgresUnit(database)).find(query)
    assert len(page.items) == LIMIT
    [(text, values)] = sent
    found = await plan(filled.connection, text, values)
    assert found["Actual Rows"] == LIMIT + 1
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_far_back_costs_what_the_first_costs(filled: Filled, sent: Sent, kind: str) -> None:
    first = await page_plan(filled, sent, None, **KINDS[kind])
    far_back = await page_plan(filled, sent, filled.position, **KINDS[kind])
    for found in (first, far_back):
        assert_off_an_index(found)
        assert buffers(found) < 30 * max(1, len(KINDS[kind].get("statuses", ())))
    assert buffers(far_back) <= 2 * buffers(first)


QUERIES = [
    "&".join(part for part in (status, since, until, "limit=1") if part)
    for status in ("", "status=draft", "status=draft,closed", "status=draft,confirmed,closed")
    for since in ("", "createdFrom=2026-01-01T00:00:00Z")
    for until in ("", "createdTo=2099-01-01T00:00:00Z")
]


async def every_request(caller: httpx.AsyncClient) -> None:
    """One of each kind that gets as far as PostgreSQL."""
    key = {"Idempotency-Key": str(uuid4())}
    for _ in range(2):  # the second time it is a replay
        created = await caller.post("/orders", headers=key)
    address = created.headers["location"]
    confirmed = await caller.patch(f"{address}/confirm", json={"totalCents": 1}, headers={"If-Match": '"1"'})
    answers = [created, await caller.get(address), confirmed]
    answers += [
        await caller.post(f"{address}/close", headers=headers) for headers in (key, {"Idempotency-Key": str(uuid4())})
    ]
    for query in QUERIES:
        page = await caller.get(f"/orders?{query}")
        answers += [page, await caller.get(page.headers["link"][1:].partition(">")[0])]
    assert {answer.status_code for answer in answers} == {200, 201}


@pytest_asyncio.fixture(loop_scope="session")
async def statements(filled: Filled, sent: Sent, kept_settings: "Settings", calling: "Calling") -> Sent:
    """Every statement that a request of tenant-1 sends, once."""
    settings = kept_settings.model_copy(update={"database_url": SecretStr(filled.url)})
    app = create_app(settings)
    async with app.router.lifespan_context(app), calling(app, **{"X-Tenant-Id": "tenant-1"}) as caller:
        sent.clear()
        await every_request(caller)
    return list(dict(sent).items())


async def test_every_statement_of_every_request_reads_off_an_index(filled: Filled, statements: Sent) -> None:
    reads = [sent for sent in statements if not sent[0].startswith(("WITH", "SELECT pg_notify("))]
    # An order, a key's first answer, the lists; their next pages have the last row for an end, not createdTo.
    assert len(reads) == 2 + len(QUERIES) + len(QUERIES) // 2
    for tenant in ("tenant-1", "tenant-5", "nobody"):
        for text, values in reads:
            assert values[0] == "tenant-1" or "tenant-1" in values
            of_tenant = tuple(tenant if value == "tenant-1" else value for value in values)
            assert_off_an_index(await plan(filled.connection, text, of_tenant))


async def test_every_change_finds_its_row_by_an_index(filled: Filled, statements: Sent) -> None:
    writes = [statement for statement in statements if statement[0].startswith("WITH")]
    assert len(writes) == 4  # created, confirmed, closed with a key, that of a second close alone
    for text, values in writes:
        found = await plan(filled.connection, text, values, run=False)
        scans = [node for node in nodes(found) if "Scan" in node["Node Type"] and "Relation Name" in node]
        assert [node["Index Name"] for node in scans] == ["orders_pkey"] * ("UPDATE orders" in text)
