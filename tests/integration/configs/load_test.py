"""The pool under load: more callers than connections, a server that restarts, one that hangs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import asyncpg
import httpx
from psycopg2.extras import RealDictCursor

from mainstay.kernel.core.errors import Unavailable
from mainstay.services.configs.pool import APPLICATION_NAME, Pool

SIZE = 10
CALLERS = 20
SLACK = 2.5
"""Seconds that the machine may take for the other tests, which run beside these."""


class OwnPostgres(Protocol):
    """What the fixture `own_postgres` gives."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class Call(NamedTuple):
    """The seconds that a call took, and its luck."""

    seconds: float
    served: bool


Eventually = Callable[..., Awaitable[Any]]


def sleep(cursor: RealDictCursor, seconds: float = 0) -> bool:
    cursor.execute("SELECT pg_sleep(%s)", (seconds,))
    return True


async def timed(pool: Pool, seconds: float = 0) -> Call:
    """Any other end than served or Unavailable fails the test."""
    started = time.monotonic()
    try:
        served = await pool.run(sleep, seconds)
    except Unavailable:
        served = False
    return Call(time.monotonic() - started, served)


async def transaction(pool: Pool) -> Call:
    started = time.monotonic()
    try:
        async with pool.connection() as connection:
            served = await connection.run(sleep) and await connection.run(sleep)
    except Unavailable:
        served = False
    return Call(time.monotonic() - started, served)


@asynccontextmanager
async def load(pool: Pool) -> AsyncIterator[list[list[Call]]]:
    """Twice as many callers as there are connections, all the time. Yields the calls of each."""
    callers: list[list[Call]] = [[] for _ in range(CALLERS)]

    async def call(number: int, calls: list[Call]) -> None:
        while True:
            calls.append(await (timed(pool) if number % 2 else transaction(pool)))
            await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(number, calls)) for number, calls in enumerate(callers)]
        yield callers
        for task in tasks:
            task.cancel()


def all_have(callers: list[list[Call]], *, served: bool) -> Callable[[], Awaitable[bool]]:
    """A condition: from now on every caller has been served, or not, whatever came between."""
    before = [len(calls) for calls in callers]

    async def have() -> bool:
        later = (calls[count:] for calls, count in zip(callers, before, strict=True))
        return all(any(call.served is served for call in calls) for calls in later)

    return have


async def assert_nothing_leaked(pool: Pool, url: str, eventually: Eventually) -> None:
    """All connections can be had at once, there are no more of them, and in the end there are none."""
    session = await asyncpg.connect(url)

    async def count() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
        return int(await session.fetchval(query, APPLICATION_NAME))

    async def no_more_than_there_may_be() -> bool:
        return await count() <= SIZE

    async def none() -> bool:
        return await count() == 0

    await eventually(no_more_than_there_may_be)
    assert {call.served for call in await asyncio.gather(*(timed(pool, 0.1) for _ in range(SIZE)))} == {True}
    assert await count() == SIZE
    await pool.__aexit__()
    await eventually(none)
    await session.close()


async def test_a_hundred_slow_calls_are_served_or_unavailable_and_the_loop_stays_free(
    database_url: str, client: httpx.AsyncClient
) -> None:
    """The other service is in the same process, its database the same."""
    await client.post("/pets", json={"name": "Tom", "species": "cat"})
    async with Pool(database_url, size=SIZE) as pool:
        slow = asyncio.gather(*(timed(pool, 0.15) for _ in range(100)))
        others: list[float] = []
        while not slow.done():
            started = time.monotonic()
            assert (await client.get("/pets/1")).status_code == 200
            others.append(time.monotonic() - started)
        calls = await slow
    assert {call.served for call in calls} == {True, False}
    assert sum(call.served for call in calls) >= 2 * SIZE  # those that waited, too
    assert max(call.seconds for call in calls) < 2 + SLACK
    assert sorted(others)[len(others) // 2] < 0.05
    assert max(others) < SLACK


async def test_a_server_that_restarts_under_load_is_unavailable_then_served_again(
    own_postgres: OwnPostgres, eventually: Eventually
) -> None:
    pool = await Pool(own_postgres.url, size=SIZE).__aenter__()
    async with load(pool) as callers:
        for go in (own_postgres.stop, own_postgres.kill):
            await eventually(all_have(callers, served=True))
            go()
            await eventually(all_have(callers, served=False))
            own_postgres.start()
            started = time.monotonic()
            await eventually(all_have(callers, served=True))
            assert time.monotonic() - started < 1 + SLACK
    assert max(call.seconds for calls in callers for call in calls) < 2 + SLACK
    await assert_nothing_leaked(pool, own_postgres.url, eventually)


async def test_a_server_that_hangs_is_unavailable_within_two_seconds_then_served_again(
    own_postgres: OwnPostgres, eventually: Eventually
) -> None:
    pool = await Pool(own_postgres.url, size=SIZE).__aenter__()
    async with load(pool) as callers:
        await eventually(all_have(callers, served=True))
        own_postgres.freeze()
        await eventually(all_have(callers, served=False))
        await eventually(all_have(callers, served=False))  # now new connections hang, too
        own_postgres.thaw()
        started = time.monotonic()
        await eventually(all_have(callers, served=True))
        assert time.monotonic() - started < 1 + SLACK
    assert max(call.seconds for calls in callers for call in calls) < 2 + SLACK
    await assert_nothing_leaked(pool, own_postgres.url, eventually)


async def test_a_call_that_was_left_on_a_server_that_hangs_frees_its_thread(
    own_postgres: OwnPostgres, eventually: Eventually
) -> None:
    pool = await Pool(own_postgres.url, size=1).__aenter__()
    own_postgres.freeze()
    call = asyncio.create_task(pool.run(sleep))

    async def waits() -> bool:
        return bool(pool._connections._used)

    await eventually(waits)
    call.cancel()
    await asyncio.wait([call])

    async def free() -> bool:
        return not pool._slots.locked()

    await eventually(free, 3)
    own_postgres.thaw()
    assert (await timed(pool)).served
    await pool.__aexit__()


async def test_closing_beside_a_server_that_hangs_has_an_end(own_postgres: OwnPostgres) -> None:
    pool = await Pool(own_postgres.url, size=SIZE).__aenter__()
    own_postgres.freeze()
    calls = [asyncio.create_task(timed(pool)) for _ in range(SIZE)]
    await asyncio.sleep(0)
    started = time.monotonic()
    await pool.__aexit__()
    assert {call.served for call in await asyncio.gather(*calls)} == {False}
    assert time.monotonic() - started < 2 + SLACK
