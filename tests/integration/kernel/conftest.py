"""What the kernel's tests share: an impatient pool, somebody else's session."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.db.engine import Database, Timeouts

IMPATIENT = Timeouts(connect=5, pool_wait=0.3, lock=0.2, statement=0.4)
"""Seconds: short, so that the tests of what happens after them are; but a busy machine may connect when it can."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Three connections at most, on the test's own database, and little patience."""
    async with Database(database_url, pool_min=1, pool_max=3, timeouts=IMPATIENT) as database:
        yield database


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's session in the same database."""
    session = await asyncpg.connect(database_url)
    yield session
    await session.close()


@pytest.fixture
def waiting(session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    """Waits until so many of the program's sessions stand before a lock."""

    async def waiting(count: int = 1) -> None:
        async def stand() -> bool:
            found = await session.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'mainstay' AND wait_event_type = 'Lock'"
            )
            return bool(found >= count)

        await eventually(stand)

    return waiting
