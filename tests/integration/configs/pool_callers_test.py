"""Callers of the pool that leave in the middle, and more callers than it has connections."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from psycopg2.extras import RealDictCursor

from mainstay.kernel.core.errors import Unavailable
from mainstay.services.configs.pool import Pool

Eventually = Callable[..., Awaitable[Any]]
AssertWhole = Callable[..., Awaitable[None]]
Sessions = Callable[[], Awaitable[dict[int, str]]]

ADD = "INSERT INTO applications (id, name) VALUES (%s, %s)"
SIZE = 3
"""Of the fixture `pool`."""


def do(cursor: RealDictCursor, text: str, *values: object) -> None:
    cursor.execute(text, values or None)


def fetch(cursor: RealDictCursor, text: str, *values: object) -> Any:
    """All values of the first column."""
    cursor.execute(text, values or None)
    return [next(iter(row.values())) for row in cursor]


async def names(session: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await session.fetch("SELECT name FROM applications ORDER BY name")]


# Callers that leave


async def cancelled(call: "asyncio.Task[Any]") -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "block"])
async def test_a_caller_that_leaves_in_the_middle_takes_nothing_along(
    pool: Pool,
    session: asyncpg.Connection,
    eventually: Eventually,
    alone: bool,
    assert_whole: AssertWhole,
    sessions: Sessions,
) -> None:
    slow = "INSERT INTO applications (id, name) SELECT %s, %s FROM pg_sleep(0.2)"

    async def block() -> None:
        async with pool.connection() as connection:
            await connection.run(do, slow, "1", "a")

    async def running() -> bool:
        return "active" in (await sessions()).values()

    for _ in range(2 * SIZE):
        call = asyncio.create_task(pool.run(do, slow, "1", "a") if alone else block())
        await eventually(running)
        await cancelled(call)
        await assert_whole(pool)
        # a statement alone was on its way and is done; a block did not come to its end
        assert await names(session) == (["a"] if alone else [])
        await session.execute("TRUNCATE applications CASCADE")


async def test_a_slot_is_free_when_its_thread_is_and_not_when_its_caller_leaves(
    pool: Pool, assert_whole: AssertWhole
) -> None:
    """Or those after it would wait for the thread, and longer than they are to wait."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold(_: RealDictCursor) -> None:
        begun.release()
        go_on.wait(5)

    calls = [asyncio.create_task(pool.run(hold)) for _ in range(SIZE)]
    for _ in calls:
        assert await asyncio.to_thread(begun.acquire, timeout=5)
    for call in calls:
        await cancelled(call)
    with pytest.raises(Unavailable, match="busy"):
        await pool.run(fetch, "SELECT 1")
    go_on.set()
    await assert_whole(pool)


async def test_a_caller_may_leave_at_any_moment(pool: Pool, assert_whole: AssertWhole) -> None:
    async def block() -> None:
        async with pool.connection() as connection:
            await connection.run(fetch, "SELECT 1")
            await connection.run(fetch, "SELECT 1 FROM pg_sleep(0.002)")

    for number in range(60):
        calls = [asyncio.create_task(block()) for _ in range(2 * SIZE)]
        calls += [asyncio.create_task(pool.run(fetch, "SELECT 1")) for _ in range(SIZE)]
        await asyncio.sleep(number * 0.0002)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    await assert_whole(pool)


async def test_a_caller_that_leaves_the_queue_loses_nobody_his_turn(pool: Pool, assert_whole: AssertWhole) -> None:
    busy = [asyncio.create_task(pool.run(fetch, "SELECT 1 FROM pg_sleep(0.1)")) for _ in range(SIZE)]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(pool.run(fetch, "SELECT 2")) for _ in range(SIZE)]
    await asyncio.sleep(0)
    await cancelled(waiting[0])
    assert await asyncio.gather(*busy, *waiting[1:]) == [[1]] * SIZE + [[2]] * (SIZE - 1)
    await assert_whole(pool)


async def test_work_that_nobody_waits_for_any_more_is_not_begun(
    pool: Pool, session: asyncpg.Connection, eventually: Eventually, assert_whole: AssertWhole
) -> None:
    """It may have taken so long to connect that the caller was told no."""
    connect, connecting, go_on = pool._connections._new, threading.Event(), threading.Event()

    def connect_slowly() -> Any:
        connecting.set()
        go_on.wait(5)
        return connect()

    pool._connections._new = connect_slowly
    (first,) = await pool.run(fetch, "SELECT pg_backend_pid()")
    await session.execute("SELECT pg_terminate_backend($1)", first)

    async def is_gone() -> bool:
        return not await session.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", first)

    await eventually(is_gone)
    call = asyncio.create_task(pool.run(do, ADD, "1", "a"))
    assert await asyncio.to_thread(connecting.wait, 5)
    await cancelled(call)
    go_on.set()
    await assert_whole(pool)
    assert await names(session) == []


# A full pool


async def test_a_full_pool_is_unavailable_after_a_while(pool: Pool) -> None:
    async with pool.connection(), pool.connection(), pool.connection():
        started = time.monotonic()
        with pytest.raises(Unavailable, match="busy"):
            await pool.run(fetch, "SELECT 1")
        with pytest.raises(Unavailable, match="busy"):
            async with pool.connection():
                pytest.fail("it had one")
        assert 0.5 < time.monotonic() - started < 2
    assert await pool.run(fetch, "SELECT 1") == [1]


async def test_the_queue_is_fair(pool: Pool) -> None:
    served: list[int] = []

    async def call(number: int) -> None:
        await pool.run(fetch, "SELECT 1 FROM pg_sleep(0.01)")
        served.append(number)

    async with pool.connection(), pool.connection():  # one is left
        await asyncio.gather(*(call(number) for number in range(10)))
    assert served == list(range(10))
