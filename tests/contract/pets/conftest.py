"""The storages of pets, each held to the same suite. Another one joins with a line in STORAGES."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.core.unit import Key, Reply
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.http.storage import Storage, postgres_storage
from mainstay.services.pets.dependencies import memory_storage
from mainstay.services.pets.domain import Pet, PetCreated
from mainstay.services.pets.postgres import PostgresPetRepository
from mainstay.services.pets.repository import PetQuery, PetRepository

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
CREATED = Reply(201, b"")
EMPTY = (
    "DELETE FROM pets",
    "DELETE FROM idempotency_keys",
    "DELETE FROM outbox",
    "SELECT setval('pets_id_seq', 1, false)",
)
PATIENT = Timeouts(pool_wait=30, lock=30, statement=30)
"""What is late on a busy machine is not wrong."""


async def execute(url: str, *statements: str) -> None:
    """Run statements, each its own transaction, on a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def kept_database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """One database for all these tests: to empty it takes a hundredth of the time that a new one takes."""
    with copied_database() as url:
        yield url


@pytest.fixture
def database_url(kept_database_url: str) -> str:
    """A migrated database without a row."""
    asyncio.run(execute(kept_database_url, *EMPTY))
    return kept_database_url


class Pets:
    """The repository as a service uses it: each write in a unit of work of its own."""

    def __init__(self, storage: Storage[PetRepository]) -> None:
        self._storage = storage

    @property
    def repository(self) -> PetRepository:
        """For reads."""
        return self._storage()[0]

    async def new(self, **fields: Any) -> Pet:
        """A pet with an id of its own, not stored yet."""
        made = Pet(0, "Mittens", "cat", None, "available", 1, AT, AT)
        return replace(made, id=await self.repository.next_id(), **fields)

    async def stored(self, **fields: Any) -> Pet:
        """A pet that is stored."""
        pet = await self.new(**fields)
        await self.add(pet)
        return pet

    async def named(self, *names: str) -> list[Pet]:
        """Pets of these names, stored in this order."""
        return [await self.stored(name=name) for name in names]

    async def add(self, pet: Pet, key: Key | None = None, reply: Reply = CREATED) -> None:
        """Commit the first version, with the event that a service tells of it."""
        repository, unit = self._storage()
        repository.add(pet)
        unit.emit(PetCreated.of(pet))
        await unit.commit(reply, key)

    async def save(self, pet: Pet, key: Key | None = None) -> None:
        """Commit the next version."""
        repository, unit = self._storage()
        repository.save(pet)
        await unit.commit(Reply(200, b""), key)

    async def remove(self, pet: Pet, key: Key | None = None) -> None:
        """Commit the removal."""
        repository, unit = self._storage()
        repository.remove(pet)
        await unit.commit(Reply(204, b""), key)

    async def write_twice(self, pet: Pet) -> None:
        """Give one unit two writes."""
        repository, _ = self._storage()
        repository.add(pet)
        repository.remove(pet)

    async def first(self, key: Key) -> Reply | None:
        """What the key's first use was answered."""
        return await self._storage()[1].first(key)

    async def page(self, limit: int = 50, offset: int = 0, **query: Any) -> Page[Item]:
        """A page of pets."""
        return await self.repository.find(PetQuery(limit=limit, offset=offset, **query))

    async def ids(self, **query: Any) -> list[int]:
        """The ids on a page."""
        return [pet["id"] for pet in (await self.page(**query)).items]


Open = Callable[[], AbstractAsyncContextManager[Pets]]
"""Opens the same pets once more, for a thread with an event loop of its own."""


def postgres(request: pytest.FixtureRequest) -> Open:
    """Each opening has connections of its own: they belong to an event loop."""
    url = request.getfixturevalue("database_url")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Pets]:
        async with Database(url, pool_min=1, pool_max=2, timeouts=PATIENT) as database:
            yield Pets(postgres_storage(PostgresPetRepository, database))

    return opened


def memory(_: pytest.FixtureRequest) -> Open:
    """Every opening is of one store."""
    pets = Pets(memory_storage(keep_keys=3600))

    @asynccontextmanager
    async def opened() -> AsyncIterator[Pets]:
        yield pets

    return opened


STORAGES = [postgres, memory]


@pytest.fixture(params=STORAGES, ids=lambda storage: storage.__name__)
def opened(request: pytest.FixtureRequest) -> Open:
    """Each storage in turn."""
    found: Open = request.param(request)
    return found


@pytest.fixture
async def pets(opened: Open) -> AsyncIterator[Pets]:
    """No pet yet."""
    async with opened() as pets:
        yield pets
