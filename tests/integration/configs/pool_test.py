"""psycopg2 in threads: what is sent, what comes back, what becomes of errors, of callers that leave, of connections."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Timeouts
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


async def do_in_block(pool: Pool, text: str, *values: object, then: Callable[[], Awaitable[Any]] | None = None) -> None:
    async with pool.connection() as connection:
        await connection.run(do, text, *values)
        if then is not None:
            await then()


async def names(session: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await session.fetch("SELECT name FROM applications ORDER BY name")]


# Statements and transactions


async def test_rows_come_as_dicts_and_arguments_are_handed_on(pool: Pool) -> None:
    def work(cursor: RealDictCursor, number: int, *, text: str) -> Any:
        cursor.execute("SELECT %s AS number, %s AS text", (number, text))
        return cursor.fetchone()

    assert await pool.run(work, 1, text="a") == {"number": 1, "text": "a"}
    async with pool.connection() as connection:
        assert await connection.run(work, 2, text="b") == {"number": 2, "text": "b"}


async def test_a_statement_alone_is_committed(pool: Pool, session: asyncpg.Connection) -> None:
    await pool.run(do, ADD, "1", "a")
    assert await names(session) == ["a"]


async def test_a_statement_alone_is_no_transaction(pool: Pool) -> None:
    """BEGIN and COMMIT would be two round trips more."""

    def status(cursor: RealDictCursor) -> int:
        cursor.execute("SELECT 1")
        return cursor.connection.info.transaction_status

    assert await pool.run(status) == psycopg2.extensions.TRANSACTION_STATUS_IDLE


async def test_a_block_is_one_transaction(pool: Pool, session: asyncpg.Connection) -> None:
    async with pool.connection() as connection:
        await connection.run(do, ADD, "1", "a")
        await connection.run(do, ADD, "2", "b")
        assert await connection.run(fetch, "SELECT name FROM applications ORDER BY name") == ["a", "b"]
        assert await names(session) == []
    assert await names(session) == ["a", "b"]


@pytest.mark.parametrize("error", [ValueError("ours"), asyncio.CancelledError()], ids=["error", "cancelled"])
async def test_a_block_that_raises_leaves_nothing(
    pool: Pool, session: asyncpg.Connection, error: BaseException, assert_whole: AssertWhole
) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        await do_in_block(pool, ADD, "1", "a", then=fail)
    await assert_whole(pool)
    assert await names(session) == []


async def test_a_block_without_work_takes_no_connection(pool: Pool, sessions: Sessions) -> None:
    before = await sessions()
    async with pool.connection(), pool.connection():
        pass
    assert await sessions() == before


async def test_a_transaction_is_not_left_to_the_next(pool: Pool) -> None:
    """One connection serves both, each in its manner."""
    for _ in range(2):
        async with pool.connection() as connection:
            assert await connection.run(fetch, "SELECT now() = transaction_timestamp()") == [True]
            started = await connection.run(fetch, "SELECT now()")
            assert await connection.run(fetch, "SELECT now()") == started
        assert await pool.run(fetch, "SELECT now()") != await pool.run(fetch, "SELECT now()")


async def test_a_connection_does_one_thing_at_a_time(pool: Pool) -> None:
    async with pool.connection() as connection:
        first = asyncio.create_task(connection.run(fetch, "SELECT 1 FROM pg_sleep(0.1)"))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one thing"):
            await connection.run(fetch, "SELECT 2")
        assert await first == [1]


# Errors


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "block"])
async def test_a_violated_constraint_comes_through_with_its_name(
    pool: Pool, alone: bool, assert_whole: AssertWhole
) -> None:
    await pool.run(do, ADD, "1", "a")
    call = pool.run(do, ADD, "2", "a") if alone else do_in_block(pool, ADD, "2", "a")
    with pytest.raises(psycopg2.errors.UniqueViolation) as raised:
        await call
    assert raised.value.diag.constraint_name == "applications_name_key"
    await assert_whole(pool)


async def test_an_error_of_the_work_itself_comes_through(pool: Pool, assert_whole: AssertWhole) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda _: 1 // 0)
    with pytest.raises(psycopg2.errors.UndefinedTable):
        await pool.run(fetch, "SELECT * FROM nothing")
    await assert_whole(pool)


async def test_a_statement_that_takes_too_long_is_unavailable(pool: Pool, assert_whole: AssertWhole) -> None:
    with pytest.raises(Unavailable) as raised:
        await pool.run(fetch, "SELECT 1 FROM pg_sleep(5)")
    assert isinstance(raised.value.original_error, psycopg2.errors.QueryCanceled)
    await assert_whole(pool)


async def test_a_lock_that_is_not_to_be_had_is_unavailable(
    pool: Pool, session: asyncpg.Connection, assert_whole: AssertWhole
) -> None:
    async with session.transaction():
        await session.execute("LOCK TABLE applications")
        with pytest.raises(Unavailable) as raised:
            await do_in_block(pool, ADD, "1", "a")
    assert isinstance(raised.value.original_error, psycopg2.errors.LockNotAvailable)
    await assert_whole(pool)


async def test_a_block_that_does_something_else_loses_its_transaction(
    pool: Pool, session: asyncpg.Connection, eventually: Eventually, assert_whole: AssertWhole, sessions: Sessions
) -> None:
    async def gone() -> bool:
        return "idle in transaction" not in (await sessions()).values()

    with pytest.raises(Unavailable):
        await do_in_block(pool, ADD, "1", "a", then=partial(eventually, gone))
    assert await names(session) == []
    await assert_whole(pool)


async def test_a_standby_after_a_fail_over_is_unavailable_and_left(pool: Pool, session: asyncpg.Connection) -> None:
    await pool.run(do, "SET default_transaction_read_only = on")  # stays on the pool's only connection so far
    with pytest.raises(Unavailable) as raised:
        await pool.run(do, ADD, "1", "a")
    assert isinstance(raised.value.original_error, psycopg2.errors.ReadOnlySqlTransaction)
    await pool.run(do, ADD, "1", "a")
    assert await names(session) == ["a"]


# Sessions


async def test_the_sessions_are_set_up(pool: Pool) -> None:
    settings = ["application_name", "timezone", "lock_timeout", "statement_timeout"]
    settings += ["idle_in_transaction_session_timeout"]
    found = [(await pool.run(fetch, f"SHOW {name}"))[0] for name in settings]
    assert found == ["mainstay configs", "UTC", "200ms", "400ms", "400ms"]


async def test_what_the_url_says_stays_but_for_what_is_ours(database_url: str) -> None:
    own = "options=-csearch_path%3Dpg_catalog%20-cstatement_timeout%3D77&application_name=theirs&connect_timeout=60"
    async with Pool(f"{database_url}{'&' if '?' in database_url else '?'}{own}", size=1) as pool:
        assert await pool.run(fetch, "SHOW search_path") == ["pg_catalog"]
        assert await pool.run(fetch, "SHOW application_name") == ["mainstay configs"]
        assert await pool.run(fetch, "SHOW statement_timeout") == ["1300ms"]


async def test_connections_are_kept_and_never_more_than_there_may_be(pool: Pool, sessions: Sessions) -> None:
    for _ in range(3):
        await asyncio.gather(*(pool.run(fetch, "SELECT 1 FROM pg_sleep(0.02)") for _ in range(4 * SIZE)))
        assert len(await sessions()) == SIZE
    kept = set(await sessions())
    await asyncio.gather(*(pool.run(fetch, "SELECT 1 FROM pg_sleep(0.02)") for _ in range(4 * SIZE)))
    assert set(await sessions()) == kept


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "block"])
async def test_connections_that_were_closed_meanwhile_cost_no_request(
    pool: Pool,
    session: asyncpg.Connection,
    eventually: Eventually,
    alone: bool,
    assert_whole: AssertWhole,
    sessions: Sessions,
) -> None:
    async def none_left() -> bool:
        return not await sessions()

    await assert_whole(pool)
    for pid in await sessions():
        await session.execute("SELECT pg_terminate_backend($1)", pid)
    await eventually(none_left)
    for number in range(SIZE + 1):
        row = (str(number), str(number))
        await (pool.run(do, ADD, *row) if alone else do_in_block(pool, ADD, *row))
    assert len(await names(session)) == SIZE + 1


async def test_a_connection_that_is_lost_on_the_way_is_unavailable_once(
    database_url: str,
    session: asyncpg.Connection,
    eventually: Eventually,
    assert_whole: AssertWhole,
    sessions: Sessions,
) -> None:
    async def running() -> Any:
        return [pid for pid, state in (await sessions()).items() if state == "active"]

    async with Pool(database_url, size=SIZE, timeouts=Timeouts(statement=20)) as pool:
        call = asyncio.create_task(pool.run(fetch, "SELECT 1 FROM pg_sleep(20)"))
        (pid,) = await eventually(running)
        await session.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(Unavailable):
            await call
        await assert_whole(pool)


async def test_at_the_end_no_session_and_no_thread_is_left(
    database_url: str, eventually: Eventually, assert_whole: AssertWhole, sessions: Sessions
) -> None:
    others = set(threading.enumerate())
    async with Pool(database_url, size=SIZE) as pool:
        await assert_whole(pool)

    async def none_left() -> bool:
        threads = set(threading.enumerate()) - others
        return not await sessions() and not any(thread.name.startswith("configs") for thread in threads)

    await eventually(none_left)


async def test_the_end_waits_for_nobody_for_ever(database_url: str, eventually: Eventually, sessions: Sessions) -> None:
    pool = Pool(database_url, size=SIZE, timeouts=Timeouts(connect=0.3, statement=30))
    call = asyncio.create_task(pool.run(fetch, "SELECT 1 FROM pg_sleep(30)"))

    async def running() -> bool:
        return "active" in (await sessions()).values()

    await eventually(running)
    started = time.monotonic()
    await pool.__aexit__()
    with pytest.raises(Unavailable):
        await call
    assert time.monotonic() - started < 2
