"""The relay in the serving process."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mainstay.app import create_app, events
from mainstay.kernel.core.errors import StartupError
from mainstay.settings import Settings
from tests.conftest import client_of, running
from tests.integration.kernel.relay.recording import ListSink

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
TOM = {"name": "Tom", "species": "cat"}


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> ListSink:
    """What the program publishes to, under the name of one that it knows."""
    sink = ListSink("log")
    monkeypatch.setattr(events, "SINKS", {"log": lambda _: sink})
    return sink


async def test_what_a_request_wrote_is_published(
    settings: Settings, sink: ListSink, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async with running(create_app(settings.model_copy(update={"relay": True, "sinks": ("log",)}))) as app:
        async with client_of(app) as client:
            (await client.post("/pets", json=TOM)).raise_for_status()

        async def taken() -> bool:
            return [message.type for message in sink.taken] == ["pet.created"]

        await eventually(taken)
    assert (sink.opened, sink.closed) == (1, 1)


async def test_without_a_relay_nothing_is(settings: Settings, sink: ListSink, session: asyncpg.Connection) -> None:
    async with running(create_app(settings.model_copy(update={"sinks": ("log",)}))) as app:
        async with client_of(app) as client:
            (await client.post("/pets", json=TOM)).raise_for_status()
        assert await session.fetchval(SESSIONS, "mainstay relay") == 0
    assert await session.fetchval("SELECT count(*) FROM outbox WHERE position IS NULL") == 1
    assert sink.opened == 0


async def test_it_leaves_no_session_behind(settings: Settings, session: asyncpg.Connection) -> None:
    async with running(create_app(settings.model_copy(update={"relay": True}))):
        pass
    assert await session.fetchval(SESSIONS, "mainstay relay") == 0


async def test_services_that_keep_nothing_in_postgresql_have_none(tmp_path: Path, sink: ListSink) -> None:
    chosen = Settings(app_env="test", services=("pets",), pets_storage="memory", data_dir=tmp_path, sinks=("log",))
    async with running(create_app(chosen)) as app, client_of(app) as client:
        (await client.post("/pets", json=TOM)).raise_for_status()
    assert sink.opened == 0


async def test_a_sink_for_which_something_is_missing_keeps_it_from_starting(settings: Settings) -> None:
    with pytest.raises(StartupError, match="kafka"):
        async with running(create_app(settings.model_copy(update={"relay": True, "sinks": ("kafka",)}))):
            pass


async def test_every_worker_has_one(
    serve: Callable[..., Any], session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    serve("--workers", "2", "--relay", RELAY="false", SINKS="none")

    async def both() -> bool:
        return bool(await session.fetchval(SESSIONS, "mainstay relay") == 2)

    await eventually(both)


async def test_a_server_that_is_told_so_has_none(serve: Callable[..., Any], session: asyncpg.Connection) -> None:
    serve("--no-relay", SINKS="none")
    assert await session.fetchval(SESSIONS, "mainstay") > 0
    assert await session.fetchval(SESSIONS, "mainstay relay") == 0
