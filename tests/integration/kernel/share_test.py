"""A service's share of the pool: most of it, never all. What its waits leave behind: lease_test."""

import asyncio

import pytest

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Database, Timeouts

POOL = 5
SHARE = 4
SLOW = "SELECT pg_sleep(0.4)"


@pytest.fixture
def pool(database_url: str) -> Database:
    return Database(database_url, pool_min=1, pool_max=POOL, timeouts=Timeouts(pool_wait=0.1))


async def test_a_service_that_waits_on_every_connection_of_its_share_leaves_one_for_the_others(pool: Database) -> None:
    async with pool:
        share = pool.share()
        waiting = [asyncio.create_task(share.fetch_text(SLOW)) for _ in range(SHARE)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await share.fetch_text("SELECT 1")
        assert await pool.fetch_text("SELECT 1") == 1
        assert await pool.share().fetch_text("SELECT 1") == 1
        await asyncio.gather(*waiting)


async def test_a_pool_of_one_is_shared_all_the_same(database_url: str) -> None:
    async with Database(database_url, pool_min=1, pool_max=1) as pool:
        assert await pool.share().fetch_text("SELECT 1") == 1
