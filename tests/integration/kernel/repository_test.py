"""Repositories of entities: what they read and write, with and without tenants."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import DateTime, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mainstay.kernel.core.entity import Entity
from mainstay.kernel.core.errors import Conflict, NotFound
from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.page import Item
from mainstay.kernel.core.unit import LostRace, Reply
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.repository import EntityRepository, Table
from mainstay.kernel.db.unit import PostgresUnit

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
LATER = AT + timedelta(seconds=1)
COLUMNS = "id uuid, name text, version bigint, created_at timestamptz, updated_at timestamptz"


class Base(DeclarativeBase):
    """Beside the program's tables: these are in no migration."""

    metadata = MetaData()
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy reads it from the class


class CupRow(Base):
    __tablename__ = "toy_cups"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class GuestCupRow(Base):
    __tablename__ = "toy_guest_cups"

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Cup(Entity):
    id: UUID
    name: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class GuestCup(Entity):
    id: UUID
    tenant_id: str
    name: str
    version: int
    created_at: datetime
    updated_at: datetime


class CupNotFound(NotFound):
    """There is no such cup."""


class CupTaken(Conflict):
    """There is a cup with this name."""


class CupRepository(EntityRepository[Cup]):
    table = Table(CupRow, Cup)
    not_found = CupNotFound
    conflicts = (("toy_cups_name_key", CupTaken),)


class GuestCupRepository(EntityRepository[GuestCup]):
    table = Table(GuestCupRow, GuestCup)
    not_found = CupNotFound


@pytest.fixture
async def cups(database: Database, session: asyncpg.Connection) -> Database:
    """A database with cups."""
    await session.execute(
        f"CREATE TABLE toy_cups ({COLUMNS}, PRIMARY KEY (id), CONSTRAINT toy_cups_name_key UNIQUE (name))"
    )
    await session.execute(f"CREATE TABLE toy_guest_cups (tenant_id text, {COLUMNS}, PRIMARY KEY (tenant_id, id))")
    return database


async def commit(unit: PostgresUnit) -> None:
    await unit.commit(Reply(200, b""), None)


async def added(database: Database, name: str) -> Cup:
    unit = PostgresUnit(database)
    cups = CupRepository(database, unit)
    cup = Cup.create(await cups.next_id(), {"name": name}, AT)
    cups.add(cup)
    await commit(unit)
    return cup


async def added_for(database: Database, tenant_id: str) -> GuestCup:
    unit = PostgresUnit(database)
    cups = GuestCupRepository(database, unit)
    cup = GuestCup.create(await cups.next_id(), {"name": "blue", "tenant_id": tenant_id}, AT)
    cups.add(cup)
    await commit(unit)
    return cup


def reading(database: Database) -> CupRepository:
    return CupRepository(database, PostgresUnit(database))


async def test_what_was_added_is_read_as_it_was(cups: Database) -> None:
    cup = await added(cups, "blue")
    assert await reading(cups).get(cup.id) == cup


async def test_what_was_not_added_is_not_found(cups: Database) -> None:
    nobodys = uuid7()
    with pytest.raises(CupNotFound) as raised:
        await reading(cups).get(nobodys)
    assert raised.value.details == {"id": nobodys}


async def test_each_id_is_another_and_sorts_behind_those_before(cups: Database) -> None:
    ids = [await reading(cups).next_id() for _ in range(10)]
    assert len(set(ids)) == 10
    assert ids[0] < ids[-1]


async def test_the_next_version_is_written_over_the_one_before(cups: Database) -> None:
    cup = (await added(cups, "blue")).change({"name": "red"}, LATER)
    unit = PostgresUnit(cups)
    CupRepository(cups, unit).save(cup)
    await commit(unit)
    assert await reading(cups).get(cup.id) == cup


@pytest.mark.parametrize("write", ["save", "remove"])
async def test_a_write_to_a_version_that_is_not_there_is_a_lost_race(cups: Database, write: str) -> None:
    cup = await added(cups, "blue")
    unit = PostgresUnit(cups)
    getattr(CupRepository(cups, unit), write)(cup.change({}, LATER).change({"name": "red"}, LATER))
    with pytest.raises(LostRace):
        await commit(unit)
    assert await reading(cups).get(cup.id) == cup


async def test_what_was_removed_is_gone(cups: Database) -> None:
    cup, other = await added(cups, "blue"), await added(cups, "red")
    unit = PostgresUnit(cups)
    CupRepository(cups, unit).remove(cup)
    await commit(unit)
    with pytest.raises(CupNotFound):
        await reading(cups).get(cup.id)
    assert await reading(cups).get(other.id) == other


@pytest.mark.parametrize("write", ["add", "save"])
async def test_a_value_that_is_there_once_is_the_conflict_that_its_constraint_stands_for(
    cups: Database, write: str
) -> None:
    cup, other = await added(cups, "blue"), await added(cups, "red")
    unit = PostgresUnit(cups)
    repository = CupRepository(cups, unit)
    if write == "add":
        repository.add(Cup.create(uuid7(), {"name": "blue"}, AT))
    else:
        repository.save(other.change({"name": "blue"}, LATER))
    with pytest.raises(CupTaken):
        await commit(unit)
    assert await reading(cups).get(cup.id) == cup
    assert await reading(cups).get(other.id) == other


async def test_pages_are_the_newest_first_and_each_cup_is_on_one(cups: Database) -> None:
    made = [await added(cups, f"cup {number}") for number in range(5)]
    found: list[Item] = []
    before = None
    for length in (2, 2, 1):
        page = await reading(cups).newest(before=before, limit=2)
        assert len(page.items) == length
        found += page.items
        before = page.next[0] if page.next else None
    assert before is None
    assert found == [cup.told() for cup in reversed(made)]


@pytest.mark.parametrize(("limit", "more"), [(2, False), (1, True), (3, False)])
async def test_a_page_knows_whether_there_is_one_after_it(cups: Database, limit: int, more: bool) -> None:
    for name in ("blue", "red"):
        await added(cups, name)
    page = await reading(cups).newest(before=None, limit=limit)
    assert (page.next is not None) is more


async def test_a_tenants_cup_is_there_for_the_tenant_alone(cups: Database) -> None:
    cup, theirs = await added_for(cups, "tenant-1"), await added_for(cups, "tenant-2")
    repository = GuestCupRepository(cups, PostgresUnit(cups))
    assert await repository.get(("tenant-1", cup.id)) == cup
    for key in (("tenant-2", cup.id), ("tenant-1", theirs.id), ("", cup.id)):
        with pytest.raises(CupNotFound) as raised:
            await repository.get(key)
        assert raised.value.details == {"id": key[1]}
    for tenant_id, expected in (("tenant-1", [cup.told()]), ("tenant-2", [theirs.told()]), ("tenant-3", [])):
        assert (await repository.newest(before=None, limit=9, tenant_id=tenant_id)).items == expected


@pytest.mark.parametrize("write", ["save", "remove"])
async def test_nothing_is_written_to_another_tenants_cup(cups: Database, write: str) -> None:
    theirs = await added_for(cups, "tenant-2")
    unit = PostgresUnit(cups)
    pretended = {**theirs.told(), "tenant_id": "tenant-1", "version": 2 if write == "save" else 1}
    getattr(GuestCupRepository(cups, unit), write)(GuestCup(**pretended))
    with pytest.raises(LostRace):
        await commit(unit)
    assert await GuestCupRepository(cups, PostgresUnit(cups)).get(("tenant-2", theirs.id)) == theirs
