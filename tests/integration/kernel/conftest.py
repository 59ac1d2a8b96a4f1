"""What the kernel's tests share: an impatient pool, somebody else's session, a PostgreSQL of the test's own."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.db.embedded import EmbeddedPostgres
from mainstay.kernel.db.engine import Database, Timeouts

IMPATIENT = Timeouts(connect=5, pool_wait=0.3, lock=0.2, statement=0.4)
"""Seconds: short, so that the tests of what happens after them are; but a busy machine may connect when it can."""


class OwnPostgres:
    """A PostgreSQL server that a test may stop, kill and freeze."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = EmbeddedPostgres(folder, durable=False)
        self.url = self._server.start()

    def start(self) -> None:
        """Bring it up again, under the same URL."""
        self._server.start()

    def stop(self) -> None:
        """Shut it down; whoever is connected is cut off. One that is frozen is thawed first."""
        self.thaw()
        self._server.stop()

    def kill(self) -> None:
        """End every process of it at once, as when the machine loses its power."""
        self._signal(signal.SIGKILL)
        self._server.stop()

    def freeze(self) -> None:
        """Let nothing answer any more, while every connection stays open: a hung disk, a lost network."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it stood."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        pid_file = self.folder / "data" / "postmaster.pid"
        if not pid_file.exists():
            return
        postmaster = pid_file.read_text().split()[0]
        children = Path("/proc", postmaster, "task", postmaster, "children").read_text().split()
        for pid in (postmaster, *children):
            os.kill(int(pid), number)


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[OwnPostgres]:
    """A server for this test alone, to be stopped, killed and frozen."""
    if sys.platform != "linux":
        pytest.skip("finds the server's processes in /proc")
    server = OwnPostgres(tmp_path / "own")
    yield server
    server.stop()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Three connections at most, on the test's own database, and little patience."""
    async with Database(database_url, pool_min=1, pool_max=3, timeouts=IMPATIENT) as database:
        yield database


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's session in the same database."""
    session = await asyncpg.connect(database_url)
    yield session
    await session.close()


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """Waits for a coroutine function to answer something true; fails the test after some seconds."""

    async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := await condition()):
            if time.monotonic() > deadline:  # no TimeoutError: the code under test turns it into errors of its own
                pytest.fail(f"{condition.__qualname__} did not come true within {seconds} s")
            await asyncio.sleep(0.005)
        return value

    return eventually


@pytest.fixture
def waiting(session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    """Waits until so many of the program's sessions stand before a lock."""

    async def waiting(count: int = 1) -> None:
        async def stand() -> bool:
            found = await session.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'mainstay' AND wait_event_type = 'Lock'"
            )
            return bool(found >= count)

        await eventually(stand)

    return waiting
