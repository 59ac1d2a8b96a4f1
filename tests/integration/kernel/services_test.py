"""One process for several services: which it answers for, and what one of them means to the others."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from mainstay.app import create_app
from mainstay.services.users.domain import FIRST_SCOPES
from mainstay.settings import SERVICES, Settings
from tests.conformance.resources import RESOURCES

FIRST = {resource.owner: resource for resource in reversed(RESOURCES)}
"""Of each service the first resource."""
ADDRESSES = {name: resource.collection for name, resource in FIRST.items()}
BODIES = {name: resource.body("ada") for name, resource in FIRST.items()}
THERE = {name: 401 if name == "users" else 200 for name in ADDRESSES}
"""What GET answers to who has no token."""
KEYED = [name for name, resource in FIRST.items() if resource.keyed]
"""Whose POST takes an Idempotency-Key."""
CROWD = 30
"""More than the pool has connections."""
SLACK = 2.5
"""Seconds that the machine may take for the other tests, which run beside these."""


@asynccontextmanager
async def client_of(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the program without a socket."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://a", headers={"X-Tenant-Id": "tenant-1"}) as client,
    ):
        yield client


def test_every_service_is_tried_below() -> None:
    assert FIRST.keys() == set(SERVICES)


# Which it answers for


@pytest.mark.parametrize("chosen", SERVICES)
async def test_only_the_chosen_service_is_there(settings: Settings, chosen: str) -> None:
    async with client_of(settings.model_copy(update={"services": (chosen,)})) as client:
        found = {name: (await client.get(path)).status_code for name, path in ADDRESSES.items()}
        document = (await client.get("/openapi.json")).json()
        probes = [(await client.get(path)).status_code for path in ("/health", "/healthz", "/readyz", "/metrics")]
    assert found == {name: THERE[name] if name == chosen else 404 for name in SERVICES}
    assert [tag["name"] for tag in document["tags"]] == [chosen, "operations"]
    assert {path for path in document["paths"] if path in ADDRESSES.values()} == {ADDRESSES[chosen]}
    assert probes == [200] * 4


async def test_left_out_all_services_are_there(settings: Settings) -> None:
    async with client_of(settings) as client:
        assert {name: (await client.get(path)).status_code for name, path in ADDRESSES.items()} == THERE


@pytest.mark.parametrize("chosen", [name for name in SERVICES if name != "users"])
async def test_a_token_counts_in_a_process_that_issues_none(settings: Settings, chosen: str) -> None:
    """One process issues tokens, another one, with the same secret, takes them: and knows when a session is over."""
    common = settings.model_copy(
        update={"secret_key": SecretStr("for-the-tests-0123456789-abcdefgh"), "auth_mode": "required"}
    )
    alone = common.model_copy(update={"services": (chosen,)})
    async with client_of(common.model_copy(update={"services": ("users",)})) as users, client_of(alone) as client:
        await users.post(ADDRESSES["users"], json=BODIES["users"])
        tokens = (await users.post("/api/v1/auth/login", json=BODIES["users"])).json()
        who = {"Authorization": f"Bearer {tokens['access_token']}"}
        found = [(await client.get(ADDRESSES[chosen], headers=headers)).status_code for headers in ({}, who)]
        document = (await client.get("/openapi.json")).json()
    assert found == [401, 200 if any(scope.startswith(f"{chosen}:") for scope in FIRST_SCOPES) else 403]
    assert document["components"]["securitySchemes"]["token"]["type"] == "http"  # no address to get one from


def test_the_options_of_serve_reach_every_worker(serve: Callable[..., Any]) -> None:
    """The options go before the environment, in the processes that `serve` starts too."""
    arguments = ("--services", "tasks", "--host", "127.0.0.2", "--workers", "2")
    server = serve(*arguments, SERVICES="pets", APP_HOST="127.0.0.1")
    assert server.url.startswith("http://127.0.0.2:")
    for _ in range(20):  # each on a connection of its own, which any worker may take
        assert httpx.get(f"{server.url}/v1/tasks").status_code == 200
        assert httpx.get(f"{server.url}/pets").status_code == 404


@pytest.fixture
def plain_uvicorn(tmp_path: Path, database_url: str) -> Iterator[str]:
    """The program's factory under uvicorn's own command line; its address."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "mainstay.app:create_app", "--port", "0"]
    environment = {"APP_ENV": "test", "DATABASE_URL": database_url, "LOG_LEVEL": "INFO"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"running on (http://[\d.:]+)", said):
                yield found[1]
                break
        process.terminate()
        rest, _ = process.communicate()
    assert "Application shutdown complete" in said + rest


def test_the_factory_serves_under_plain_uvicorn_too(plain_uvicorn: str) -> None:
    created = httpx.post(f"{plain_uvicorn}/pets", json=BODIES["pets"])
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    assert httpx.get(f"{plain_uvicorn}/pets/1").content == created.content
    assert httpx.get(f"{plain_uvicorn}/readyz").json()["status"] == "ready"


# What one means to the others


async def test_one_key_at_two_addresses_is_two_keys(settings: Settings) -> None:
    async with client_of(settings) as client:
        for expected in (None, "true"):
            for name in KEYED:
                answer = await client.post(ADDRESSES[name], json=BODIES[name], headers={"Idempotency-Key": "k"})
                assert answer.status_code == 201
                assert answer.headers.get("idempotency-replayed") == expected


@pytest.mark.parametrize(("locked", "other"), [("pets", "tasks"), ("tasks", "pets")])
async def test_a_locked_table_of_one_service_leaves_the_other_served(
    settings: Settings, session: asyncpg.Connection, locked: str, other: str
) -> None:
    slowest = 0.0
    async with client_of(settings) as client, session.transaction():
        await session.execute(f"LOCK TABLE {locked}")
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            crowd = [group.create_task(client.get(ADDRESSES[locked])) for _ in range(CROWD)]
            while not all(call.done() for call in crowd):
                asked = time.monotonic()
                answer = await client.get(ADDRESSES[other])
                slowest = max(slowest, time.monotonic() - asked)
                assert answer.status_code == 200, answer.text
        assert {call.result().status_code for call in crowd} == {503}
        assert time.monotonic() - started < 2 + SLACK
    assert slowest < 1 + SLACK


async def test_in_sqlite_a_key_is_kept_for_the_hours_that_are_set(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for pets in memory stands with the pets."""
    given = {"services": ("tasks",), "tasks_storage": "sqlite-memory", "idempotency_hours": 2}
    time_of_day = datetime(2026, 1, 2, tzinfo=UTC)
    monkeypatch.setattr("mainstay.kernel.db.sqlite.now", lambda: time_of_day)
    found = []
    async with client_of(settings.model_copy(update=given)) as client:
        for pause in (timedelta(), timedelta(hours=2, seconds=-1), timedelta(seconds=2)):
            time_of_day += pause
            answer = await client.post(ADDRESSES["tasks"], json=BODIES["tasks"], headers={"Idempotency-Key": "k"})
            found.append((answer.status_code, "idempotency-replayed" in answer.headers))
    assert found == [(201, False), (201, True), (409, False)]
