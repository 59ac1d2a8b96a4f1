"""A hundred callers at once, in this process and over sockets against a server process."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import ServerProcess
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLERS = 100
ROUNDS = 100
PATIENT = {"DB_POOL_TIMEOUT": "30", "DB_LOCK_TIMEOUT": "30", "DB_STATEMENT_TIMEOUT": "30"}
TENANT = {"X-Tenant-Id": "tenant-1"}

Check = Callable[[httpx.AsyncClient, asyncpg.Connection, str], Coroutine[Any, Any, None]]


async def at_once(*calls: Coroutine[Any, Any, httpx.Response]) -> list[httpx.Response]:
    return list(await asyncio.gather(*calls))


def statuses(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


async def events(connection: asyncpg.Connection, order_id: str) -> list[str]:
    """The types of an order's events, in the order of their sequence."""
    rows = await connection.fetch("SELECT type FROM outbox WHERE aggregateid = $1 ORDER BY seq", order_id)
    return [row["type"] for row in rows]


async def new_draft(client: httpx.AsyncClient, name: str) -> str:
    return str((await client.post("/orders", headers={"Idempotency-Key": name})).json()["id"])


async def all_with_one_key_get_one_order(client: httpx.AsyncClient, connection: asyncpg.Connection, name: str) -> None:
    before = await connection.fetchval("SELECT count(*) FROM orders")
    responses = await at_once(
        *(client.post("/orders", content=b"{}", headers={"Idempotency-Key": name}) for _ in range(CALLERS))
    )
    assert statuses(responses) == {201: CALLERS}
    assert len({(answer.content, answer.headers["location"], answer.headers["etag"]) for answer in responses}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in responses) == 1
    assert await connection.fetchval("SELECT count(*) FROM orders") == before + 1
    assert await events(connection, responses[0].json()["id"]) == ["order.created"]


async def of_all_who_confirm_with_one_tag_one_does(
    client: httpx.AsyncClient, connection: asyncpg.Connection, name: str
) -> None:
    order_id = await new_draft(client, name)
    responses = await at_once(
        *(
            client.patch(f"/orders/{order_id}/confirm", json={"totalCents": total}, headers={"If-Match": '"1"'})
            for total in range(CALLERS)
        )
    )
    assert statuses(responses) == {200: 1, 412: CALLERS - 1}
    assert {response.headers["etag"] for response in responses} == {'"2"'}
    [winner] = [response for response in responses if response.status_code == 200]
    assert (await client.get(f"/orders/{order_id}")).content == winner.content
    assert await events(connection, order_id) == ["order.created", "order.confirmed"]


async def of_all_who_confirm_with_any_tag_one_does(
    client: httpx.AsyncClient, connection: asyncpg.Connection, name: str
) -> None:
    order_id = await new_draft(client, name)
    responses = await at_once(
        *(
            client.patch(f"/orders/{order_id}/confirm", json={"totalCents": total}, headers={"If-Match": "*"})
            for total in range(CALLERS)
        )
    )
    assert statuses(responses) == {200: 1, 409: CALLERS - 1}
    assert await events(connection, order_id) == ["order.created", "order.confirmed"]


async def all_who_close_get_one_answer(client: httpx.AsyncClient, connection: asyncpg.Connection, name: str) -> None:
    order_id = await new_draft(client, name)
    await client.patch(f"/orders/{order_id}/confirm", json={"totalCents": 1}, headers={"If-Match": "*"})
    keys: list[dict[str, str]] = [{}, {"Idempotency-Key": name}, {"If-Match": "*"}, {"Idempotency-Key": f"{name}-x"}]
    responses = await at_once(
        *(client.post(f"/orders/{order_id}/close", headers=keys[number % 4]) for number in range(CALLERS))
    )
    assert statuses(responses) == {200: CALLERS}
    assert len({(answer.content, answer.headers["etag"]) for answer in responses}) == 1
    assert await events(connection, order_id) == ["order.created", "order.confirmed", "order.closed"]


CHECKS: list[Check] = [
    all_with_one_key_get_one_order,
    of_all_who_confirm_with_one_tag_one_does,
    of_all_who_confirm_with_any_tag_one_does,
    all_who_close_get_one_answer,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_at_once(client: httpx.AsyncClient, program: "Program", check: Check) -> None:
    await check(client, program.connection, "key-1")


async def test_at_once_over_sockets(serve: "Callable[..., ServerProcess]", database_url: str) -> None:
    await over_sockets(serve(**PATIENT), database_url, CHECKS[:2], rounds=1)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("check", CHECKS[:2], ids=lambda check: check.__name__)
async def test_100_rounds_over_sockets(serve: "Callable[..., ServerProcess]", database_url: str, check: Check) -> None:
    await over_sockets(serve(**PATIENT), database_url, [check], rounds=ROUNDS)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM orders") == ROUNDS
    per_order = await connection.fetch("SELECT count(*) AS n FROM outbox GROUP BY aggregateid")
    assert [row["n"] for row in per_order] == [1 if check is CHECKS[0] else 2] * ROUNDS
    await connection.close()


async def over_sockets(server: "ServerProcess", database_url: str, checks: list[Check], *, rounds: int) -> None:
    connection = await asyncpg.connect(database_url)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, headers=TENANT) as client:
        for number in range(rounds):
            for check in checks:
                await check(client, connection, f"{check.__name__}-{number}")
    await connection.close()
