"""The server in a thread of this process or as a process, and callers that send it bytes no client library would."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

import pytest

from mainstay.kernel.http.server import Server, ServerLimits, _config, _listen

if TYPE_CHECKING:
    from tests.integration.kernel.server.echo_application import Echo

FOLDER = Path(__file__).parent
DEADLINE = 15.0
"""Seconds after which a test is given up; also a drain that no test sees the end of."""

HASTY = ServerLimits(header_timeout=0.4, keep_alive=0.4, graceful=5.0, max_header_bytes=4096)


def wait_until(condition: Callable[[], object], log: Callable[[], str] = str) -> None:
    """Ask again and again, for as long as a busy machine may need."""
    pause = threading.Event()
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain\n{log()}"
        pause.wait(0.01)


class Answer:
    """One response, taken apart."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *self.lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in self.lines)}
        self.body = body

    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)

    def assert_refusal(self, status: int, code: str) -> None:
        """Look at all of an error that the server itself answers."""
        error = self.json()["error"]
        assert (self.status, error["code"]) == (status, code)
        assert error["message"]
        assert error["details"] == {}
        assert str(UUID(error["request_id"])) == error["request_id"] == self.headers["x-request-id"]
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-content-type-options"] == "nosniff"
        assert self.headers["connection"] == "close"
        assert self.headers["date"].endswith("GMT")


class Caller:
    """A connection, and nothing between the test and the bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._received = b""

    def send(self, data: bytes) -> Self:
        """Send it as it is."""
        self._socket.sendall(data)
        return self

    def answer(self) -> Answer:
        """The next answer."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        length = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
        while len(self._received) < length:
            self._receive()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(head, body)

    def ask(self, data: bytes) -> Answer:
        """Send and receive."""
        return self.send(data).answer()

    def get(self, path: bytes = b"/") -> Answer:
        """Ask for a path."""
        return self.ask(b"GET %b HTTP/1.1\r\nHost: mainstay\r\n\r\n" % path)

    def rest(self) -> bytes:
        """What still comes until the server closes; a connection that is reset fails the test."""
        with contextlib.suppress(ConnectionAbortedError):
            while True:
                self._receive()
        return self._received

    def drip(self, data: bytes) -> None:
        """Send it again and again, 20 bytes a second, until the server hangs up."""
        self._socket.settimeout(0.05)
        with contextlib.suppress(ConnectionError):
            while True:
                for byte in data:
                    self._socket.sendall(bytes([byte]))
                    with contextlib.suppress(TimeoutError):
                        self._receive()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionAbortedError
        self._received += data


class Running:
    """A server in a thread."""

    def __init__(self, limits: ServerLimits) -> None:
        config = _config("echo_application:Echo", limits)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(FOLDER)
            config.load()
        self.echo = cast("Echo", config.loaded_app)
        self.server = Server(config, limits.drain)
        self._socket = _listen("127.0.0.1", 0)
        self._port = self._socket.getsockname()[1]
        self._callers: list[Caller] = []
        self._thread = threading.Thread(target=self.server.run, args=([self._socket],))

    def __enter__(self) -> Self:
        """Wait until it serves."""
        self._thread.start()
        wait_until(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        """End it, if the test has not."""
        self.reset()
        self.server.should_exit = True
        self.join()

    def reset(self) -> None:
        """Let nothing of a test reach the next one."""
        self.echo.release.set()
        while self._callers:
            self._callers.pop().close()
        wait_until(lambda: not self.connections())
        self.echo.forget()

    def caller(self) -> Caller:
        """A new connection."""
        caller = Caller(self._port)
        self._callers.append(caller)
        return caller

    def holding(self) -> Caller:
        """A caller whose request is being answered until `release` is called."""
        caller = self.caller().send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: "/hold" in self.echo.paths)
        return caller

    def release(self) -> None:
        """Let the answers to `holding` go."""
        self.echo.release.set()

    def signal(self, sig: int = signal.SIGTERM) -> None:
        """As if the process got the signal."""
        self.server.handle_exit(sig, None)

    def join(self) -> float:
        """Wait for its end; how many seconds that took."""
        started = time.monotonic()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        return time.monotonic() - started

    def connections(self) -> int:
        """How many it holds."""
        return len(self.server.server_state.connections)

    def is_closed(self) -> bool:
        """Whether it takes no new connections."""
        try:
            self.caller()
        except ConnectionRefusedError:
            return True
        return False

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to become true."""
        wait_until(condition)


class Process:
    """The server as a process."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._log = folder / "log"
        self._callers: list[Caller] = []
        environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{FOLDER}"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, FOLDER / "echo_application.py", json.dumps(options)],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=folder,
            )

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to become true."""
        wait_until(condition, self._log.read_text)

    def until_logged(self, text: str, times: int = 1) -> None:
        """Wait for it, or for its workers, to write something."""
        self.until(lambda: self.log.count(text) >= times)

    def caller(self) -> Caller:
        """A new connection."""
        caller = Caller(int(re.findall(r"listening on http://127.0.0.1:(\d+)", self.log)[0]))
        self._callers.append(caller)
        return caller

    def pids(self) -> set[int]:
        """Those of the processes that answer."""
        return {self.caller().get().json()["pid"] for _ in range(40)}

    def pids_that_answer(self) -> set[int]:
        """The same, of a server of which a process may go away meanwhile."""
        found: set[int] = set()
        for _ in range(40):
            with contextlib.suppress(ConnectionError):
                found.add(self.caller().get().json()["pid"])
        return found

    def signal(self, sig: int = signal.SIGTERM) -> None:
        """Send it."""
        self._process.send_signal(sig)

    def exit_code(self) -> int:
        """Wait for its end."""
        return self._process.wait(DEADLINE)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()
        for caller in self._callers:
            caller.close()


@pytest.fixture(scope="package")
def hasty_server() -> Iterator[Running]:
    """Started once."""
    with Running(HASTY) as running:
        yield running


@pytest.fixture
def hasty(hasty_server: Running) -> Iterator[Running]:
    """A server that loses its patience after 0.4 s, or 4 KiB."""
    yield hasty_server
    hasty_server.reset()


@pytest.fixture(scope="package")
def patient_server() -> Iterator[Running]:
    """Started once."""
    with Running(ServerLimits()) as running:
        yield running


@pytest.fixture
def patient(patient_server: Running) -> Iterator[Running]:
    """A server with the limits of production."""
    yield patient_server
    patient_server.reset()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts a server of the test's own, to be stopped: `start(drain=0.5)`."""
    with contextlib.ExitStack() as servers:
        yield lambda **limits: servers.enter_context(Running(ServerLimits(**limits)))


@pytest.fixture
def draining(start: Callable[..., Running]) -> Running:
    """A server whose drain takes longer than the test."""
    return start(drain=DEADLINE)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a process and waits until `ready` processes listen: `run(ready=2, workers=2)`."""
    processes: list[Process] = []

    def run(*, ready: int = 1, **options: Any) -> Process:
        process = Process(tmp_path, **options)
        processes.append(process)
        process.until_logged("listening on", ready)
        return process

    yield run
    for process in processes:
        process.kill()
