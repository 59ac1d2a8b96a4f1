"""The HTTP server: uvicorn, stopped without losing a request, in one process or several."""

import asyncio
import contextlib
import errno
import gc
import inspect
import logging
import math
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import ChangeReload

from mainstay.kernel.core.errors import StartupError
from mainstay.kernel.http.connection import ON_STOP, STOPPING, Connection
from mainstay.kernel.http.workers import Workers, is_orphan
from mainstay.kernel.ops import shared_metrics

logger = logging.getLogger(__name__)

_BACKLOG = 2048
_LAST_CALL_SECONDS = 0.1  # for who has just connected to ask
_YOUNG = 20_000  # objects that are made between two looks at them: a request leaves next to nothing in rings
_CUT_OFF = 3  # signals; the second can be the same Ctrl-C, which a worker gets from the terminal and from its parent
_STALLED_MILLISECONDS = 30_000  # a caller who acknowledges nothing for so long, and reads nothing, is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """How long the server waits, in seconds, and how much it reads before there is a request."""

    header_timeout: float = 10.0
    keep_alive: float = 5.0
    drain: float = 0.0
    """After SIGTERM: requests are still taken, and every answer says `Connection: close`."""
    graceful: float = 10.0
    """After that: no more are taken, those that run may end."""
    max_header_bytes: int = 65_536


class Server(uvicorn.Server):
    """One process that serves."""

    def __init__(self, config: uvicorn.Config, drain: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._drained_at = math.inf
        self._signals = 0
        self.on_serving: Callable[[], object] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept."""
        self._loop = asyncio.get_running_loop()
        await super().startup([sock.dup() for sock in sockets or ()])  # the loop closes its own, these stay ours
        for sock in sockets or ():
            logger.info("listening on %s", _url(sock))
        gc.freeze()  # what is here lives as long as the process: to look at it again and again takes 40 ms each time
        gc.set_threshold(_YOUNG)
        if self.started and self.on_serving is not None:
            self.on_serving()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: close what is overdue; answer whether to stop."""
        now = time.monotonic()
        for connection in self._connections():
            if connection.deadline <= now:
                connection.expire()
        return await super().on_tick(counter) or now >= self._drained_at or is_orphan()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, give who has just been accepted the time to ask, end."""
        for server in self.servers:
            server.close()
        for last in [last for sock in sockets or () for last in _close(sock)]:
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, last)
        await asyncio.sleep(_LAST_CALL_SECONDS)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """SIGTERM drains; SIGINT or a second signal stops; a third one cuts off what still runs.

        uvicorn would keep the signal and raise it again at its end: the exit code would not be 0.
        """
        if not self.started:
            sys.exit()
        self._signals += 1
        self.lifespan.state[STOPPING] = True
        for connection in self._connections():
            connection.finish()
        for function in self.lifespan.state.get(ON_STOP, ()):
            self._loop.call_soon_threadsafe(function)  # which also wakes the loop
        if sig == signal.SIGTERM and self._signals == 1:
            self._drained_at = time.monotonic() + self._drain
        else:
            self.should_exit = True
            self.force_exit = self._signals >= _CUT_OFF

    def _connection(self) -> asyncio.Protocol:
        arguments = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(**arguments)

    def _connections(self) -> Iterable[Connection]:
        return cast("Iterable[Connection]", self.server_state.connections)


def serve(  # noqa: PLR0913 - the options of the command
    app: ASGIApp | str, *, host: str, port: int, limits: ServerLimits, workers: int = 1, reload: bool = False
) -> int:
    """Serve until a signal ends it; the exit code.

    `app` is an application or, for workers or reload, the import string of a factory (`mainstay.app:create_app`).
    Raises StartupError where the address cannot be listened on, SystemExit where the application does not start.
    """
    sock = _listen(host, port)
    if reload:
        config = _config(app, limits, reload_dirs=[_folder(cast("str", app))])
        ChangeReload(config, Server(config, drain=0).run, [sock]).run()
        return 0
    server = Server(_config(app, limits), limits.drain)
    if workers > 1:
        with shared_metrics.metrics_folder() as folder:
            return Workers(server, sock, workers, folder).run()
    server.run([sock])
    return 0


def _config(app: ASGIApp | str, limits: ServerLimits, reload_dirs: list[str] | None = None) -> uvicorn.Config:
    connection = partial(
        Connection,
        header_timeout=limits.header_timeout,
        keep_alive=limits.keep_alive,
        max_header_bytes=limits.max_header_bytes,
    )
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        http=cast("type[asyncio.Protocol]", connection),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        workers=1,  # left out, uvicorn reads the environment
        reload=reload_dirs is not None,
        reload_dirs=reload_dirs,
        timeout_graceful_shutdown=cast("int", limits.graceful),  # what asyncio.wait_for takes
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartupError(f"Port {port} is taken: stop what listens there, or set APP_PORT or --port.") from error
        raise StartupError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MILLISECONDS)
    return sock


def _close(sock: socket.socket) -> list[socket.socket]:
    """Close a listening socket; the connections that the kernel had made: left to it, they would be reset."""
    accepted = []
    sock.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            accepted.append(sock.accept()[0])
    sock.close()
    return accepted


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _folder(app: str) -> str:
    """Where the code of an import string stands."""
    return str(Path(inspect.getfile(import_module(app.partition(":")[0]))).parent)
