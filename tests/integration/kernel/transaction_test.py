"""A unit's transaction: several rows and their events, all or nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.core.events import Event
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit

SAVE = "UPDATE toy_things SET version = version + 1 WHERE id = 1 RETURNING version"
TRANSACTIONS = "SELECT xmin::text FROM toy_things WHERE version > 1 UNION SELECT xmin::text FROM outbox"


class ThingChanged(Event):
    """Something happened to a thing."""

    type = "thing.changed"

    @classmethod
    def of(cls, version: Any) -> "ThingChanged":
        """To the one thing there is."""
        return cls(aggregate_id="1", aggregate_version=version, data={})


@pytest.fixture(autouse=True)
async def toy_things(session: asyncpg.Connection) -> None:
    """One thing, and another."""
    await session.execute("CREATE TABLE toy_things (id bigint PRIMARY KEY, version bigint CHECK (version < 9))")
    await session.execute("INSERT INTO toy_things VALUES (1, 1), (2, 1)")


@pytest.fixture
def told(database: Database) -> list[int]:
    """Grows each time that a relay would be woken."""
    told: list[int] = []
    database.on_events(lambda: told.append(1))
    return told


async def events(session: asyncpg.Connection) -> list[int]:
    """The versions in the events, in the order of their sequence."""
    return [row[0] for row in await session.fetch("SELECT aggregateversion FROM outbox ORDER BY seq")]


async def test_rows_and_events_are_committed_together_and_the_relay_hears_of_it(
    database: Database, session: asyncpg.Connection, told: list[int]
) -> None:
    work = PostgresUnit(database)
    work.emit(ThingChanged.of(2))
    async with work.transaction() as connection:
        await connection.driver.execute(SAVE)
        await connection.driver.execute(SAVE.replace("id = 1", "id = 2"))
        work.emit(ThingChanged.of(3))
        assert (await events(session), told) == ([], [])
    assert len(await session.fetch(TRANSACTIONS)) == 1
    assert (await events(session), told) == ([2, 3], [1])


async def test_nothing_is_left_for_the_routes_commit(
    database: Database, session: asyncpg.Connection, told: list[int]
) -> None:
    work = PostgresUnit(database)
    async with work.transaction() as connection:
        await connection.driver.execute(SAVE)
        work.emit(ThingChanged.of(2))
    await work.commit(Reply(200, b""), None)
    assert (await events(session), told) == ([2], [1])
    assert [event.aggregate_version for event in work.events] == [2]  # for the listeners of this process


async def test_what_emits_nothing_wakes_nobody(database: Database, told: list[int]) -> None:
    async with PostgresUnit(database).transaction() as connection:
        await connection.driver.execute(SAVE)
    assert told == []


@pytest.mark.parametrize(
    ("statement", "event", "error"),
    [
        ("SELECT 1 / 0", ThingChanged.of(2), asyncpg.DivisionByZeroError),
        ("UPDATE toy_things SET version = 9", ThingChanged.of(2), asyncpg.CheckViolationError),
        (SAVE, ThingChanged.of("none"), asyncpg.DataError),
    ],
    ids=["statement", "constraint", "event"],
)
async def test_what_fails_leaves_nothing_and_wakes_nobody(
    database: Database,
    session: asyncpg.Connection,
    told: list[int],
    statement: str,
    event: Event,
    error: type[Exception],
) -> None:
    work = PostgresUnit(database)
    work.emit(event)

    async def change() -> None:
        async with work.transaction() as connection:
            await connection.driver.execute(SAVE)
            await connection.driver.execute(statement)

    with pytest.raises(error):
        await change()
    assert await session.fetchval("SELECT max(version) FROM toy_things") == 1
    assert (await events(session), told) == ([], [])


async def test_events_stand_in_the_order_of_the_changes_that_waited_for_each_other(
    database: Database, session: asyncpg.Connection, eventually: Callable[..., Any]
) -> None:
    """The sequence is drawn once the row is locked: not when the event is emitted."""
    first, second = PostgresUnit(database), PostgresUnit(database)

    async def change(work: PostgresUnit) -> None:
        work.emit(ThingChanged.of(3))
        async with work.transaction() as connection:
            await connection.driver.execute(SAVE)

    async def waits() -> bool:
        return bool(await session.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    first.emit(ThingChanged.of(2))
    async with first.transaction() as connection:
        await connection.driver.execute(SAVE)
        waiting = asyncio.create_task(change(second))
        await eventually(waits)
    await waiting
    assert await events(session) == [2, 3]
