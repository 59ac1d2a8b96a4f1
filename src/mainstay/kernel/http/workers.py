"""Several server processes on one socket: kept running, replaced one by one at SIGHUP, stopped together."""

import itertools
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Protocol, cast

import uvicorn
from uvicorn._subprocess import get_subprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.server import HANDLED_SIGNALS

from mainstay.kernel.ops import shared_metrics

logger = logging.getLogger(__name__)

_RESTART_PAUSE_SECONDS = 1.0
_POLL_SECONDS = 0.1
_CLOSED = -1  # the descriptor of a closed socket


def is_orphan() -> bool:
    """Whether this is a worker whose parent was killed."""
    parent = parent_process()
    return parent is not None and parent.pid != os.getppid()


class WorkingServer(Protocol):
    """What a worker runs."""

    config: uvicorn.Config
    on_serving: Callable[[], object] | None
    """Called when it accepts."""

    def run(self, sockets: list[socket.socket]) -> None:
        """Serve until a signal ends it."""


@dataclass
class Worker:
    """A process that serves, or will."""

    process: SpawnProcess
    serves: Event
    is_leaving: bool = False

    def signal(self, sig: int) -> None:
        """Send it."""
        os.kill(cast("int", self.process.pid), sig)


class Workers:
    """Processes that accept from one socket, and count in one folder, each in a place of its own.

    uvicorn's own supervisor takes no other server than its own, and ends a worker before its successor serves.
    """

    def __init__(self, server: WorkingServer, sock: socket.socket, count: int, metrics_folder: str) -> None:
        self._server = server
        self._socket = sock
        self._count = count
        self._metrics_folder = metrics_folder
        self._workers: dict[int, Worker] = {}
        """By place."""
        self._outgoing: list[int] = []
        """The places of those that are to be replaced."""
        self._incoming: int | None = None
        """The place of a successor that does not serve yet."""
        self._signals: list[int] = []
        self._exit_code = 0

    def run(self) -> int:
        """Keep them running until a signal ends them; the exit code. One that cannot start ends all if none serves."""
        for sig in (*HANDLED_SIGNALS, signal.SIGHUP):
            signal.signal(sig, lambda sig, _frame: self._signals.append(sig))
        for _ in range(self._count):
            self._start()
        while self._workers:
            wait([worker.process.sentinel for worker in self._workers.values()], timeout=_POLL_SECONDS)
            while self._signals:
                self._hear(self._signals.pop(0))
            for place in [place for place, worker in self._workers.items() if worker.process.exitcode is not None]:
                self._ended(place, self._workers.pop(place))
            if self._is_open:
                self._replace()
        return self._exit_code

    @property
    def _is_open(self) -> bool:
        return self._socket.fileno() != _CLOSED

    def _start(self) -> int:
        """One more; its place."""
        place = next(place for place in itertools.count() if place not in self._workers)
        serves = get_context("spawn").Event()
        run = partial(_work, self._server, self._metrics_folder, place, serves)
        process = get_subprocess(self._server.config, run, [self._socket])
        process.start()
        self._workers[place] = Worker(process, serves)
        return place

    def _hear(self, sig: int) -> None:
        if sig != signal.SIGHUP:
            self._stop(sig)
        elif self._is_open:
            logger.info("a new process takes each worker's place")
            self._outgoing = [place for place, worker in self._workers.items() if not worker.is_leaving]

    def _stop(self, sig: int) -> None:
        self._socket.close()  # left open, it would take connections when no worker does any more
        for worker in self._workers.values():
            worker.signal(sig)

    def _replace(self) -> None:
        """The next step of a restart: a worker is told to go when its successor serves."""
        if self._incoming is None and self._outgoing:
            self._incoming = self._start()
        elif self._incoming is not None and self._workers[self._incoming].serves.is_set():
            self._incoming = None
            old = self._workers[self._outgoing.pop(0)]
            old.is_leaving = True
            old.signal(signal.SIGTERM)

    def _ended(self, place: int, worker: Worker) -> None:
        shared_metrics.leave(self._metrics_folder, place)
        pid, code = worker.process.pid, worker.process.exitcode
        if not self._is_open or worker.is_leaving:
            return
        if place == self._incoming:
            logger.error("successor %s ended with %s before it served: those before it go on", pid, code)
            self._incoming, self._outgoing = None, []
        elif code == STARTUP_FAILURE and not any(other.serves.is_set() for other in self._workers.values()):
            self._exit_code = STARTUP_FAILURE
            self._stop(signal.SIGINT)
        else:
            logger.error("worker %s ended with %s, another takes its place", pid, code)
            self._outgoing = [other for other in self._outgoing if other != place]
            self._fill()

    def _fill(self) -> None:
        """Have another in the place of one that is gone: a successor that is on its way, where there is one."""
        if self._incoming is not None:
            self._incoming = None
        else:
            time.sleep(_RESTART_PAUSE_SECONDS)
            self._start()


def _work(server: WorkingServer, metrics_folder: str, place: int, serves: Event, sockets: list[socket.socket]) -> None:
    """What a worker does. The application, with its metrics, is made by the server."""
    shared_metrics.join(metrics_folder, place)
    server.on_serving = serves.set
    try:
        server.run(sockets)
    finally:
        if is_orphan():
            shared_metrics.abandon(metrics_folder)
