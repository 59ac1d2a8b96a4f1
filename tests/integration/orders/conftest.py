"""The program with orders alone: started once for all tests, emptied before each; callers of several tenants."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from mainstay.app import create_app
from mainstay.kernel.core.ids import uuid7
from mainstay.services.orders.domain import Order
from mainstay.settings import Settings, load_settings
from tests.conftest import client_of

EMPTY = "DELETE FROM orders; DELETE FROM idempotency_keys; DELETE FROM outbox"
OUTBOX = """
    SELECT type, aggregatetype, aggregateid, aggregateversion, payload, request_id, traceparent, tenant_id,
        xmin::text AS written_by
    FROM outbox ORDER BY seq"""
PATIENT = {"db_pool_timeout": 30, "db_lock_timeout": 30, "db_statement_timeout": 30}
"""What is late on a busy machine is not wrong."""


class Program:
    """The program, and a connection of our own to its database."""

    def __init__(self, app: FastAPI, connection: asyncpg.Connection) -> None:
        self.app = app
        self.connection = connection

    async def outbox(self) -> list[dict[str, Any]]:
        """The events that were committed, in the order of their sequence."""
        return await self.rows(OUTBOX)

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """What is committed, as PostgreSQL itself sees it."""
        return [dict(row) for row in await self.connection.fetch(query)]

    async def written(self) -> list[int]:
        """How many orders, keys and events there are."""
        tables = ("orders", "idempotency_keys", "outbox")
        return [await self.connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]

    async def put(
        self, created_at: Sequence[datetime], *, tenant: str = "tenant-1", status: str = "draft"
    ) -> list[UUID]:
        """Drafts made at these times, or what looks like orders of another status; their ids, in the same order."""
        ids = [uuid7() for _ in created_at]
        rows = [
            (order_id, tenant, status, None, 1, at, at, None, None)
            for order_id, at in zip(ids, created_at, strict=True)
        ]
        await self.connection.copy_records_to_table("orders", records=rows, columns=Order.__slots__)
        return ids


@pytest.fixture(scope="session")
def kept_database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """One database for all these tests: to empty it takes a hundredth of the time that a new one takes."""
    with copied_database() as url:
        yield url


@pytest.fixture(scope="session")
def kept_settings(kept_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of the one program."""
    return load_settings(
        app_env="test",
        services="orders",
        database_url=kept_database_url,
        data_dir=tmp_path_factory.mktemp("data"),
        migrate_on_start=False,
        relay=False,  # it numbers events, and who looks at the outbox would see that
        **PATIENT,
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept_program(kept_settings: Settings, kept_database_url: str) -> AsyncIterator[Program]:
    """The program, for all tests."""
    connection = await asyncpg.connect(kept_database_url)
    app = create_app(kept_settings)
    async with app.router.lifespan_context(app):
        yield Program(app, connection)
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def program(kept_program: Program) -> Program:
    """The program, without an order, a key, an event."""
    await kept_program.connection.execute(EMPTY)
    return kept_program


Calling = Callable[..., httpx.AsyncClient]


@pytest.fixture
def calling() -> Calling:
    """Makes callers of other programs than the one."""
    return client_of


@pytest_asyncio.fixture(loop_scope="session")
async def client(program: Program) -> AsyncIterator[httpx.AsyncClient]:
    """Calls for tenant-1."""
    async with client_of(program.app, **{"X-Tenant-Id": "tenant-1"}) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def other(program: Program) -> AsyncIterator[httpx.AsyncClient]:
    """Calls for tenant-2."""
    async with client_of(program.app, **{"X-Tenant-Id": "tenant-2"}) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def nobody(program: Program) -> AsyncIterator[httpx.AsyncClient]:
    """Calls without a tenant."""
    async with client_of(program.app) as client:
        yield client


async def checked(response: httpx.Response) -> dict[str, Any]:
    """The order of an answer that is none of an error."""
    assert response.is_success, response.text
    order: dict[str, Any] = response.json()
    return order


@pytest_asyncio.fixture(loop_scope="session")
async def draft(client: httpx.AsyncClient) -> dict[str, Any]:
    """A draft of tenant-1, as the program answered it."""
    return await checked(await client.post("/orders", headers={"Idempotency-Key": "draft"}))


@pytest_asyncio.fixture(loop_scope="session")
async def confirmed(client: httpx.AsyncClient, draft: dict[str, Any]) -> dict[str, Any]:
    """The same, confirmed."""
    address = f"/orders/{draft['id']}/confirm"
    return await checked(await client.patch(address, json={"totalCents": 5000}, headers={"If-Match": '"1"'}))


@pytest_asyncio.fixture(loop_scope="session")
async def closed(client: httpx.AsyncClient, confirmed: dict[str, Any]) -> dict[str, Any]:
    """The same, closed."""
    return await checked(await client.post(f"/orders/{confirmed['id']}/close"))


@pytest.fixture(scope="session")
def start() -> datetime:
    """A moment long ago, to put orders at."""
    return datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
