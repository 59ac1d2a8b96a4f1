"""A PostgreSQL and a Redis that a test may take away, and somebody who reads it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.faults.stream import Stream
from tests.integration.conftest import OwnPostgres
from tests.integration.kernel.sinks.conftest import Broker, server_program
from tests.integration.kernel.sinks.redis.conftest import command


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[OwnPostgres]:
    """A server for this test alone, to be stopped, killed and frozen."""
    server = OwnPostgres(tmp_path / "postgres")
    yield server
    server.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Broker]:
    """A Redis of the test's own, which forgets nothing that it has answered."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with Broker(command(server_program("redis-server", "redis-server"), folder), folder) as broker:
        yield broker


@pytest.fixture
async def stream(redis: Broker) -> AsyncIterator[Stream]:
    """What it was given of orders."""
    async with Redis(port=redis.port, decode_responses=True) as reader:
        yield Stream(reader)
