"""SQLite's unit of work: change and key in one transaction, on one connection that outlives its callers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.errors import Conflict
from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, KeyTaken, LostRace, Reply
from mainstay.kernel.db import sqlite
from mainstay.kernel.db.models import IdempotencyKey
from mainstay.kernel.db.sqlite import SqliteStore, SqliteUnit

THINGS = Table(
    "things",
    MetaData(),
    Column("id", Integer, nullable=False),
    Column("name", Text, unique=True),
    Column("version", Integer),
)
ADD = insert(THINGS).values({name: bindparam(name) for name in ("id", "name", "version")})
SAVE = (
    update(THINGS)
    .where(THINGS.c.id == bindparam("id_"), THINGS.c.version == bindparam("version_before"))
    .values(name=bindparam("name_"), version=bindparam("version_before") + 1)
)
REMOVE = delete(THINGS).where(THINGS.c.id == bindparam("id_"))

KEEP_KEYS = 60
REPLY = Reply(201, b'{"id":1}\x00\xff', '"1"', "/things/1")
KEY = Key(tenant="", scope="POST /things", value="k", fingerprint=b"f")
NOTHING: list[str] = []


class NameTaken(Conflict):
    """Another thing has this name."""


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    """A store with a table whose constraints can be violated."""
    async with SqliteStore(keep_keys=KEEP_KEYS) as store:
        await store.run(THINGS.create)
        yield store


def adding(store: SqliteStore, number: int = 1, name: str | None = "thing", violations: Any = None) -> SqliteUnit:
    """A unit that is to add a thing."""
    unit = SqliteUnit(store)
    unit.write(ADD, {"id": number, "name": name, "version": 1}, violations)
    return unit


def saving(store: SqliteStore, name: str, version_before: int) -> SqliteUnit:
    """A unit that is to rename thing 1."""
    unit = SqliteUnit(store)
    unit.write(SAVE, {"id_": 1, "name_": name, "version_before": version_before})
    return unit


async def names(store: SqliteStore) -> list[str]:
    """Of the things that are there, in the order of their ids."""
    found = select(THINGS.c.name).order_by(THINGS.c.id)
    return list(await store.run(lambda connection: connection.execute(found).scalars().all()))


async def keys(store: SqliteStore) -> int:
    """How many are kept."""
    counted = select(func.count()).select_from(IdempotencyKey)
    return await store.run(lambda connection: connection.execute(counted).scalar_one())


# The store


async def test_what_a_work_returns_is_what_its_caller_gets(store: SqliteStore) -> None:
    assert await store.run(lambda _: 7) == 7


async def test_a_work_that_fails_leaves_nothing(store: SqliteStore) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(ADD, {"id": 1, "name": "thing", "version": 1})
        raise LostRace

    with pytest.raises(LostRace):
        await store.run(fail)
    assert await names(store) == NOTHING


async def test_the_data_outlives_a_work_that_failed(store: SqliteStore) -> None:
    await adding(store).commit(REPLY, KEY)
    with pytest.raises(ZeroDivisionError):
        await store.run(lambda _: 1 // 0)
    assert (await names(store), await keys(store)) == (["thing"], 1)


async def test_two_stores_know_nothing_of_each_other(store: SqliteStore) -> None:
    await adding(store).commit(REPLY, KEY)
    async with SqliteStore(keep_keys=KEEP_KEYS) as other:
        await other.run(THINGS.create)
        assert (await names(other), await keys(other)) == (NOTHING, 0)


async def test_a_work_is_not_interrupted_by_another(store: SqliteStore) -> None:
    """Each statement gives way to whoever waits, who would see what is half done."""

    def twice(connection: Connection) -> None:
        for number in (1, 2):
            connection.execute(ADD, {"id": number, "name": str(number), "version": 1})

    seen = await asyncio.gather(store.run(twice), *(names(store) for _ in range(10)))
    assert seen[1:] == [["1", "2"]] * 10


async def test_a_caller_that_is_cancelled_loses_nobody_any_data(store: SqliteStore) -> None:
    await adding(store).commit(REPLY, KEY)
    begun = asyncio.Event()

    def add(connection: Connection) -> None:
        begun.set()
        connection.execute(ADD, {"id": 2, "name": "its own", "version": 1})

    caller = asyncio.create_task(store.run(add))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (await names(store), await keys(store)) == (["thing", "its own"], 1)


async def test_a_caller_that_is_cancelled_while_it_waits_for_its_turn_keeps_nobody_waiting(store: SqliteStore) -> None:
    callers = [asyncio.create_task(adding(store, number, str(number)).commit(REPLY, None)) for number in range(4)]
    await asyncio.sleep(0)
    for caller in callers[1:3]:
        caller.cancel()
    ended = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(end) for end in ended] == [type(None), asyncio.CancelledError, asyncio.CancelledError, type(None)]
    async with asyncio.timeout(10):
        assert {"0", "3"} <= set(await names(store))


# The unit


async def test_nothing_is_written_before_the_commit(store: SqliteStore) -> None:
    unit = adding(store)
    assert await names(store) == NOTHING
    await unit.commit(REPLY, KEY)
    assert await names(store) == ["thing"]


@pytest.mark.parametrize("key", [None, KEY])
async def test_a_unit_may_have_nothing_to_write_but_its_key(store: SqliteStore, key: Key | None) -> None:
    await SqliteUnit(store).commit(REPLY, key)
    assert await SqliteUnit(store).first(KEY) == (REPLY if key else None)


@pytest.mark.parametrize("second", [ADD, REMOVE])
async def test_a_unit_writes_one_row(store: SqliteStore, second: Any) -> None:
    unit = adding(store)
    with pytest.raises(RuntimeError, match="one row"):
        unit.write(second, {"id": 2, "id_": 1, "name": "other", "version": 1})
    await unit.commit(REPLY, None)
    assert await names(store) == ["thing"]


@pytest.mark.parametrize("version_before", [0, 2])
async def test_a_change_that_meets_no_row_is_a_lost_race_and_leaves_nothing(
    store: SqliteStore, version_before: int
) -> None:
    await adding(store).commit(REPLY, None)
    with pytest.raises(LostRace):
        await saving(store, "late", version_before).commit(REPLY, KEY)
    assert (await names(store), await keys(store)) == (["thing"], 0)


async def test_of_units_that_save_one_version_at_once_one_wins(store: SqliteStore) -> None:
    await adding(store).commit(REPLY, None)
    units = [saving(store, str(number), 1) for number in range(10)]
    ended = await asyncio.gather(*(unit.commit(REPLY, None) for unit in units), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ended) == ["LostRace"] * 9 + ["NoneType"]
    assert await names(store) == [str(ended.index(None))]


async def test_units_that_add_at_once_all_get_through(store: SqliteStore) -> None:
    units = [adding(store, number, str(number)) for number in range(10)]
    await asyncio.gather(*(unit.commit(REPLY, replace(KEY, value=str(n))) for n, unit in enumerate(units)))
    assert (await names(store), await keys(store)) == ([str(number) for number in range(10)], 10)


# Keys


async def test_a_taken_key_leaves_nothing(store: SqliteStore) -> None:
    await SqliteUnit(store).commit(REPLY, KEY)
    with pytest.raises(KeyTaken):
        await adding(store).commit(Reply(201, b"other"), KEY)
    assert await names(store) == NOTHING
    assert await SqliteUnit(store).first(KEY) == REPLY


async def test_a_taken_key_is_no_violation_that_a_repository_has_named(store: SqliteStore) -> None:
    await SqliteUnit(store).commit(REPLY, KEY)
    with pytest.raises(KeyTaken):
        await adding(store, violations={"things_name_key": unexpected}).commit(REPLY, KEY)


async def test_of_units_that_use_one_key_at_once_one_wins(store: SqliteStore) -> None:
    units = [adding(store, number, str(number)) for number in range(10)]
    commits = [unit.commit(Reply(201, b"%d" % number), KEY) for number, unit in enumerate(units)]
    ended = await asyncio.gather(*commits, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ended) == ["KeyTaken"] * 9 + ["NoneType"]
    winner = str(ended.index(None))
    assert await names(store) == [winner]
    assert await SqliteUnit(store).first(KEY) == Reply(201, winner.encode())


async def test_a_key_with_another_body_is_a_reuse(store: SqliteStore) -> None:
    await SqliteUnit(store).commit(REPLY, KEY)
    with pytest.raises(IdempotencyKeyReused):
        await SqliteUnit(store).first(replace(KEY, fingerprint=b"another"))


async def test_a_key_is_kept_for_its_time_and_then_free_and_forgotten(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = now()
    other = replace(KEY, value="other")
    await SqliteUnit(store).commit(REPLY, KEY)
    monkeypatch.setattr(sqlite, "now", lambda: begin + timedelta(seconds=KEEP_KEYS))
    with pytest.raises(KeyTaken):
        await SqliteUnit(store).commit(REPLY, KEY)
    monkeypatch.setattr(sqlite, "now", lambda: begin + timedelta(seconds=KEEP_KEYS + 10))
    await SqliteUnit(store).commit(REPLY, other)
    assert await keys(store) == 1
    await adding(store).commit(Reply(200, b"again"), KEY)
    assert await SqliteUnit(store).first(KEY) == Reply(200, b"again")


async def test_a_key_whose_time_is_over_has_no_answer_and_no_body(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before another key has swept it out: a title that is taken makes the route ask for its answer."""
    begin = now()
    await SqliteUnit(store).commit(REPLY, KEY)
    monkeypatch.setattr(sqlite, "now", lambda: begin + timedelta(seconds=KEEP_KEYS - 10))
    assert await SqliteUnit(store).first(KEY) == REPLY
    monkeypatch.setattr(sqlite, "now", lambda: begin + timedelta(seconds=KEEP_KEYS + 10))
    assert await SqliteUnit(store).first(KEY) is None
    assert await SqliteUnit(store).first(replace(KEY, fingerprint=b"another")) is None


# Violations


async def unexpected(_: Exception) -> NameTaken:
    pytest.fail("another constraint was violated, or none that has a name")


async def test_a_violated_constraint_is_the_error_that_it_stands_for_and_leaves_nothing(store: SqliteStore) -> None:
    await adding(store, 7, "taken").commit(REPLY, None)
    given: list[Exception] = []

    async def name_taken(error: Exception) -> NameTaken:
        given.append(error)
        return NameTaken(all=await names(store))  # the store can be asked: the transaction is over

    with pytest.raises(NameTaken) as raised:
        await adding(store, 8, "taken", {"things_name_key": name_taken}).commit(REPLY, KEY)
    assert raised.value.details == {"all": ["taken"]}
    assert [str(error) for error in given] == ["UNIQUE constraint failed: things.name"]  # the driver's own
    assert isinstance(raised.value.__cause__, IntegrityError)
    assert (await names(store), await keys(store)) == (["taken"], 0)


async def test_a_violation_may_turn_out_to_be_a_lost_race(store: SqliteStore) -> None:
    await adding(store, 7, "taken").commit(REPLY, None)

    async def gone(_: Exception) -> NameTaken:
        raise LostRace

    with pytest.raises(LostRace):
        await adding(store, 8, "taken", {"things_name_key": gone}).commit(REPLY, KEY)


@pytest.mark.parametrize("violations", [None, {"one": unexpected, "other": unexpected}])
async def test_a_violation_that_nobody_has_named_comes_through(store: SqliteStore, violations: Any) -> None:
    """Two named are as good as none: SQLite does not say which of them it is."""
    await adding(store, 7, "taken").commit(REPLY, None)
    with pytest.raises(IntegrityError, match=r"UNIQUE constraint failed: things\.name"):
        await adding(store, 8, "taken", violations).commit(REPLY, KEY)
    assert (await names(store), await keys(store)) == (["taken"], 0)


async def test_a_violation_of_another_kind_comes_through(store: SqliteStore) -> None:
    unit = SqliteUnit(store)
    unit.write(ADD, {"id": None, "name": "thing", "version": 1}, {"things_name_key": unexpected})
    with pytest.raises(IntegrityError, match=r"NOT NULL constraint failed: things\.id"):
        await unit.commit(REPLY, KEY)
    assert (await names(store), await keys(store)) == (NOTHING, 0)


async def test_the_text_of_an_error_does_not_hold_what_callers_sent(store: SqliteStore) -> None:
    await adding(store, 7, "hunter2").commit(REPLY, None)
    with pytest.raises(IntegrityError) as raised:
        await adding(store, 8, "hunter2").commit(REPLY, None)
    assert "hunter2" not in str(raised.value)
