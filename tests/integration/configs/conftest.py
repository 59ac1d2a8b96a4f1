"""What the tests of configs share: a small pool with little patience, and what somebody else sees of it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from psycopg2.extras import RealDictCursor

from mainstay.kernel.db.engine import Timeouts
from mainstay.services.configs.pool import APPLICATION_NAME, Pool

IMPATIENT = Timeouts(connect=5, pool_wait=0.3, lock=0.2, statement=0.4)
"""Seconds: short, so that the tests of what happens after them are; but a busy machine may connect when it can."""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Three connections at most, on the test's own database."""
    async with Pool(database_url, size=3, timeouts=IMPATIENT) as pool:
        yield pool


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's session in the same database."""
    session = await asyncpg.connect(database_url)
    yield session
    await session.close()


@pytest.fixture
def sessions(session: asyncpg.Connection) -> Callable[[], Awaitable[dict[int, str]]]:
    """Asks for the sessions of pools in the database: what state each is in, by its process."""

    async def sessions() -> dict[int, str]:
        return dict(
            await session.fetch(
                "SELECT pid, state FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1",
                APPLICATION_NAME,
            )
        )

    return sessions


@pytest.fixture
def assert_whole(
    sessions: Callable[[], Awaitable[dict[int, str]]], eventually: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[None]]:
    """Shows that nothing has leaked: all slots, threads and connections can be had, no transaction is open."""

    async def all_idle() -> bool:
        return set((await sessions()).values()) <= {"idle"}

    async def assert_whole(pool: Pool, size: int = 3) -> None:
        here = threading.Barrier(size)  # passed by so many threads at once, or by none

        def work(cursor: RealDictCursor) -> int:
            here.wait(5)
            cursor.execute("SELECT 1")
            return 1

        await eventually(all_idle)
        assert await asyncio.gather(*(pool.run(work) for _ in range(size))) == [1] * size
        assert len(await sessions()) <= size

    return assert_whole
