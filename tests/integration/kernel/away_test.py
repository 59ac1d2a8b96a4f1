"""The whole program when its database is away, hangs, or has a table locked."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import asyncpg
import httpx
import pytest

TOM = {"name": "Tom", "species": "cat"}
CALLS = [
    ("GET", "/pets/1", {}),
    ("GET", "/pets", {}),
    ("POST", "/pets", {"json": TOM}),
    ("POST", "/pets", {"json": TOM, "headers": {"Idempotency-Key": "k"}}),
    ("PATCH", "/pets/1", {"json": {}, "headers": {"If-Match": "*"}}),
    ("DELETE", "/pets/1", {}),
]
OTHERS = ["/health", "/healthz", "/openapi.json", "/docs", "/metrics", "/readyz"]
CROWD = 5
"""So many times each of CALLS at once: more than there are connections."""


class OwnPostgres(Protocol):
    """What the fixture `own_postgres` gives."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


SLACK = 2.5
"""Seconds that the machine may take for the other tests, which run beside these."""


class Timed(NamedTuple):
    """An answer and the seconds it took."""

    answer: httpx.Response
    seconds: float


@asynccontextmanager
async def client_of(server: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client with as many connections as it has calls; there is a pet to call for."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=10) as client:
        (await client.post("/pets", json=TOM)).raise_for_status()
        yield client


@pytest.fixture
async def client(serve: Callable[..., Any]) -> AsyncIterator[httpx.AsyncClient]:
    """Of a server whose database stays up."""
    async with client_of(serve()) as client:
        yield client


async def timed(client: httpx.AsyncClient, method: str, path: str, **content: Any) -> Timed:
    started = time.monotonic()
    answer = await client.request(method, path, **content)
    return Timed(answer, time.monotonic() - started)


async def crowd(client: httpx.AsyncClient) -> list[Timed]:
    calls = (timed(client, method, path, **content) for method, path, content in CALLS for _ in range(CROWD))
    return await asyncio.gather(*calls)


async def others(client: httpx.AsyncClient) -> dict[str, Timed]:
    return dict(zip(OTHERS, await asyncio.gather(*(timed(client, "GET", path) for path in OTHERS)), strict=True))


def assert_unavailable(timed: Timed) -> None:
    """503 in the envelope, soon, with word of when to come again."""
    assert timed.answer.status_code == 503, timed.answer.text
    assert timed.seconds < 2 + SLACK
    error = timed.answer.json()["error"]
    assert error["code"] == "unavailable"
    assert error["request_id"] == timed.answer.headers["x-request-id"]
    assert int(timed.answer.headers["retry-after"]) >= 1


async def assert_served_again(client: httpx.AsyncClient) -> None:
    """Within a second, without a restart."""
    started = time.monotonic()
    while (await client.get("/pets/1")).status_code != 200:
        assert time.monotonic() - started < 1 + SLACK
        await asyncio.sleep(0.02)
    assert time.monotonic() - started < 1 + SLACK
    assert {timed.answer.status_code for timed in (await others(client)).values()} == {200}
    assert (await client.post("/pets", json=TOM)).status_code == 201


async def assert_away(client: httpx.AsyncClient) -> None:
    """What needs the database says that it is away, the rest does not notice."""
    calls, seen = await asyncio.gather(crowd(client), others(client))
    for call in calls:
        assert_unavailable(call)
    ready = seen.pop("/readyz").answer
    assert ready.status_code == 503
    assert ready.json()["error"]["code"] == "not_ready"
    assert ready.json()["error"]["details"]["checks"]["database"] != "ok"
    assert {timed.answer.status_code for timed in seen.values()} == {200}
    assert max(timed.seconds for timed in seen.values()) < 1 + SLACK


async def test_without_its_database_the_program_says_so_and_comes_back_with_it(
    own_postgres: OwnPostgres, serve: Callable[..., Any]
) -> None:
    server = serve(DATABASE_URL=own_postgres.url)
    async with client_of(server) as client:
        await forget_nothing(own_postgres.url)
        for go, come in (
            (own_postgres.stop, own_postgres.start),
            (own_postgres.kill, own_postgres.start),
            (own_postgres.freeze, own_postgres.thaw),
        ):
            go()
            await assert_away(client)
            await assert_away(client)  # no connection is left from before
            come()
            await assert_served_again(client)
    own_postgres.freeze()
    started = time.monotonic()
    assert server.stop(signal.SIGTERM) == 0
    assert time.monotonic() - started < 5


async def forget_nothing(url: str) -> None:
    """Write to disk what was committed: a server for tests may lose the last moments when it is killed."""
    session = await asyncpg.connect(url)
    await session.execute("CHECKPOINT")
    await session.close()


@asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[None]:
    """The table, held by somebody else as by a migration."""
    session = await asyncpg.connect(url)
    try:
        async with session.transaction():
            await session.execute(f"LOCK TABLE {table}")
            yield
    finally:
        await session.close()


async def test_a_locked_table_is_unavailable_and_the_rest_does_not_notice(
    database_url: str, client: httpx.AsyncClient
) -> None:
    async with locked(database_url, "pets"), asyncio.TaskGroup() as group:
        calls = [group.create_task(crowd(client)) for _ in range(3)]
        while not all(call.done() for call in calls):
            seen = await others(client)
            assert {timed.answer.status_code for timed in seen.values()} == {200}, seen
            assert max(timed.seconds for timed in seen.values()) < 1 + SLACK
    for call in calls:
        for answered in call.result():
            assert_unavailable(answered)
    await assert_served_again(client)


async def test_a_locked_table_of_the_kernels_stops_the_writes_alone(
    database_url: str, client: httpx.AsyncClient
) -> None:
    for table in ("outbox", "idempotency_keys"):
        keyed = {"Idempotency-Key": f"with {table} locked"}
        async with locked(database_url, table):
            writing = asyncio.create_task(timed(client, "POST", "/pets", json=TOM, headers=keyed))
            assert (await client.get("/pets/1")).status_code == 200
            assert (await client.get("/readyz")).status_code == 200
            assert_unavailable(await writing)
        assert (await client.post("/pets", json=TOM, headers=keyed)).status_code == 201
