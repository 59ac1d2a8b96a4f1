"""Events on their way into the outbox: what stands there, and in which order."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import bindparam, update

from mainstay.kernel.core.context import RequestContext, request_context
from mainstay.kernel.core.events import Event
from mainstay.kernel.core.unit import LostRace, Reply
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.pets.models import PetRow

REPLY = Reply(200, b"{}")
PET = "INSERT INTO pets VALUES (1, 'Tom', 'cat', 'cat', NULL, 'available', 1, now(), now())"
BUMP = (
    update(PetRow)
    .where(PetRow.id == bindparam("which"), PetRow.version == bindparam("before"))
    .values(version=bindparam("before") + 1)
)
NEXT_SEQUENCE = "SELECT last_value + is_called::int FROM outbox_seq_seq"

Waiting = Callable[..., Awaitable[None]]


class PetBumped(Event):
    """A pet has a new version."""

    type = "pet.bumped"


def bumped(version: int, **fields: Any) -> PetBumped:
    return PetBumped(**{"aggregate_id": "1", "aggregate_version": version, "data": {}, **fields})


async def emit(database: Database, *events: Event) -> None:
    """Commit events alone."""
    unit = PostgresUnit(database)
    unit.emit(*events)
    await unit.commit(REPLY, None)


async def bump(database: Database, before: int) -> None:
    """Write the pet's next version and its event."""
    unit = PostgresUnit(database)
    unit.write(BUMP, {"which": 1, "before": before})
    unit.emit(bumped(before + 1))
    await unit.commit(REPLY, None)


async def by_sequence(session: asyncpg.Connection, column: str) -> Sequence[Any]:
    return [row[0] for row in await session.fetch(f"SELECT {column} FROM outbox ORDER BY seq")]


# What stands there


async def test_an_event_stands_in_the_outbox_as_it_was_emitted(database: Database, session: asyncpg.Connection) -> None:
    event = bumped(7, tenant="acme", occurred_at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC))
    await emit(database, event)
    row = dict(await session.fetchrow("SELECT * FROM outbox"))
    assert row.pop("seq") > 0
    assert row == {
        "id": event.id,
        "tenant_id": "acme",
        "aggregatetype": "pet",
        "aggregateid": "1",
        "aggregateversion": 7,
        "type": "pet.bumped",
        "payload": "{}",
        "request_id": None,
        "traceparent": None,
        "created_at": event.occurred_at,
        "position": None,
    }


async def test_payloads_hold_what_json_can_carry_and_times_and_ids(
    database: Database, session: asyncpg.Connection
) -> None:
    given = {
        "text": 'ü "quoted" \\ \u2028 🐈',
        "numbers": [0, -1, 2**63 - 1, 0.1, 1.5e-7],
        "nested": {"empty": {}, "list": [[], None, True]},
        "id": UUID(int=1),
        "day": date(2026, 1, 2),
        "utc": datetime(2026, 1, 2, tzinfo=UTC),
        "elsewhere": datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    }
    await emit(database, bumped(1, data=given))
    assert json.loads(await session.fetchval("SELECT payload FROM outbox")) == {
        **given,
        "id": "00000000-0000-0000-0000-000000000001",
        "day": "2026-01-02",
        "utc": "2026-01-02T00:00:00Z",
        "elsewhere": "2026-01-02T00:00:00+02:00",
    }


async def test_the_request_is_named_in_its_events(database: Database, session: asyncpg.Connection) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    token = request_context.set(RequestContext("request-7", trace))
    await emit(database, bumped(1))
    request_context.reset(token)
    assert tuple(await session.fetchrow("SELECT request_id, traceparent FROM outbox")) == ("request-7", trace)


async def test_a_routes_events_name_its_request(client: httpx.AsyncClient, session: asyncpg.Connection) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Request-ID": "request-8", "traceparent": trace}
    answer = await client.post("/pets", json={"name": "Tom", "species": "cat"}, headers=headers)
    row = await session.fetchrow("SELECT * FROM outbox")
    assert (row["request_id"], row["traceparent"]) == ("request-8", trace)
    assert (row["type"], row["aggregateid"]) == ("pet.created", str(answer.json()["id"]))


@pytest.mark.parametrize(
    "payload",
    [{"x": object()}, {"x": 2**64}, {1: "x"}, {"x": "\ud800"}],
    ids=["no JSON", "beyond 64 bits", "a name that is no text", "a lone surrogate"],
)
async def test_what_no_payload_can_carry_is_refused_before_anything_is_sent(payload: Any) -> None:
    with pytest.raises(TypeError):
        await emit(Database("postgresql://nobody@127.0.0.1:1/nothing"), bumped(1, data=payload))


# Order


@pytest.mark.parametrize("count", [1, 2, 3, 40])
async def test_events_of_one_commit_stand_in_the_order_they_were_emitted_in(
    database: Database, session: asyncpg.Connection, count: int
) -> None:
    await session.execute(PET)
    unit = PostgresUnit(database)
    unit.write(BUMP, {"which": 1, "before": 1})
    events = [bumped(2, data={"number": number}) for number in range(count)]
    random.shuffle(events)  # their ids, too, are in no order now
    unit.emit(*events)
    await unit.commit(REPLY, None)
    assert await by_sequence(session, "id") == [event.id for event in events]


async def test_a_sequence_number_is_drawn_only_once_the_row_is_locked(
    database: Database, session: asyncpg.Connection, waiting: Waiting
) -> None:
    """Drawn before, it could be lower than that of a writer who got the row first."""
    await session.execute(PET)
    before = await session.fetchval(NEXT_SEQUENCE)
    transaction = session.transaction()
    await transaction.start()
    await session.execute("UPDATE pets SET name = 'Tim'")
    writer = asyncio.create_task(bump(database, 1))
    await waiting()
    assert await session.fetchval(NEXT_SEQUENCE) == before
    await transaction.commit()
    await writer
    assert await session.fetchval(NEXT_SEQUENCE) == before + 1


async def test_who_loses_a_race_draws_no_sequence_number(
    database: Database, session: asyncpg.Connection, waiting: Waiting
) -> None:
    await session.execute(PET)
    before = await session.fetchval(NEXT_SEQUENCE)
    transaction = session.transaction()
    await transaction.start()
    await session.execute("UPDATE pets SET version = 2")
    writer = asyncio.create_task(bump(database, 1))
    await waiting()
    await transaction.commit()
    with pytest.raises(LostRace):
        await writer
    assert await session.fetchval(NEXT_SEQUENCE) == before


async def test_writers_of_one_aggregate_publish_in_the_order_of_its_versions(
    database_url: str, session: asyncpg.Connection
) -> None:
    """Random pauses where two writers might overtake each other: before the row is locked, and with a number drawn."""
    await session.execute(PET)
    await session.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_sleep(random() * 0.003); RETURN NEW; END$$"
    )
    await session.execute("CREATE TRIGGER dawdle BEFORE UPDATE ON pets EXECUTE FUNCTION dawdle()")
    await session.execute("CREATE TRIGGER dawdle BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION dawdle()")
    writers, rounds = 8, 12

    async def write(database: Database) -> None:
        won = 0
        while won < rounds:
            with suppress(LostRace):
                await bump(database, await database.fetch_text("SELECT version FROM pets"))
                won += 1

    async with Database(database_url, pool_max=writers) as database:
        await asyncio.gather(*(write(database) for _ in range(writers)))
    assert await by_sequence(session, "aggregateversion") == list(range(2, writers * rounds + 2))
