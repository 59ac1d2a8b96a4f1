"""The whole program when the database of configs is away, hangs, or has a table locked."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import asyncpg
import httpx

API = "/api/v1"
NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
APPLICATION = {"name": "a", "comments": None}
CONFIGURATION: dict[str, Any] = {"application_id": NOBODY, "name": "a", "comments": None, "config": {}}
OF_APPLICATIONS = [
    ("GET", f"{API}/applications", {}),
    ("GET", f"{API}/applications/{NOBODY}", {}),
    ("GET", f"{API}/applications/{NOBODY}?wait=1", {"headers": {"If-None-Match": '"a"'}}),
    ("POST", f"{API}/applications", {"json": APPLICATION}),
    ("PUT", f"{API}/applications/{NOBODY}", {"json": APPLICATION}),
]
OF_CONFIGURATIONS = [
    ("GET", f"{API}/configurations/{NOBODY}", {}),
    ("POST", f"{API}/configurations", {"json": CONFIGURATION}),
    ("PUT", f"{API}/configurations/{NOBODY}", {"json": CONFIGURATION, "headers": {"If-Match": "*"}}),
]
CROWD = 5
"""So many times each of them at once: more than there are connections."""
SLACK = 2.5
"""Seconds that the machine may take for the other tests, which run beside these."""


class OwnPostgres(Protocol):
    """What the fixture `own_postgres` gives."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class Timed(NamedTuple):
    """An answer and the seconds it took."""

    answer: httpx.Response
    seconds: float


@asynccontextmanager
async def client_of(server: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client with as many connections as it has calls; there is a pet to call for."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=10) as client:
        (await client.post("/pets", json={"name": "Tom", "species": "cat"})).raise_for_status()
        yield client


async def timed(client: httpx.AsyncClient, method: str, path: str, content: Any) -> Timed:
    started = time.monotonic()
    answer = await client.request(method, path, **content)
    return Timed(answer, time.monotonic() - started)


async def crowd(client: httpx.AsyncClient, calls: list[Any]) -> list[Timed]:
    return await asyncio.gather(*(timed(client, *call) for call in calls for _ in range(CROWD)))


def assert_unavailable(called: list[Timed]) -> None:
    """503 in the envelope, soon, with word of when to come again."""
    for answer, seconds in called:
        assert answer.status_code == 503, (answer.request.url, answer.text)
        assert answer.json()["error"]["code"] == "unavailable"
        assert int(answer.headers["retry-after"]) >= 1
        assert seconds < 2 + SLACK


async def assert_served_again(client: httpx.AsyncClient) -> None:
    """Within a second, without a restart."""
    started = time.monotonic()
    while {call.answer.status_code for call in await crowd(client, [OF_APPLICATIONS[1]])} != {404}:
        assert time.monotonic() - started < 1 + SLACK
    assert (await client.get("/readyz")).json()["checks"]["configs"] == "ok"


async def test_without_its_database_the_service_says_so_and_comes_back_with_it(
    own_postgres: OwnPostgres, serve: Callable[..., Any]
) -> None:
    async with client_of(serve(DATABASE_URL=own_postgres.url)) as client:
        for go, come in ((own_postgres.stop, own_postgres.start), (own_postgres.freeze, own_postgres.thaw)):
            go()
            for _ in range(2):  # the second time no connection is left from before
                called, alive, ready = await asyncio.gather(
                    crowd(client, [*OF_APPLICATIONS, *OF_CONFIGURATIONS]), client.get("/healthz"), client.get("/readyz")
                )
                assert_unavailable(called)
                assert (alive.status_code, ready.status_code) == (200, 503)
                assert ready.json()["error"]["details"]["checks"]["configs"] != "ok"
            come()
            await assert_served_again(client)


async def test_a_locked_table_is_unavailable_and_the_rest_does_not_notice(
    serve: Callable[..., Any], session: asyncpg.Connection
) -> None:
    async with client_of(serve()) as client:
        async with session.transaction():
            await session.execute("LOCK TABLE applications")
            calls = asyncio.gather(*(crowd(client, OF_APPLICATIONS) for _ in range(4)))  # 100
            while not calls.done():
                for path in ("/pets/1", "/readyz"):  # a replica that is not ready would get nobody's requests
                    other = await timed(client, "GET", path, {})
                    assert other.answer.status_code == 200, other.answer.text
                    assert other.seconds < SLACK
            for called in await calls:
                assert_unavailable(called)
        await assert_served_again(client)
