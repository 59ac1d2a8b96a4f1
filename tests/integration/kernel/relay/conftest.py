"""What the tests of the relay share: an outbox to fill, and a relay that runs once."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.db.relay import backoff
from mainstay.kernel.db.relay.delivery import Counts
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.relay import Relay
from tests.integration.kernel.relay.recording import ListSink, Log


@pytest.fixture
def log(session: asyncpg.Connection) -> Log:
    """The test's outbox."""
    return Log(session)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is not due again before a test says so."""
    monkeypatch.setattr(backoff, "refused", lambda _: 3600.0)


@pytest.fixture
def relay_once(database_url: str) -> Callable[..., Any]:
    """Runs a relay with these sinks until there is nothing more to do."""

    async def run(*sinks: ListSink, **options: Any) -> Counts:
        counts = await Relay(database_url, sinks, RelayOptions(**options)).run_once()
        assert counts is not None
        return counts

    return run
