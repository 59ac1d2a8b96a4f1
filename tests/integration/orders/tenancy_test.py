"""Another tenant sees what a stranger sees who made the ids up: byte for byte, but for the ids themselves."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

Call = tuple[str, str, dict[str, str], bytes]
CONFIRM = b'{"totalCents": 1}'
BY_ID: list[Call] = [
    ("GET", "", {}, b""),
    ("HEAD", "", {}, b""),
    *(("GET", "", {"If-None-Match": tag}, b"") for tag in ('"1"', '"2"', '"3"', "*")),
    *(("PATCH", "/confirm", {"If-Match": tag}, CONFIRM) for tag in ('"1"', '"2"', '"3"', "*", '"9"')),
    ("PATCH", "/confirm", {}, CONFIRM),
    ("PATCH", "/confirm", {"If-Match": "*"}, b"{}"),
    ("POST", "/close", {}, b""),
    *(("POST", "/close", {"If-Match": tag}, b"") for tag in ('"1"', '"2"', '"3"', "*")),
    ("POST", "/close", {"Idempotency-Key": "key-1"}, b""),
    ("POST", "/close", {"Idempotency-Key": "draft"}, b"{}"),
    *((method, "", {}, b"") for method in ("PUT", "PATCH", "DELETE", "POST")),
]
"""Every call that names an order: also those that its own tenant would be refused."""
RANGE = "createdFrom=2020-01-01T00:00:00Z&createdTo=2100-01-01T00:00:00Z"
FILTERS = ["", "status=draft", "status=confirmed,closed", "status=draft,confirmed,closed", RANGE, "limit=1"]


async def answer(client: httpx.AsyncClient, call: Call, order_id: Any) -> tuple[int, list[Any], bytes]:
    """Status, headers and body with every trace of the id replaced."""
    method, path, headers, body = call
    request_id = {"X-Request-ID": "one", "Content-Type": "application/json"}
    response = await client.request(method, f"/orders/{order_id}{path}", content=body, headers=headers | request_id)
    told = response.content.replace(str(order_id).encode(), b"<id>")
    return response.status_code, response.headers.raw, told


@pytest.mark.parametrize("call", BY_ID, ids=lambda call: " ".join(map(str, call)))
@pytest.mark.parametrize("status", ["draft", "confirmed", "closed"])
async def test_by_an_id(
    client: httpx.AsyncClient,
    other: httpx.AsyncClient,
    program: "Program",
    confirmed: dict[str, Any],
    call: Call,
    status: str,
) -> None:
    order_id = confirmed["id"]
    if status == "draft":
        created = await client.post("/orders", headers={"Idempotency-Key": "another"})
        order_id = created.json()["id"]
    elif status == "closed":
        await client.post(f"/orders/{order_id}/close", headers={"Idempotency-Key": "key-1"})
    before = await program.written(), (await client.get(f"/orders/{order_id}")).json()
    assert await answer(other, call, order_id) == await answer(other, call, uuid4())
    assert (await program.written(), (await client.get(f"/orders/{order_id}")).json()) == before


@pytest.mark.parametrize("call", [call for call in BY_ID if call[1] or call[0] == "GET"], ids=str)
async def test_what_another_tenant_asks_for_is_not_there(
    other: httpx.AsyncClient, draft: dict[str, Any], call: Call
) -> None:
    status, _, body = await answer(other, call, draft["id"])
    assert status in {404, 422, 428}
    assert status != 404 or b'"order_not_found"' in body


@pytest.mark.parametrize("query", FILTERS)
async def test_by_a_filter(
    client: httpx.AsyncClient, other: httpx.AsyncClient, draft: dict[str, Any], closed: dict[str, Any], query: str
) -> None:
    await client.post("/orders", headers={"Idempotency-Key": "another"})
    seen = await other.get(f"/orders?{query}", headers={"X-Request-ID": "one"})
    stranger = await other.get(f"/orders?{query}", headers={"X-Request-ID": "one", "X-Tenant-Id": "tenant-3"})
    assert (seen.content, seen.headers.raw) == (stranger.content, stranger.headers.raw)
    assert seen.json() == {"items": [], "nextCursor": None}


@pytest.mark.parametrize("query", FILTERS)
async def test_a_list_has_the_tenants_own_alone(
    client: httpx.AsyncClient, other: httpx.AsyncClient, program: "Program", start: Any, query: str
) -> None:
    statuses = ("draft", "confirmed", "closed")
    mine = [(await program.put([start], tenant="tenant-1", status=status))[0] for status in statuses]
    theirs = [(await program.put([start], tenant="tenant-2", status=status))[0] for status in statuses]
    for caller, ids in ((client, mine), (other, theirs)):
        items = (await caller.get(f"/orders?{query}")).json()["items"]
        assert items
        assert {item["id"] for item in items} <= {str(order_id) for order_id in ids}


@pytest.mark.parametrize("query", ["", "status=draft", "status=draft,closed", RANGE])
async def test_by_a_cursor(
    client: httpx.AsyncClient, other: httpx.AsyncClient, program: "Program", start: Any, query: str
) -> None:
    for tenant in ("tenant-1", "tenant-2"):
        await program.put([start] * 3, tenant=tenant)
    cursor = (await client.get(f"/orders?limit=1&{query}")).json()["nextCursor"]
    headers = {"X-Request-ID": "one"}
    seen = await other.get(f"/orders?limit=1&{query}&cursor={cursor}", headers=headers)
    stranger = await other.get(f"/orders?limit=1&{query}&cursor=made-up", headers=headers)
    assert (seen.status_code, seen.json()["error"]["code"]) == (400, "invalid_cursor")
    assert (seen.content, seen.headers.raw) == (stranger.content, stranger.headers.raw)


async def test_by_a_key(client: httpx.AsyncClient, other: httpx.AsyncClient, program: "Program") -> None:
    key = {"Idempotency-Key": "key-1"}
    mine = await client.post("/orders", headers=key)
    theirs = await other.post("/orders", headers=key)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]
    assert [answer.json()["tenantId"] for answer in (mine, theirs)] == ["tenant-1", "tenant-2"]
    assert "idempotency-replayed" not in theirs.headers
    for caller, first in ((client, mine), (other, theirs)):
        assert (await caller.post("/orders", headers=key)).content == first.content
    assert await program.written() == [2, 2, 2]


async def test_one_id_of_two_tenants_is_two_orders(
    client: httpx.AsyncClient, other: httpx.AsyncClient, program: "Program", draft: dict[str, Any]
) -> None:
    await program.connection.execute(
        "INSERT INTO orders SELECT 'tenant-2', id, status, total_cents, version, created_at, updated_at FROM orders"
    )
    address = f"/orders/{draft['id']}"
    first = {"If-Match": '"1"'}
    changed = await client.patch(f"{address}/confirm", json={"totalCents": 7}, headers=first)
    assert (changed.status_code, (await other.get(address)).json()) == (200, {**draft, "tenantId": "tenant-2"})
    changed = await other.patch(f"{address}/confirm", json={"totalCents": 8}, headers=first)
    assert (changed.status_code, (await client.get(address)).json()["totalCents"]) == (200, 7)
    assert (await client.post(f"{address}/close")).status_code == 200
    assert (await other.get(address)).json() == changed.json()


async def test_every_key_and_index_of_the_table_begins_with_the_tenant(program: "Program") -> None:
    indexes = await program.rows("SELECT indexdef FROM pg_indexes WHERE tablename = 'orders'")
    assert len(indexes) == 3
    assert all("USING btree (tenant_id, " in index["indexdef"] for index in indexes)
    [primary] = await program.rows(
        "SELECT pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE contype = 'p' "
        "AND conrelid = 'orders'::regclass"
    )
    assert primary["def"] == "PRIMARY KEY (tenant_id, id)"
