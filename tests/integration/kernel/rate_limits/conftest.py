"""A Redis to count in."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from mainstay.kernel.http.redis_windows import RedisWindows
from tests.integration.kernel.sinks.conftest import Broker, server_program

SECRET = b"s" * 32
PATIENT = 10.0
"""Seconds for a count, where the test is not about the time that it takes: the machine may be busy."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Broker]:
    """For this test alone; what it counts is worth no disk."""
    program = server_program("redis-server", "redis-server")

    def command(port: int) -> list[str]:
        return [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""]

    with Broker(command, tmp_path) as broker:
        yield broker


@pytest.fixture
def redis_url(redis: Broker) -> str:
    """Where it is."""
    return f"redis://127.0.0.1:{redis.port}"


@pytest.fixture
async def windows(redis_url: str) -> AsyncIterator[Callable[..., RedisWindows]]:
    """What a process has; each call makes one more."""
    made: list[RedisWindows] = []

    def make(prefix: str = "mainstay", secret: bytes = SECRET, seconds: float = PATIENT) -> RedisWindows:
        made.append(RedisWindows(redis_url, prefix, secret, seconds=seconds))
        return made[-1]

    yield make
    for found in made:
        await found.aclose()
