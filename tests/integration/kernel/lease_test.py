"""Connections on loan: cancelled requests, a pool that is exhausted, sessions that the server has ended."""

import asyncio
import gc
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.db.lease import Connection

POOL = 3
"""Connections of the `database` fixture, at most."""
SHARE = 2
"""How many of them one service may have."""

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mainstay' AND datname = current_database()"


async def assert_sound(database: Database) -> None:
    """Every connection that there is can be had, and answers what it is asked."""
    answers = await asyncio.gather(*(database.fetch_text("SELECT $1::int", [number]) for number in range(20)))
    assert answers == list(range(20))
    async with held(database, SHARE if len(database._terms.turns) > 1 else POOL):
        pass


async def assert_no_session_is_left_behind(
    session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    """The server has no more sessions than the pool may have; those that were thrown away end after a moment."""

    async def as_many_as_the_pool() -> bool:
        return bool(await session.fetchval(OURS) <= POOL)

    await eventually(as_many_as_the_pool)


# Cancelled requests


async def test_a_cancelled_statement_leaks_no_connection_and_poisons_none(
    database: Database, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    for _ in range(2 * POOL):
        statement = asyncio.create_task(database.fetch_text("SELECT 'late' FROM pg_sleep(10)"))
        await asyncio.sleep(0.01)
        statement.cancel()
        with pytest.raises(asyncio.CancelledError):
            await statement
    await assert_sound(database)
    await assert_no_session_is_left_behind(session, eventually)


async def test_requests_cancelled_at_any_moment_leave_the_pool_as_it_was(
    database: Database, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    dice = random.Random(7)  # noqa: S311 - a repeatable test, no secret
    loop = asyncio.get_running_loop()
    services = [database.share(), database.share()]

    async def ask(number: int) -> int:
        asked = dice.choice((database, *services))
        answer = await asked.fetch_text("SELECT $1::int FROM pg_sleep($2)", [number, dice.random() / 200])
        assert answer == number
        return number

    for _ in range(60):
        asked = [asyncio.create_task(ask(number)) for number in range(dice.randrange(1, 3 * POOL))]
        for task in asked:
            if dice.random() < 0.6:
                loop.call_later(dice.random() * dice.choice((0.001, 0.01, 0.04)), task.cancel)
        for end in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(end, (int, asyncio.CancelledError, Unavailable))
    for service in (database, *services):
        await assert_sound(service)
    await assert_no_session_is_left_behind(session, eventually)


async def test_a_request_cancelled_while_it_waits_for_a_connection_takes_no_turn(database: Database) -> None:
    async with held(database, POOL):
        waiting = [asyncio.create_task(database.fetch_text("SELECT 1")) for _ in range(10)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(end) for end in ends} == {asyncio.CancelledError}
    await assert_sound(database)


async def test_a_request_cancelled_just_as_its_turn_comes_passes_the_turn_on(database: Database) -> None:
    for _ in range(50):
        async with held(database, POOL):
            first, second = [asyncio.create_task(database.fetch_text("SELECT 1")) for _ in range(2)]
            await asyncio.sleep(0)
        first.cancel()  # the connection was given back in the same step, and first is to get it
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == 1
    await assert_sound(database)


async def test_a_request_cancelled_while_it_connects_takes_no_turn(
    database_url: str, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    for steps in range(0, 40, 2):
        async with Database(database_url, pool_min=0, pool_max=POOL) as database:
            connecting = asyncio.create_task(database.fetch_text("SELECT 1"))
            await asyncio.sleep(steps / 1000)  # connecting takes about 20 ms
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await assert_sound(database)
    await assert_no_session_is_left_behind(session, eventually)


# An exhausted pool


class held:  # noqa: N801 - reads as a block: `async with held(database, 3)`
    """So many connections taken, for a block."""

    def __init__(self, database: Database, count: int) -> None:
        self._leases = [database.connection() for _ in range(count)]
        self.connections: list[Connection] = []

    async def __aenter__(self) -> None:
        self.connections = [await lease.__aenter__() for lease in self._leases]

    async def __aexit__(self, *_: object) -> None:
        for lease in self._leases:
            await lease.__aexit__(None, None, None)


async def test_who_waits_for_a_connection_is_served_in_order(database: Database) -> None:
    served: list[int] = []

    async def ask(number: int) -> None:
        async with database.connection() as connection:
            served.append(number)
            await connection.driver.fetchval("SELECT pg_sleep(0.001)")

    async with held(database, POOL):
        waiting = [asyncio.create_task(ask(number)) for number in range(30)]
        await asyncio.sleep(0)
    late = asyncio.create_task(ask(30))  # comes when connections are free, but others are before it
    await asyncio.gather(*waiting, late)
    assert served == list(range(31))


async def test_who_waits_too_long_for_a_connection_is_told_so(database: Database) -> None:
    async with held(database, POOL):
        started = time.monotonic()
        ends = await asyncio.gather(*(database.fetch_text("SELECT 1") for _ in range(20)), return_exceptions=True)
        assert time.monotonic() - started < 0.3 + 0.5
        assert {type(end) for end in ends} == {Unavailable}
    await assert_sound(database)


async def test_the_pool_has_a_bound_whatever_the_load(database: Database, session: asyncpg.Connection) -> None:
    load = [asyncio.create_task(database.fetch_text("SELECT pg_sleep(0.01)")) for _ in range(50)]
    most = 0
    while not all(task.done() for task in load):
        most = max(most, await session.fetchval(OURS))
    await asyncio.gather(*load)
    assert 1 < most <= POOL


async def test_services_together_have_no_more_than_the_pool(database: Database, session: asyncpg.Connection) -> None:
    services = [database.share() for _ in range(3)]
    async with held(services[0], SHARE), held(services[1], POOL - SHARE):
        with pytest.raises(Unavailable):
            await services[2].fetch_text("SELECT 1")
        assert await session.fetchval(OURS) == POOL
    for service in services:
        await assert_sound(service)


# Sessions that the server has ended


async def end_sessions(
    database: Database, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    """As an administrator or a restart of the server does. Waits until our side has heard of it."""
    await session.execute(OURS.replace("count(*)", "pg_terminate_backend(pid)"))

    async def heard() -> bool:
        return all(connection.is_closed() for connection in database._opened)

    await eventually(heard)


async def test_ended_sessions_are_not_noticed_by_the_next_requests(
    database: Database, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    for _ in range(3):
        await asyncio.gather(*(database.fetch_text("SELECT pg_sleep(0.01)") for _ in range(POOL)))
        await end_sessions(database, session, eventually)
        await assert_sound(database)


async def test_a_statement_whose_session_is_ended_is_unavailable_and_the_next_is_served(
    database_url: str, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async def running() -> Any:
        return await session.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT 8%' AND state = 'active'"
        )

    async with Database(database_url, pool_min=1, pool_max=1) as database:
        for _ in range(5):
            statement = asyncio.create_task(database.fetch_text("SELECT 8 FROM pg_sleep(1)"))
            process = await eventually(running)
            following = asyncio.create_task(database.fetch_text("SELECT 9"))  # has its turn at the very next moment
            await session.execute("SELECT pg_terminate_backend($1)", process)
            with pytest.raises(Unavailable):
                await statement
            assert await following == 9


async def test_a_connection_to_a_server_that_has_become_a_standby_is_not_used_again(
    database: Database, session: asyncpg.Connection
) -> None:
    before = await database.fetch_text("SELECT pg_backend_pid()")
    with pytest.raises(Unavailable):
        await database.fetch_text("DO $$BEGIN RAISE read_only_sql_transaction; END$$")
    assert await database.fetch_text("SELECT pg_backend_pid()") != before


# What is left behind


async def test_nothing_is_left_for_the_garbage_collector(
    database_url: str, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    gc.collect()  # what other tests have left is theirs
    caplog.clear()
    recwarn.clear()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    timeouts = Timeouts(statement=0.1)
    with caplog.at_level(logging.WARNING):
        async with Database(database_url, pool_max=2, timeouts=timeouts) as database:
            slow = [asyncio.create_task(database.fetch_text("SELECT pg_sleep(10)")) for _ in range(4)]
            await asyncio.sleep(0.05)
            slow[0].cancel()
            slow[3].cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            with pytest.raises(asyncpg.DivisionByZeroError):
                await database.fetch_text("SELECT 1 / 0")
        del slow, database
        await asyncio.sleep(0.05)
        gc.collect()
    assert (complaints, caplog.records, recwarn.list) == ([], [], [])


async def test_a_pool_that_cannot_start_leaves_no_session(
    database_url: str, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    class OneConnection(Database):
        """Gets its first connection and no other."""

        async def _connect(self) -> asyncpg.Connection:
            if await session.fetchval(OURS):
                raise ConnectionRefusedError
            return await super()._connect()

    with pytest.raises(Unavailable):
        async with OneConnection(database_url, pool_min=2):
            pytest.fail("there is no second connection")

    async def none() -> bool:
        return bool(await session.fetchval(OURS) == 0)

    await eventually(none)


async def test_a_connection_that_comes_back_after_the_end_is_closed(
    database_url: str, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async with Database(database_url, pool_min=2) as database:
        lease = database.connection()
        await lease.__aenter__()
    assert await session.fetchval(OURS) == 1
    await lease.__aexit__(None, None, None)

    async def none() -> bool:
        return bool(await session.fetchval(OURS) == 0)

    await eventually(none)
