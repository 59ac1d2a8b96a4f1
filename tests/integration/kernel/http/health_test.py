"""Whether the program lives, and whether it should get requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from mainstay.app.database import MIGRATIONS
from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.http import health

READY = {"shutdown": "ok", "database": "ok", "migrations": "ok", "configs": "ok"}


@pytest.fixture
def until_ready(eventually: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Waits until /readyz has this status."""

    async def until(client: httpx.AsyncClient, status: int) -> httpx.Response:
        async def answered() -> httpx.Response | None:
            response = await client.get("/readyz")
            return response if response.status_code == status else None

        found: httpx.Response = await eventually(answered)
        return found

    return until


@pytest.mark.parametrize("target", ["/health", "/healthz"])
async def test_the_program_says_that_it_lives(client: httpx.AsyncClient, target: str) -> None:
    response = await client.get(target)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_says_what_was_looked_at(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": READY})


async def migrate(url: str) -> None:
    for kind in MIGRATIONS.values():
        await kind.up(url)


async def states(client: httpx.AsyncClient) -> dict[str, str]:
    """The checks' states of a program that is not ready."""
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    error = response.json()["error"]
    assert error["code"] == "not_ready"
    found: dict[str, str] = error["details"]["checks"]
    return found


async def assert_alive(client: httpx.AsyncClient) -> None:
    for target in ("/health", "/healthz", "/metrics", "/docs"):
        assert (await client.get(target)).status_code == 200


def test_a_server_that_drains_lives_and_is_not_ready(start_server: Callable[..., Any]) -> None:
    server = start_server(DRAIN_SECONDS="30")
    assert server.client.get("/readyz").json() == {"status": "ready", "checks": READY}
    server.signal()
    response = server.client.get("/readyz")
    assert (response.status_code, response.headers["connection"]) == (503, "close")
    assert response.json()["error"]["details"]["checks"] == {**READY, "shutdown": "the server is stopping"}
    assert server.client.get("/healthz").status_code == 200
    assert server.client.get("/pets").status_code == 200


async def test_a_check_that_does_not_answer_is_not_waited_for(
    app: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    app.state.health.checks["sink"] = hang
    assert (await states(client))["sink"] == "no answer within 0.05 s"


async def test_a_check_that_is_told_no_is_unavailable(app: Any, client: httpx.AsyncClient) -> None:
    async def refuse() -> None:
        raise Unavailable(original_error=OSError("10.0.0.1 refused"))

    app.state.health.checks["sink"] = refuse
    assert await states(client) == {**READY, "sink": "unavailable"}


async def test_checks_run_at_the_same_time(app: Any, client: httpx.AsyncClient) -> None:
    meeting = asyncio.Barrier(3)

    async def meet() -> None:
        await meeting.wait()

    app.state.health.checks |= dict.fromkeys(["a", "b", "c"], meet)
    assert (await client.get("/readyz")).status_code == 200


@pytest.fixture
async def unmigrated(settings: Any, program: Any, empty_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    given = settings.model_copy(update={"database_url": type(settings.database_url)(empty_database_url)})
    async with program(given) as (_, client):
        yield client


async def test_a_database_without_its_tables_is_named(
    unmigrated: httpx.AsyncClient, empty_database_url: str, until_ready: Callable[..., Awaitable[Any]]
) -> None:
    found = await states(unmigrated)
    pending = "pending: run `mainstay migrate up`"
    assert found == {**READY, "migrations": pending, "configs": pending}
    await assert_alive(unmigrated)
    await migrate(empty_database_url)
    await until_ready(unmigrated, 200)


async def test_a_database_that_goes_away_is_named_and_found_again(
    own_postgres: Any, settings: Any, program: Any, until_ready: Callable[..., Awaitable[Any]]
) -> None:
    await migrate(own_postgres.url)
    given = settings.model_copy(update={"database_url": type(settings.database_url)(own_postgres.url)})
    async with program(given) as (_, client):
        assert (await client.get("/readyz")).status_code == 200
        own_postgres.stop()
        started = time.monotonic()
        found = await states(client)
        assert time.monotonic() - started < 2
        assert found["database"] != "ok"
        assert found["shutdown"] == "ok"
        await assert_alive(client)
        refused = await client.get("/pets")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        own_postgres.start()
        await until_ready(client, 200)
        assert (await client.get("/pets")).status_code == 200


async def test_services_in_the_process_need_no_database(settings: Any, program: Any) -> None:
    given = settings.model_copy(
        update={
            "database_url": None,
            "pets_storage": "memory",
            "tasks_storage": "sqlite-memory",
            "services": ("pets", "tasks"),
        }
    )
    async with program(given) as (_, client):
        assert (await client.get("/readyz")).json()["checks"] == {"shutdown": "ok"}


@pytest.mark.parametrize("target", ["/health", "/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize(
    ("method", "suffix", "status"), [("GET", "?a=1", 422), ("GET", "/", 404), ("POST", "", 405), ("HEAD", "", 200)]
)
async def test_probes_are_operations_like_all_others(
    client: httpx.AsyncClient, target: str, method: str, suffix: str, status: int
) -> None:
    response = await client.request(method, f"{target}{suffix}")
    assert response.status_code == status
    if status >= 400:
        assert response.json()["error"]["request_id"] == response.headers["x-request-id"]


def test_a_server_answers_probes_without_an_accept_or_agent(caller: Any) -> None:
    for target in (b"/health", b"/healthz", b"/readyz"):
        caller.send(b"GET " + target + b" HTTP/1.1\r\nHost: 10.0.0.7:8000\r\n\r\n")
        assert caller.answer().status == 200
