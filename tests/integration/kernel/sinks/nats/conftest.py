"""A NATS server for all tests of a process, and one that a test may kill."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import nats
import pytest

StartBroker = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="session")
def nats_command(program: Callable[[str, str], str]) -> Callable[..., Callable[[int], list[str]]]:
    """How a server with JetStream is started, on a folder; more options may be given."""

    def command(folder: Path, *more: str) -> Callable[[int], list[str]]:
        found = program("nats-server", "nats-server")
        return lambda port: [found, "-js", "-sd", str(folder), "-a", "127.0.0.1", "-p", str(port), *more]

    return command


@pytest.fixture(scope="session")
def shared_nats(
    nats_command: Callable[..., Any], broker: StartBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Runs all the time."""
    folder = tmp_path_factory.mktemp("nats")
    with broker(nats_command(folder), folder) as server:
        yield server


@pytest.fixture
def own_nats(nats_command: Callable[..., Any], broker: StartBroker, tmp_path: Path) -> Iterator[Any]:
    """For this test alone."""
    with broker(nats_command(tmp_path), tmp_path) as server:
        yield server


@pytest.fixture
def nats_url() -> Callable[..., str]:
    """The URL of a server."""
    return lambda broker, user="": f"nats://{user}127.0.0.1:{broker.port}"


@pytest.fixture
async def operator(shared_nats: Any, nats_url: Callable[..., str]) -> AsyncIterator[Any]:
    """Somebody who makes streams on the shared one, and reads them."""
    client = await nats.connect(nats_url(shared_nats))
    yield client.jetstream()
    await client.close()
