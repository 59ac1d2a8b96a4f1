"""What the rest of the program notices while a table is locked, the database is away, or a crowd says nothing."""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest

from tests.faults.callers import calling
from tests.integration.conftest import OwnPostgres

SOON = 2.0
"""Seconds within which there is an answer, whatever the database does."""
SLACK = 1.0
"""Seconds that a busy machine may take on top."""
OTHERS = {"/v1/tasks": 2, "/api/v1/applications": 2, "/healthz": 1}
LOCKED, AWAY = 25.0, 30.0
"""Seconds."""
SLOW = 2_000
CLOSED_WITHIN = 15
"""Seconds."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]  # the short forms: tests/integration/kernel, away and slow


async def test_a_locked_table_stops_its_own_service_alone(
    serve: Callable[..., Any], database_url: str, record_property: Callable[[str, object], None]
) -> None:
    server = serve()
    session = await asyncpg.connect(database_url)
    async with calling(server.url, {"/pets": 8, **OTHERS}) as calls:
        await asyncio.sleep(LOCKED / 2)
        locked = time.monotonic()
        async with session.transaction():
            await session.execute("LOCK TABLE pets")
            await asyncio.sleep(LOCKED)
        free = time.monotonic()
        await served_again(server.url)
    await session.close()
    assert set(calls.statuses("/pets", since=locked + 0.1, until=free - SOON)) <= {503}
    assert calls.slowest("/pets") < SOON + SLACK
    assert set(calls.statuses(*OTHERS)) == {200}
    before, meanwhile = calls.p99(*OTHERS, until=locked), calls.p99(*OTHERS, since=locked, until=free)
    record_property("p99 of the others, ms", f"{before * 1e3:.1f} before, {meanwhile * 1e3:.1f} meanwhile")
    assert meanwhile < 2 * before + SLACK / 10


async def test_the_database_goes_for_a_while(
    serve: Callable[..., Any],
    own_postgres: OwnPostgres,
    record_property: Callable[[str, object], None],
) -> None:
    server = serve(DATABASE_URL=own_postgres.url)
    pid = server.process.pid
    async with calling(server.url, {"/pets": 8, "/healthz": 1, "/readyz": 1}) as calls:
        await until(lambda: calls.statuses("/pets").get(200, 0) > 10)
        gone = time.monotonic()
        own_postgres.stop()
        await until(lambda: calls.statuses("/pets", since=gone).get(503, 0) > 0)
        first = time.monotonic() - gone
        await asyncio.sleep(AWAY)
        back = time.monotonic()
        own_postgres.start()
        began = time.monotonic()
        took = await served_again(server.url)
    record_property("seconds", f"{first:.2f} to the first 503, {took:.2f} to be served again")
    assert first < SOON + SLACK
    assert took < 1 + SLACK
    assert set(calls.statuses("/pets", since=gone + SOON, until=back - SOON)) == {503}
    assert set(calls.statuses("/readyz", since=gone + SOON, until=back - SOON)) == {503}
    assert set(calls.statuses("/healthz")) == {200}
    assert calls.slowest("/pets", since=gone, until=began) < SOON + SLACK
    assert (server.process.pid, server.process.poll()) == (pid, None)


async def served_again(url: str) -> float:
    """Wait until it is, and is ready; the seconds that it took."""
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for path in ("/pets", "/readyz"):
            while (await client.get(path)).status_code != 200:
                assert time.monotonic() - began < 1 + SLACK
                await asyncio.sleep(0.02)
    return time.monotonic() - began


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to be true; the test's own time-out ends a wait for nothing."""
    while not condition():
        await asyncio.sleep(0.01)


# A crowd


@pytest.mark.parametrize("kind", ["-H", "-B"], ids=["heads", "bodies"])
async def test_two_thousand_slow_connections_of_a_tool_for_it(
    descriptors: None, serve: Callable[..., Any], kind: str, record_property: Callable[[str, object], None]
) -> None:
    tool = shutil.which("slowhttptest")
    if tool is None:
        pytest.skip("slowhttptest is not installed: apt-get install slowhttptest")
    server = serve(HEADER_TIMEOUT="10", BODY_TIMEOUT="10")
    target = ["-u", f"{server.url}/pets", *(("-t", "POST", "-f", "application/json") if kind == "-B" else ())]
    command = [tool, kind, "-c", str(SLOW), "-r", "1000", "-i", "2", "-l", "16", *target]
    async with calling(server.url, {"/pets": 4}) as calls:
        told = await asyncio.to_thread(subprocess.check_output, command, text=True)
    record_property("p99, ms", f"{calls.p99() * 1e3:.1f} of {len(calls.of['/pets'])} beside {SLOW} slow connections")
    assert set(calls.statuses()) == {200}
    assert calls.p99() < 0.05
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told)
    assert re.search(rf"connected: +{SLOW}\n", plain)
    assert "service available:   NO" not in plain
    ended = re.search(r"Test ended on (\d+)\w+ second\nExit status: +No open connections left", plain)
    assert ended is not None, plain[-2000:]
    assert int(ended[1]) <= CLOSED_WITHIN
