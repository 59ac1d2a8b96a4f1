"""Idempotency-Key on POST /orders and on close: the first answer again, byte for byte."""

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from mainstay.app import create_app

if TYPE_CHECKING:
    from mainstay.settings import Settings
    from tests.integration.orders.conftest import Calling, Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = {"Idempotency-Key": "key-1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def told(response: httpx.Response) -> tuple[Any, ...]:
    """What a replay repeats."""
    return response.status_code, response.content, response.headers["etag"], response.headers.get("location")


async def test_the_first_answer_comes_again(client: httpx.AsyncClient, program: "Program") -> None:
    first, *again = [await client.post("/orders", headers=KEY) for _ in range(3)]
    assert first.status_code == 201
    assert "idempotency-replayed" not in first.headers
    for replay in again:
        assert told(replay) == told(first)
        assert replay.headers["idempotency-replayed"] == "true"
        assert replay.headers["content-type"] == first.headers["content-type"]
    assert await program.written() == [1, 1, 1]


async def test_it_comes_again_whatever_has_become_of_the_order(client: httpx.AsyncClient) -> None:
    first = await client.post("/orders", headers=KEY)
    address = first.headers["location"]
    await client.patch(f"{address}/confirm", json={"totalCents": 1}, headers={"If-Match": "*"})
    assert told(await client.post("/orders", headers=KEY)) == told(first)
    await client.post(f"{address}/close")
    assert told(await client.post("/orders", headers=KEY)) == told(first)


@pytest.mark.parametrize(
    ("body", "headers"), [(b"", {}), (b"{}", {}), (b" {\n} ", {}), (b"{}", FORM), (b"", FORM)], ids=str
)
async def test_every_form_of_the_empty_object_is_the_same_body(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str]
) -> None:
    first = await client.post("/orders", json={}, headers=KEY)
    assert told(await client.post("/orders", content=body, headers=KEY | headers)) == told(first)


@pytest.mark.parametrize("key", ['"key-1"', "key-1"])
async def test_quoted_or_bare_it_is_one_key(client: httpx.AsyncClient, key: str) -> None:
    first = await client.post("/orders", headers=KEY)
    assert told(await client.post("/orders", headers={"Idempotency-Key": key})) == told(first)


@pytest.mark.parametrize("key", ["KEY-1", "key-1 x", "key", "key-11", "a" * 255])
async def test_another_key_is_another_order(client: httpx.AsyncClient, program: "Program", key: str) -> None:
    first = await client.post("/orders", headers=KEY)
    second = await client.post("/orders", headers={"Idempotency-Key": key})
    assert (second.status_code, second.json()["id"] != first.json()["id"]) == (201, True)
    assert await program.written() == [2, 2, 2]


@pytest.mark.parametrize("body", [{"totalCents": 1}, {"": None}, [], None])
async def test_another_body_under_the_key_is_refused(client: httpx.AsyncClient, program: "Program", body: Any) -> None:
    await client.post("/orders", headers=KEY)
    content = b"null" if body is None else httpx.Request("POST", "http://a", json=body).content
    response = await client.post("/orders", content=content, headers=KEY)
    assert response.status_code == 422
    assert await program.written() == [1, 1, 1]


@pytest.mark.parametrize("path", ["/orders", "/orders/{id}/close"])
async def test_a_key_that_came_with_another_body_is_reused(
    client: httpx.AsyncClient, program: "Program", confirmed: dict[str, Any], path: str
) -> None:
    """As an earlier or a later release may have kept one: today's only body is the empty object."""
    path = path.format(id=confirmed["id"])
    await client.post(path, headers=KEY)
    await program.connection.execute("UPDATE idempotency_keys SET fingerprint = '\\x00'")
    before = await program.written()
    response = await client.post(path, headers=KEY)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert await program.written() == before


async def test_one_key_on_two_addresses_is_two(
    client: httpx.AsyncClient, program: "Program", confirmed: dict[str, Any]
) -> None:
    created = await client.post("/orders", headers=KEY)
    closed = await client.post(f"/orders/{confirmed['id']}/close", headers=KEY)
    refused = await client.post(f"/orders/{created.json()['id']}/close", headers=KEY)
    assert [answer.status_code for answer in (created, closed, refused)] == [201, 200, 409]
    assert not any("idempotency-replayed" in answer.headers for answer in (created, closed, refused))


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [(b'{"a": 1}', {}, 422), (b"{", {}, 422), (b"a=1", FORM, 415), (b"{}", {"Content-Type": "text/plain"}, 415)],
)
async def test_a_refused_request_leaves_its_key_free(
    client: httpx.AsyncClient, program: "Program", content: bytes, headers: dict[str, str], status: int
) -> None:
    assert (await client.post("/orders", content=content, headers=KEY | headers)).status_code == status
    assert await program.written() == [0, 0, 0]
    accepted = await client.post("/orders", headers=KEY)
    assert (accepted.status_code, "idempotency-replayed" in accepted.headers) == (201, False)


async def test_two_keys_in_one_request_are_none(client: httpx.AsyncClient, program: "Program") -> None:
    for second in ("key-1", "key-2"):
        response = await client.post("/orders", headers=[("Idempotency-Key", "key-1"), ("idempotency-key", second)])
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")
    assert await program.written() == [0, 0, 0]


async def test_order_key_and_event_are_of_one_transaction(client: httpx.AsyncClient, program: "Program") -> None:
    await client.post("/orders", headers=KEY)
    await client.post("/orders", headers={"Idempotency-Key": "key-2"})
    rows = await program.rows(
        "SELECT o.xmin::text AS change, k.xmin::text AS key, e.xmin::text AS event FROM orders o "
        "JOIN outbox e ON e.aggregateid = o.id::text JOIN idempotency_keys k ON k.location = '/orders/' || o.id"
    )
    assert len(rows) == 2
    assert all(len(set(row.values())) == 1 for row in rows)
    assert len({row["key"] for row in rows}) == 2


async def test_a_restart_of_the_program_does_not_forget_a_key(
    client: httpx.AsyncClient, kept_settings: "Settings", calling: "Calling"
) -> None:
    first = await client.post("/orders", headers=KEY)
    again = create_app(kept_settings)
    async with again.router.lifespan_context(again), calling(again, **{"X-Tenant-Id": "tenant-1"}) as caller:
        assert told(await caller.post("/orders", headers=KEY)) == told(first)


async def test_while_the_first_has_not_ended_the_second_is_told_to_wait(
    program: "Program", kept_settings: "Settings", calling: "Calling", kept_database_url: str
) -> None:
    """The first has written its key and not committed: who waits longer than the lock time-out comes again."""
    hurried = create_app(kept_settings.model_copy(update={"db_lock_timeout": 0.2}))
    session = await asyncpg.connect(kept_database_url)
    async with hurried.router.lifespan_context(hurried), calling(hurried, **{"X-Tenant-Id": "tenant-1"}) as caller:
        transaction = session.transaction()
        await transaction.start()
        await session.execute(
            "INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body) "
            "VALUES ('tenant-1', 'POST /orders', 'key-1', '', 201, '')"
        )
        mine, theirs = await asyncio.gather(
            caller.post("/orders", headers=KEY), caller.post("/orders", headers=KEY | {"X-Tenant-Id": "tenant-2"})
        )
        await transaction.rollback()
        assert (mine.status_code, mine.json()["error"]["code"]) == (409, "request_in_progress")
        assert mine.headers["retry-after"] == "1"
        assert theirs.status_code == 201
        assert (await caller.post("/orders", headers=KEY)).status_code == 201
    await session.close()
