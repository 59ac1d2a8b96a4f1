"""Pools of connections and the time of statements, on both drivers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.ops.database_metrics import DatabaseMetrics
from mainstay.services.configs.pool import Pool

SIZE = 2
HASTY = Timeouts(pool_wait=0.05)
AWAY = "postgresql://nobody@127.0.0.1:1/nothing"


@dataclass
class Counted:
    """A pool, what it counts, and how to have it run a statement."""

    registry: CollectorRegistry
    pool: str
    service: str
    run: Callable[[str], Awaitable[object]]

    def value(self, name: str) -> float | None:
        """Of the pool."""
        return self.registry.get_sample_value(f"db_pool_{name}", {"pool": self.pool})

    def state(self) -> dict[str, float | None]:
        """All of the pool."""
        return {name: self.value(name) for name in ("size", "in_use", "waiting", "refused_total")}

    def statements(self, what: str = "count") -> float:
        """How many there were, or `sum`: how long they took."""
        found = self.registry.get_sample_value(f"db_query_duration_seconds_{what}", {"service": self.service})
        assert found is not None
        return found


@pytest.fixture(params=["asyncpg", "psycopg2"])
async def counted(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Counted]:
    registry = CollectorRegistry()
    metrics = DatabaseMetrics(registry)
    if request.param == "asyncpg":
        async with Database(database_url, pool_min=1, pool_max=SIZE, timeouts=HASTY, metrics=metrics) as database:
            yield Counted(registry, "main", "kernel", database.fetch_text)
    else:
        async with Pool(database_url, size=SIZE, timeouts=HASTY, metrics=metrics) as pool:
            yield Counted(registry, "configs", "configs", lambda text: pool.run(lambda cursor: cursor.execute(text)))


IDLE = {"size": SIZE, "in_use": 0, "waiting": 0, "refused_total": 0}


async def test_a_statement_is_timed(counted: Counted) -> None:
    before = counted.statements()
    await counted.run("SELECT pg_sleep(0.2)")
    assert counted.statements() == before + 1
    assert 0.2 <= counted.statements("sum") < 5
    assert counted.state() == IDLE


async def test_one_that_fails_is_timed_too(counted: Counted) -> None:
    before = counted.statements()
    with pytest.raises(Exception, match="nothing"):
        await counted.run("SELECT 1 FROM nothing")
    with suppress(asyncio.CancelledError):
        running = asyncio.ensure_future(counted.run("SELECT pg_sleep(5)"))
        await asyncio.sleep(0)
        running.cancel()
        await running
    assert counted.statements() >= before + 1


async def test_what_is_lent_what_waits_and_who_is_refused(
    counted: Counted, eventually: Callable[..., Awaitable[object]]
) -> None:
    slow = [asyncio.ensure_future(counted.run("SELECT pg_sleep(0.5)")) for _ in range(SIZE)]

    async def all_lent() -> bool:
        return counted.value("in_use") == SIZE

    await eventually(all_lent)
    third = asyncio.ensure_future(counted.run("SELECT 1"))
    await asyncio.sleep(0)
    assert counted.state() == {**IDLE, "in_use": SIZE, "waiting": 1}
    with pytest.raises(Unavailable):
        await third
    assert counted.state() == {**IDLE, "in_use": SIZE, "refused_total": 1}
    await asyncio.gather(*slow)
    assert counted.state() == {**IDLE, "refused_total": 1}


async def test_a_database_that_is_away_leaves_nothing_lent() -> None:
    registry = CollectorRegistry()
    metrics = DatabaseMetrics(registry)
    with pytest.raises(Unavailable):
        await Database(AWAY, metrics=metrics).fetch_text("SELECT 1")
    with pytest.raises(Unavailable):
        await Pool(AWAY, metrics=metrics).run(lambda cursor: cursor.execute("SELECT 1"))
    assert registry.get_sample_value("db_pool_in_use", {"pool": "main"}) == 0
    assert registry.get_sample_value("db_pool_in_use", {"pool": "configs"}) == 0


async def test_statements_are_told_apart_by_service(database_url: str) -> None:
    registry = CollectorRegistry()
    async with Database(database_url, pool_min=0, metrics=DatabaseMetrics(registry)) as database:
        await database.share("pets").fetch_text("SELECT 1")
    found = {
        service: registry.get_sample_value("db_query_duration_seconds_count", {"service": service})
        for service in ("pets", "kernel", "tasks")
    }
    assert found == {"pets": 1, "kernel": 0, "tasks": None}
