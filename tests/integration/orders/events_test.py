"""What is told of orders: the whole order after each change, in the same commit."""

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CREATED, CONFIRMED, CLOSED = "order.created", "order.confirmed", "order.closed"


async def live(client: httpx.AsyncClient, key: str) -> list[dict[str, Any]]:
    """An order's life, each request with an id of its own; what was answered."""
    created = await client.post("/orders", headers={"Idempotency-Key": key, "X-Request-ID": f"{key}.1"})
    address = created.headers["location"]
    headers = {"If-Match": '"1"', "X-Request-ID": f"{key}.2", "traceparent": TRACE}
    confirmed = await client.patch(f"{address}/confirm", json={"totalCents": 5000}, headers=headers)
    closed = await client.post(f"{address}/close", headers={"X-Request-ID": f"{key}.3"})
    return [created.json(), confirmed.json(), closed.json()]


async def test_each_change_is_told_with_the_whole_order_as_it_was_answered(
    client: httpx.AsyncClient, program: "Program"
) -> None:
    answers = await live(client, "a")
    rows = await program.outbox()
    assert [json.loads(row["payload"]) for row in rows] == answers
    assert [row["type"] for row in rows] == [CREATED, CONFIRMED, CLOSED]
    assert [row["aggregateversion"] for row in rows] == [1, 2, 3]
    assert [row["request_id"] for row in rows] == ["a.1", "a.2", "a.3"]
    assert [row["traceparent"] for row in rows] == [None, TRACE, None]
    [order] = {(row["aggregatetype"], row["aggregateid"], row["tenant_id"]) for row in rows}
    assert order == ("order", answers[0]["id"], "tenant-1")


async def test_a_payload_has_every_field_of_the_order(client: httpx.AsyncClient, program: "Program") -> None:
    await live(client, "a")
    *_, last = await program.outbox()
    payload = json.loads(last["payload"])
    assert set(payload) == {
        *("id", "tenantId", "status", "totalCents", "version"),
        *("createdAt", "updatedAt", "confirmedAt", "closedAt"),
    }
    assert None not in payload.values()


async def test_orders_of_several_tenants_are_told_each_as_its_own(
    client: httpx.AsyncClient, other: httpx.AsyncClient, program: "Program"
) -> None:
    mine, theirs = await live(client, "a"), await live(other, "a")
    rows = await program.outbox()
    assert [row["tenant_id"] for row in rows] == ["tenant-1"] * 3 + ["tenant-2"] * 3
    assert [json.loads(row["payload"])["tenantId"] for row in rows] == ["tenant-1"] * 3 + ["tenant-2"] * 3
    assert {row["aggregateid"] for row in rows} == {mine[0]["id"], theirs[0]["id"]}


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_event_and_order_are_of_one_transaction(
    client: httpx.AsyncClient, program: "Program", draft: dict[str, Any], steps: int
) -> None:
    address = f"/orders/{draft['id']}"
    if steps > 1:
        await client.patch(f"{address}/confirm", json={"totalCents": 1}, headers={"If-Match": "*"})
    if steps > 2:
        await client.post(f"{address}/close")
    [order] = await program.rows("SELECT xmin::text AS written_by FROM orders")
    events = await program.outbox()
    assert len(events) == steps
    assert events[-1]["written_by"] == order["written_by"]


async def test_what_changes_nothing_is_not_told(
    client: httpx.AsyncClient, other: httpx.AsyncClient, program: "Program", draft: dict[str, Any]
) -> None:
    mine, nobodys, stale = f"/orders/{draft['id']}", f"/orders/{uuid4()}", {"If-Match": '"7"'}
    total = {"totalCents": 1}
    answers = [
        await client.post("/orders"),
        await client.post("/orders", headers={"Idempotency-Key": "draft"}),
        await client.post("/orders", json={"a": 1}, headers={"Idempotency-Key": "b"}),
        await client.patch(f"{mine}/confirm", json=total),
        await client.patch(f"{mine}/confirm", json=total, headers=stale),
        await client.patch(f"{mine}/confirm", json={"totalCents": -1}, headers={"If-Match": "*"}),
        await client.patch(f"{nobodys}/confirm", json=total, headers={"If-Match": "*"}),
        await other.patch(f"{mine}/confirm", json=total, headers={"If-Match": "*"}),
        await client.post(f"{mine}/close"),
        await client.post(f"{mine}/close", headers=stale),
        await client.post(f"{nobodys}/close"),
        await other.post(f"{mine}/close"),
        await client.get(mine),
        await client.get("/orders"),
    ]
    expected = [400, 201, 422, 428, 412, 422, 404, 404, 409, 412, 404, 404, 200, 200]
    assert [answer.status_code for answer in answers] == expected
    assert [row["type"] for row in await program.outbox()] == [CREATED]


async def test_where_the_event_cannot_be_written_neither_is_the_order(
    client: httpx.AsyncClient, program: "Program", draft: dict[str, Any]
) -> None:
    await program.connection.execute("ALTER TABLE outbox ADD CONSTRAINT none CHECK (type = '') NOT VALID")
    try:
        created = await client.post("/orders", headers={"Idempotency-Key": "b"})
        address = f"/orders/{draft['id']}/confirm"
        confirmed = await client.patch(address, json={"totalCents": 1}, headers={"If-Match": '"1"'})
    finally:
        await program.connection.execute("ALTER TABLE outbox DROP CONSTRAINT none")
    assert [created.status_code, confirmed.status_code] == [500, 500]
    assert await program.written() == [1, 1, 1]
    assert (await client.get(f"/orders/{draft['id']}")).json() == draft
