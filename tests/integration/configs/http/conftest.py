"""The program with configs alone: started once for all tests, emptied before each."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from mainstay.app import create_app
from mainstay.settings import load_settings

APPLICATIONS, CONFIGURATIONS = "/api/v1/applications", "/api/v1/configurations"
PATIENT = {"db_pool_timeout": 30, "db_lock_timeout": 30, "db_statement_timeout": 30}
"""What is late on a busy machine is not wrong."""


class Caller:
    """Calls the program without a socket."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def call(self, method: str, path: str, headers: Any = (), **content: Any) -> httpx.Response:
        """Any call."""
        return await self._client.request(method, path, headers=headers, **content)

    async def get(self, path: str, headers: Any = ()) -> httpx.Response:
        """GET."""
        return await self.call("GET", path, headers)

    async def application(self, name: str = "checkout", comments: str | None = None) -> dict[str, Any]:
        """A new application, as it was answered."""
        return await self.made(APPLICATIONS, {"name": name, "comments": comments})

    async def configuration(self, application: Any, name: str = "production", **config: Any) -> dict[str, Any]:
        """A new configuration, as it was answered."""
        return await self.made(
            CONFIGURATIONS, {"application_id": application["id"], "name": name, "comments": None, "config": config}
        )

    async def made(self, collection: str, body: Any) -> dict[str, Any]:
        """What POST has made of the body."""
        response = await self.call("POST", collection, json=body)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()
        return found

    async def tag(self, path: str) -> str:
        """The current tag."""
        return str((await self.get(path)).headers["etag"])


@pytest.fixture(scope="session")
def kept_database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """One database for all these tests."""
    with copied_database() as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept_app(kept_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """The program, for all tests."""
    settings = load_settings(
        app_env="test",
        services=("configs",),
        database_url=kept_database_url,
        data_dir=tmp_path_factory.mktemp("data"),
        migrate_on_start=False,
        relay=False,
        **PATIENT,
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(kept_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's session in the same database."""
    session = await asyncpg.connect(kept_database_url)
    yield session
    await session.close()


@pytest_asyncio.fixture(loop_scope="session")
async def app(kept_app: FastAPI, database: asyncpg.Connection) -> FastAPI:
    """The program, without a row."""
    await database.execute("DELETE FROM configurations; DELETE FROM applications")
    return kept_app


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


@pytest.fixture
def caller(client: httpx.AsyncClient) -> Caller:
    """Says what it wants in fewer words."""
    return Caller(client)
