"""What the tests of the sinks share: messages, and servers that a test may stop, kill and freeze."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
import structlog

from mainstay.kernel.core.sink import Message

MakeMessage = Callable[..., Message]

READY_SECONDS = 15
"""How long a server may take to listen on a machine that is busy with other tests."""


@pytest.fixture
def message() -> MakeMessage:
    """Makes messages, each of another aggregate; what is given by name is as given."""

    def make(**given: object) -> Message:
        event = uuid4()
        usual: dict[str, object] = {
            "id": event,
            "type": "order.confirmed",
            "tenant": "acme",
            "aggregate_type": "order",
            "aggregate_id": str(uuid4()),
            "occurred_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "body": b'{"specversion":"1.0","id":"%s"}' % str(event).encode(),
        }
        return Message(**{**usual, **given})  # type: ignore[arg-type]  # a test gives what fits

    return make


@pytest.fixture
def restore_logging() -> Iterator[None]:
    """Whatever a test makes of the logging, the next one finds what was there before."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.fixture
def cancelled(eventually: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    """Runs a coroutine until a condition is true, cancels it, and waits for its end."""

    async def cancelled(work: Coroutine[Any, Any, Any], when: Callable[[], Awaitable[bool]]) -> None:
        task = asyncio.ensure_future(work)
        await eventually(when)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return cancelled


def free_port() -> int:
    """A port that nobody listens on right now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    """A server program on a port of its own. It keeps the port, and what it has on disk, when it is started again."""

    def __init__(self, command: Callable[[int], list[str]], folder: Path) -> None:
        self.port = free_port()
        self._command = command(self.port)
        self._log = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while not self._listens():
            if time.monotonic() > deadline:
                pytest.fail(f"the server does not listen:\n{self._log.read_text()}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, as when its machine loses power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing, while every connection stays open."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        os.waitpid(self._process.pid, os.WUNTRACED)  # until all of its threads stand still

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _listens(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            pytest.fail(f"the server ended:\n{self._log.read_text()}")
        return accepts(self.port)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind."""
        self.kill()


@pytest.fixture(scope="session")
def broker() -> type[Broker]:
    """Starts a server program, given its command for a port and a folder for its log, for as long as a block lasts."""
    return Broker


def server_program(name: str, package: str) -> str:
    """Find a server program; without it the test is skipped, and fails where it has to be there (CI=true)."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        missing = f"{name} is not installed: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], str]:
    """Finds a server program, see `server_program`."""
    return server_program
