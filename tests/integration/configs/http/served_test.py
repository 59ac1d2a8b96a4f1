"""Configs over real connections: a fleet that watches, a server that stops, an answer that breaks off."""

import asyncio
import http.client
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import ServerProcess

APPLICATIONS, CONFIGURATIONS = "/api/v1/applications", "/api/v1/configurations"
SLACK = 2.5
"""Seconds that a busy machine may take where hundredths are meant."""

Serve = Callable[..., "ServerProcess"]
Start = Callable[..., tuple["ServerProcess", "Watched"]]


@dataclass
class Watcher:
    """One of a fleet: a connection that waits for a change."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answered(self) -> tuple[int, float]:
        """Status, and when it came."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), time.monotonic()

    async def leave(self) -> None:
        """Close the connection."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@dataclass
class Watched:
    """A configuration on a server."""

    url: str
    path: str
    tag: str
    fleet: list[Watcher] = field(default_factory=list)

    async def watchers(self, number: int, wait: int = 60) -> list[Watcher]:
        """So many who wait."""
        address = urlsplit(self.url)
        found = []
        for _ in range(number):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            head = f"GET {self.path}?wait={wait} HTTP/1.1\r\nHost: a\r\nIf-None-Match: {self.tag}\r\n\r\n"
            writer.write(head.encode())
            found.append(Watcher(reader, writer))
        self.fleet += found
        await self.until_waiting(number)
        return found

    async def until_waiting(self, number: int) -> None:
        """Wait until so many requests are being answered, by the server's own count."""
        async with httpx.AsyncClient(base_url=self.url) as client, asyncio.timeout(30):
            while f"http_requests_in_flight {number + 1}.0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.02)

    async def change(self) -> float:
        """Change it; when that was asked for."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            asked = time.monotonic()
            body = {"name": "production", "config": {"changed": asked}}
            response = await client.put(self.path, json=body, headers={"If-Match": self.tag})
            assert response.status_code == 200
            self.tag = response.headers["etag"]
            return asked


@pytest.fixture
async def start(serve: Serve) -> AsyncIterator[Start]:
    """Starts a server with a configuration on it."""
    started: list[Watched] = []

    def start(**environment: str) -> tuple["ServerProcess", Watched]:
        server = serve(SERVICES="configs", **environment)
        application = httpx.post(f"{server.url}{APPLICATIONS}", json={"name": "checkout"}).json()["id"]
        body = {"application_id": application, "name": "production", "config": {}}
        made = httpx.post(f"{server.url}{CONFIGURATIONS}", json=body)
        started.append(Watched(server.url, made.headers["location"], made.headers["etag"]))
        return server, started[-1]

    yield start
    await asyncio.gather(*(watcher.leave() for watched in started for watcher in watched.fleet))


async def reach(watched: Watched, number: int) -> float:
    """Seconds from a change until the last of so many watchers has heard of it."""
    watchers = await watched.watchers(number)
    asked = await watched.change()
    answers = await asyncio.gather(*(watcher.answered() for watcher in watchers))
    await asyncio.gather(*(watcher.leave() for watcher in watchers))
    assert {status for status, _ in answers} == {200}
    return max(when for _, when in answers) - asked


async def test_a_change_reaches_200_watchers_at_once(start: Start) -> None:
    _, watched = start()
    assert await reach(watched, 200) < 0.5 + SLACK


@pytest.mark.long
async def test_a_change_reaches_2_000_watchers_within_half_a_second(start: Start) -> None:
    _, watched = start()
    assert min([await reach(watched, 2_000) for _ in range(3)]) < 0.5


@pytest.mark.parametrize("drain", ["0", "30"])
async def test_a_stopping_server_ends_all_waits_with_304_at_once(start: Start, drain: str) -> None:
    server, watched = start(DRAIN_SECONDS=drain)
    watchers = await watched.watchers(20)
    told = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*(watcher.answered() for watcher in watchers))
    assert {status for status, _ in answers} == {304}
    assert max(when for _, when in answers) - told < SLACK


async def test_a_server_that_drains_lets_nobody_wait_any_more(start: Start) -> None:
    server, watched = start(DRAIN_SECONDS="30")
    await watched.watchers(1)
    server.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        while (await client.get("/readyz")).status_code == 200:
            await asyncio.sleep(0.01)
        response = await client.get(f"{watched.path}?wait=30", headers={"If-None-Match": watched.tag})
    assert response.status_code == 304
    assert time.monotonic() - began < SLACK


async def test_a_server_with_watchers_stops_in_time_and_without_an_error(start: Start) -> None:
    server, watched = start()
    await watched.watchers(20)
    began = time.monotonic()
    assert await asyncio.to_thread(server.stop) == 0
    assert time.monotonic() - began < SLACK
    assert "error" not in server.log.replace("uvicorn.error", "")


async def test_a_watcher_that_goes_away_is_forgotten(start: Start) -> None:
    _, watched = start()
    watchers = await watched.watchers(5)
    for watcher in watchers[:3]:
        await watcher.leave()
    await watched.until_waiting(2)


async def test_a_list_comes_in_chunks_and_the_connection_lives_on(serve: Serve) -> None:
    server = serve(SERVICES="configs")
    async with httpx.AsyncClient(base_url=server.url) as client:
        for name in ("a", "b"):
            await client.post(APPLICATIONS, json={"name": name})
        response = await client.get(APPLICATIONS)
        assert response.headers["transfer-encoding"] == "chunked"
        assert [application["name"] for application in response.json()] == ["a", "b"]
        head = await client.head(APPLICATIONS)
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.get("/healthz")).status_code == 200


FILL = """
    INSERT INTO applications (id, name, comments)
    SELECT '01JCZ5W1XJ' || lpad(n::text, 16, '0'), 'application ' || n, repeat('x', 1000)
    FROM generate_series(1, 30000) AS n"""


async def test_a_list_that_breaks_off_is_seen_to_be_no_whole_answer(serve: Serve, database_url: str) -> None:
    server = serve(SERVICES="configs")
    session = await asyncpg.connect(database_url)
    await session.execute(FILL)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request("GET", APPLICATIONS)
    response = await asyncio.to_thread(connection.getresponse)
    assert (response.status, response.read(2)) == (200, b"[{")
    await session.execute("ALTER TABLE applications RENAME TO gone")
    await session.close()
    with pytest.raises(http.client.IncompleteRead) as raised:
        await asyncio.to_thread(response.read)
    with pytest.raises(json.JSONDecodeError):
        json.loads(b"[{" + raised.value.partial)
    connection.close()
    assert (await asyncio.to_thread(httpx.get, f"{server.url}/healthz")).status_code == 200
