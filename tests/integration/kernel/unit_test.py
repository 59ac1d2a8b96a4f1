"""The unit of work: change, key and events in one statement and one transaction, all or nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, bindparam, delete, insert, update

from mainstay.kernel.core.errors import Conflict, Unavailable
from mainstay.kernel.core.events import Event
from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, KeyTaken, LostRace, Reply, RequestInProgress
from mainstay.kernel.db import unit
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit

THINGS = Table(
    "toy_things",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("name", Text),
    Column("weight", Integer),
    Column("version", BigInteger),
)
ADD = insert(THINGS).values({name: bindparam(name) for name in ("id", "name", "weight", "version")})
SAVE = (
    update(THINGS)
    .where(THINGS.c.id == bindparam("id_"), THINGS.c.version == bindparam("version_before"))
    .values(name=bindparam("name"), version=bindparam("version_before") + 1)
)
REMOVE = delete(THINGS).where(THINGS.c.id == bindparam("id"))

REPLY = Reply(201, b'{"id":1}', '"1"', "/toy_things/1")
KEY = Key(tenant="", scope="POST /toy_things", value="k", fingerprint=b"f")
NO_ROWS = {"toy_things": 0, "idempotency_keys": 0, "outbox": 0}


class ThingEvent(Event):
    """Something happened to a thing."""

    type = "thing.changed"


class NameTaken(Conflict):
    """Another thing has this name."""


def event(version: int = 1, thing: int = 1, **fields: Any) -> ThingEvent:
    return ThingEvent(aggregate_id=str(thing), aggregate_version=version, data={"version": version}, **fields)


def thing(number: int = 1, **fields: object) -> dict[str, object]:
    return {"id": number, "name": f"thing {number}", "weight": 1, "version": 1, **fields}


def saved(name: str, version_before: int) -> dict[str, object]:
    return {"id_": 1, "name": name, "version_before": version_before}


@pytest.fixture(autouse=True)
async def toy_things(session: asyncpg.Connection) -> None:
    """A table whose constraints can be violated."""
    await session.execute(
        "CREATE TABLE toy_things (id bigint PRIMARY KEY, name text CONSTRAINT toy_things_name_key UNIQUE, "
        "weight int CONSTRAINT toy_things_weight_check CHECK (weight > 0), version bigint)"
    )


async def rows(session: asyncpg.Connection) -> dict[str, int]:
    """How many each table has."""
    return {table: await session.fetchval(f"SELECT count(*) FROM {table}") for table in NO_ROWS}


# All


async def test_change_key_and_events_are_one_statement_and_one_transaction(
    database: Database, session: asyncpg.Connection
) -> None:
    sent: list[str] = []
    work = PostgresUnit(recording(database, sent))
    work.write(ADD, thing())
    work.emit(event(1), event(2))
    await work.commit(REPLY, KEY)
    assert len(sent) == 1
    transactions = await session.fetch(
        "SELECT xmin::text FROM toy_things UNION SELECT xmin::text FROM idempotency_keys "
        "UNION SELECT xmin::text FROM outbox"
    )
    assert len(transactions) == 1
    assert await rows(session) == {"toy_things": 1, "idempotency_keys": 1, "outbox": 2}


def recording(database: Database, sent: list[str]) -> Database:
    """The database, with a note of every text that a unit sends."""
    send = database.fetch_text

    async def fetch_text(text: str, arguments: Any = ()) -> Any:
        sent.append(text)
        return await send(text, arguments)

    database.fetch_text = fetch_text  # type: ignore[method-assign]
    return database


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("events", [0, 1, 3])
@pytest.mark.parametrize("change", [True, False])
async def test_every_part_may_be_left_out(
    database: Database, session: asyncpg.Connection, change: bool, events: int, keyed: bool
) -> None:
    work = PostgresUnit(database)
    if change:
        work.write(ADD, thing())
    work.emit(*(event(version) for version in range(1, events + 1)))
    await work.commit(REPLY, KEY if keyed else None)
    assert await rows(session) == {"toy_things": int(change), "idempotency_keys": int(keyed), "outbox": events}


async def test_nothing_to_write_sends_no_statement() -> None:
    work = PostgresUnit(Database("postgresql://nobody@127.0.0.1:1/nothing"))
    await work.commit(REPLY, None)


@pytest.mark.parametrize(("change", "values"), [(SAVE, saved("new", 1)), (REMOVE, {"id": 1})])
async def test_updates_and_deletions_are_changes_too(
    database: Database, session: asyncpg.Connection, change: Any, values: dict[str, object]
) -> None:
    await session.execute("INSERT INTO toy_things VALUES (1, 'old', 1, 1)")
    work = PostgresUnit(database)
    work.write(change, values)
    work.emit(event(2))
    await work.commit(REPLY, None)
    assert (await rows(session))["outbox"] == 1
    assert await session.fetchval("SELECT count(*) FROM toy_things WHERE name = 'old'") == 0


async def test_a_statement_of_one_shape_is_composed_once(database: Database) -> None:
    sent: list[str] = []
    recording(database, sent)
    for number in (1, 2):
        work = PostgresUnit(database)
        work.write(ADD, thing(number))
        work.emit(event(thing=number))
        await work.commit(REPLY, Key("", "POST /toy_things", f"k{number}", b"f"))
    assert sent[0] is sent[1]


def test_statements_made_for_one_use_are_not_kept_for_ever() -> None:
    for cached in (unit._compiled, unit._compose):
        assert cached.cache_info().maxsize is not None


def test_a_unit_writes_one_row() -> None:
    work = PostgresUnit(Database("postgresql://nobody@127.0.0.1:1/nothing"))
    work.write(ADD, thing(1))
    with pytest.raises(RuntimeError, match="one row"):
        work.write(ADD, thing(2))


# Nothing


def full_unit(database: Database, violations: Any = None, **fields: Any) -> PostgresUnit:
    """A unit with a change and two events."""
    work = PostgresUnit(database)
    work.write(ADD, thing(**fields), violations)
    work.emit(event(1), event(2))
    return work


async def test_a_violation_in_the_change_leaves_nothing(database: Database, session: asyncpg.Connection) -> None:
    work = full_unit(database, weight=-1)
    with pytest.raises(asyncpg.CheckViolationError):
        await work.commit(REPLY, KEY)
    assert await rows(session) == NO_ROWS


async def test_a_taken_key_leaves_nothing(database: Database, session: asyncpg.Connection) -> None:
    await PostgresUnit(database).commit(REPLY, KEY)
    work = full_unit(database)
    with pytest.raises(KeyTaken):
        await work.commit(REPLY, KEY)
    assert await rows(session) == {**NO_ROWS, "idempotency_keys": 1}


async def test_a_violation_in_the_events_leaves_nothing(database: Database, session: asyncpg.Connection) -> None:
    work = full_unit(database)
    work.emit(work.events[0])  # the same id once more
    with pytest.raises(asyncpg.UniqueViolationError) as raised:
        await work.commit(REPLY, KEY)
    assert raised.value.constraint_name == "outbox_pkey"
    assert await rows(session) == NO_ROWS


async def test_an_event_that_cannot_be_written_leaves_nothing(database: Database, session: asyncpg.Connection) -> None:
    for payload, error in (({"x": {1, 2}}, TypeError), ({"x": "\0"}, asyncpg.UntranslatableCharacterError)):
        work = full_unit(database)
        work.emit(ThingEvent(aggregate_id="1", aggregate_version=3, data=payload))
        with pytest.raises(error):
            await work.commit(REPLY, KEY)
    assert await rows(session) == NO_ROWS


@pytest.mark.parametrize("keyed", [True, False])
async def test_a_change_that_meets_no_row_is_a_lost_race_and_leaves_nothing(
    database: Database, session: asyncpg.Connection, keyed: bool
) -> None:
    await session.execute("INSERT INTO toy_things VALUES (1, 'old', 1, 7)")
    work = PostgresUnit(database)
    work.write(SAVE, saved("new", 6))
    work.emit(event(7))
    with pytest.raises(LostRace):
        await work.commit(REPLY, KEY if keyed else None)
    assert await rows(session) == {**NO_ROWS, "toy_things": 1}


# Violations


async def test_a_violated_constraint_is_the_error_that_its_name_stands_for(
    database: Database, session: asyncpg.Connection
) -> None:
    await session.execute("INSERT INTO toy_things VALUES (7, 'taken', 1, 1)")

    async def name_taken(_: Exception) -> NameTaken:
        return NameTaken(by=await database.fetch_text("SELECT id FROM toy_things WHERE name = 'taken'"))

    work = full_unit(database, {"toy_things_name_key": name_taken}, name="taken")
    with pytest.raises(NameTaken) as raised:
        await work.commit(REPLY, KEY)
    assert raised.value.details == {"by": 7}
    assert isinstance(raised.value.__cause__, asyncpg.UniqueViolationError)


async def test_a_violation_that_nobody_has_named_comes_through(database: Database) -> None:
    async def name_taken(_: Exception) -> NameTaken:
        pytest.fail("another constraint was violated")

    work = full_unit(database, {"toy_things_name_key": name_taken}, weight=0)
    with pytest.raises(asyncpg.CheckViolationError):
        await work.commit(REPLY, KEY)


# Keys


async def test_the_first_answer_is_kept_as_it_was(database: Database) -> None:
    for number, reply in enumerate((REPLY, Reply(204, b""), Reply(200, bytes(range(256)), '"9223372036854775807"'))):
        key = Key("tenant", "POST /toy_things", f"k{number}", b"f")
        await PostgresUnit(database).commit(reply, key)
        assert await PostgresUnit(database).first(key) == reply


async def test_a_key_counts_in_its_scope(database: Database) -> None:
    others = [
        Key("other", KEY.scope, KEY.value, KEY.fingerprint),
        Key(KEY.tenant, "POST /others", KEY.value, KEY.fingerprint),
        Key(KEY.tenant, KEY.scope, "K", KEY.fingerprint),
    ]
    await PostgresUnit(database).commit(REPLY, KEY)
    for key in others:
        assert await PostgresUnit(database).first(key) is None
        await PostgresUnit(database).commit(REPLY, key)


async def test_a_key_with_another_fingerprint_is_a_reuse(database: Database) -> None:
    await PostgresUnit(database).commit(REPLY, KEY)
    with pytest.raises(IdempotencyKeyReused):
        await PostgresUnit(database).first(Key(KEY.tenant, KEY.scope, KEY.value, b"another"))


async def test_a_key_whose_first_use_does_not_end_is_a_request_in_progress(
    database: Database, session: asyncpg.Connection, waiting: Callable[..., Awaitable[None]]
) -> None:
    async with session.transaction():
        await session.execute("INSERT INTO idempotency_keys VALUES ('', 'POST /toy_things', 'k', '', 201, '')")
        retry = asyncio.create_task(full_unit(database).commit(REPLY, KEY))
        await waiting()
        with pytest.raises(RequestInProgress):
            await retry
    assert await rows(session) == {**NO_ROWS, "idempotency_keys": 1}


@pytest.mark.parametrize(("ends", "error"), [("COMMIT", KeyTaken), ("ROLLBACK", None)])
async def test_a_key_whose_first_use_ends_meanwhile_is_taken_or_free(
    database: Database,
    session: asyncpg.Connection,
    waiting: Callable[..., Awaitable[None]],
    ends: str,
    error: type[Exception] | None,
) -> None:
    await session.execute("BEGIN")
    await session.execute("INSERT INTO idempotency_keys VALUES ('', 'POST /toy_things', 'k', '', 201, '')")
    retry = asyncio.create_task(full_unit(database).commit(REPLY, KEY))
    await waiting()
    await session.execute(ends)
    end = (await asyncio.gather(retry, return_exceptions=True))[0]
    assert isinstance(end, error) if error else end is None


@pytest.mark.parametrize(
    "lock",
    [
        "INSERT INTO toy_things VALUES (1)",  # a row of the same id that is not committed
        "LOCK TABLE toy_things",
        "LOCK TABLE outbox",
        "LOCK TABLE idempotency_keys",  # the whole table: a migration, not the first use of the key
    ],
)
async def test_any_other_lock_is_unavailable(database: Database, session: asyncpg.Connection, lock: str) -> None:
    work = full_unit(database)
    transaction = session.transaction()
    await transaction.start()
    await session.execute(lock)
    with pytest.raises(Unavailable):
        await work.commit(REPLY, KEY)
    await transaction.rollback()
    assert await rows(session) == NO_ROWS
