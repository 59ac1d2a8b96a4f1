"""The service behind the kernel's application, called without a socket."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from mainstay.kernel.core.cursor import Cursors
from mainstay.kernel.core.keys import HmacKeys
from mainstay.kernel.db.engine import Database
from mainstay.kernel.http.application import create_application
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.services.users.dependencies import users_state
from mainstay.services.users.domain import UserEvent
from mainstay.services.users.passwords import Bcrypt, Passwords
from mainstay.services.users.routes import router

SECRET = b"s" * 32
PASSWORD = "correct-battery-horse"  # noqa: S105 - nobody's
ADA = {"email": "Ada@Example.com", "password": PASSWORD, "full_name": "Ada Lovelace"}

Who = dict[str, str]
"""The headers that say who calls."""
SignIn = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def kept_app(kept_database: Database) -> Iterator[FastAPI]:
    """The service alone, for all tests: to make it takes longer than most of them."""
    app = create_application(
        routers=[router],
        limits=Limits(max_body_bytes=100_000),
        access_log=AccessLog(json=True),
        show_cause=False,
        cors_origins=(),
        title="Users",
    )
    with users_state(kept_database, HmacKeys(SECRET), [SECRET], Passwords(Bcrypt(4), wait=30)) as state:
        app.state.users = lambda: state
        app.state.cursors = Cursors(SECRET)
        app.state.guard = state.guard({"users"})
        app.state.bus.subscribe(state.callers.hear, UserEvent)
        yield app


@pytest.fixture
def app(kept_app: FastAPI, database: Database) -> FastAPI:  # noqa: ARG001 - has been emptied
    """The service, without a user."""
    return kept_app


async def plain_names(response: httpx.Response) -> None:
    """Without a server between, httpx meets header names that cannot be put into lower case, and finds none of them."""
    response.headers = httpx.Headers([(bytes(name), value) for name, value in response.headers.raw])


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> Any:
    """Calls the program without a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks = {"response": [plain_names]}
    async with httpx.AsyncClient(transport=transport, base_url="http://mainstay", event_hooks=hooks) as client:
        yield client


def bearer(tokens: dict[str, Any]) -> Who:
    """The header for these tokens."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture
def sign_in(client: httpx.AsyncClient) -> SignIn:
    """Signs in, and gives the tokens."""

    async def sign_in(email: str = "ada@example.com", password: str = PASSWORD) -> dict[str, Any]:
        response = await client.post("/api/v1/auth/login", json={"email": email, "password": password})
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    return sign_in


@pytest_asyncio.fixture(loop_scope="session")
async def registered(client: httpx.AsyncClient) -> dict[str, Any]:
    """Ada, as the program answered."""
    response = await client.post("/api/v1/users", json=ADA)
    assert response.status_code == 201, response.text
    user: dict[str, Any] = response.json()
    return user


@pytest_asyncio.fixture(loop_scope="session")
async def tokens(registered: dict[str, Any], sign_in: SignIn) -> dict[str, Any]:  # noqa: ARG001 - is who signs in
    """What she got for her password."""
    return await sign_in()


@pytest.fixture
def me(tokens: dict[str, Any]) -> Who:
    """Ada, calling."""
    return bearer(tokens)


@pytest_asyncio.fixture(loop_scope="session")
async def admin(client: httpx.AsyncClient, database: Database, sign_in: SignIn) -> Who:
    """Somebody who looks after all users, calling."""
    email = "root@example.com"
    await client.post("/api/v1/users", json={"email": email, "password": PASSWORD})
    await database.fetch_text("UPDATE users SET role = 'admin' WHERE email = $1", [email])
    return bearer(await sign_in(email))
