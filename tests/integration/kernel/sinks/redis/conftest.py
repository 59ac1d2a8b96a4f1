"""A Redis for all tests of a process, and one that a test may kill."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

StartBroker = Callable[..., AbstractContextManager[Any]]


def command(program: str, folder: Path, *more: str) -> Callable[[int], list[str]]:
    """How it is started: every write is on the disk before it is answered, as one would have it for events."""
    durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return lambda port: [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *durable, *more]


@pytest.fixture(scope="session")
def shared_redis(
    program: Callable[[str, str], str], broker: StartBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Runs all the time."""
    folder = tmp_path_factory.mktemp("redis")
    with broker(command(program("redis-server", "redis-server"), folder), folder) as redis:
        yield redis


@pytest.fixture
def own_redis(program: Callable[[str, str], str], broker: StartBroker, tmp_path: Path) -> Iterator[Any]:
    """For this test alone."""
    with broker(command(program("redis-server", "redis-server"), tmp_path), tmp_path) as redis:
        yield redis


@pytest.fixture
def redis_url() -> Callable[[Any], str]:
    """The URL of a server."""
    return lambda broker: f"redis://127.0.0.1:{broker.port}"


@pytest.fixture
async def reader(shared_redis: Any) -> AsyncIterator[Any]:
    """Somebody who reads the shared one's streams."""
    async with Redis(port=shared_redis.port, decode_responses=True) as reader:
        yield reader
