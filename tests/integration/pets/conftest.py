"""The program with each storage of pets: started once for all tests, emptied before each."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from mainstay.app import create_app
from mainstay.services.pets.dependencies import memory_storage
from mainstay.settings import load_settings

EMPTY = (
    "DELETE FROM pets",
    "DELETE FROM idempotency_keys",
    "DELETE FROM outbox",
    "SELECT setval('pets_id_seq', 1, false)",
)
OUTBOX = """
    SELECT type, aggregatetype, aggregateid, aggregateversion, payload, request_id, traceparent, tenant_id
    FROM outbox ORDER BY seq"""
PATIENT = {"db_pool_timeout": 30, "db_lock_timeout": 30, "db_statement_timeout": 30}
"""What is late on a busy machine is not wrong."""


class Program:
    """The program, and a connection of our own to its database, where it has one."""

    def __init__(self, app: FastAPI, connection: asyncpg.Connection | None) -> None:
        self.app = app
        self._connection = connection

    async def empty(self) -> None:
        """Leave no pet, no key, no event; the next id is 1."""
        if self._connection is None:
            self.app.state.pets = memory_storage(keep_keys=3600)
            return
        for statement in EMPTY:
            await self._connection.execute(statement)

    async def outbox(self) -> list[dict[str, Any]]:
        """The events that were committed, in the order of their sequence."""
        assert self._connection is not None, "in memory there is no outbox"
        return [dict(row) for row in await self._connection.fetch(OUTBOX)]


@pytest.fixture(scope="session")
def kept_database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """One database for all these tests: to empty it takes a hundredth of the time that a new one takes."""
    with copied_database() as url:
        yield url


@pytest.fixture(scope="session", params=["postgres", "memory"])
def storage(request: pytest.FixtureRequest) -> str:
    """What PETS_STORAGE is."""
    return str(request.param)


@pytest.fixture(scope="session")
def storage_url(request: pytest.FixtureRequest, storage: str) -> str | None:
    """The database, where the storage is one."""
    return request.getfixturevalue("kept_database_url") if storage == "postgres" else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept_program(
    storage: str, storage_url: str | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Program]:
    """The program, for all tests of one storage."""
    settings = load_settings(
        app_env="test",
        database_url=storage_url,
        pets_storage=storage,
        data_dir=tmp_path_factory.mktemp("data"),
        migrate_on_start=False,
        relay=False,
        **PATIENT,
    )
    connection = storage_url and await asyncpg.connect(storage_url)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield Program(app, connection)
    if connection:
        await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def program(kept_program: Program) -> Program:
    """The program, without a pet."""
    await kept_program.empty()
    return kept_program


@pytest.fixture
def app(program: Program) -> FastAPI:
    """The same as the kernel's fixtures know it."""
    return program.app


async def plain_names(response: httpx.Response) -> None:
    """Without a server between, httpx meets header names that cannot be put into lower case, and finds none of them."""
    response.headers = httpx.Headers([(bytes(name), value) for name, value in response.headers.raw])


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the program without a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks = {"response": [plain_names]}
    async with httpx.AsyncClient(transport=transport, base_url="http://mainstay", event_hooks=hooks) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def mittens(client: httpx.AsyncClient) -> dict[str, Any]:
    """The first pet, /pets/1, as the program answered it."""
    fields = {"name": "Mittens", "species": "cat", "age_years": 2, "status": "pending"}
    response = await client.post("/pets", json=fields)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created
