"""What the tests against PostgreSQL share: a server of the test's own, and a way to wait for it."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstay.kernel.db.embedded import EmbeddedPostgres


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
