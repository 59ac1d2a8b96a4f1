"""A little application that says what it was asked. Run as a program it is served, with the options in JSON."""

import asyncio
import json
import logging
import os
import sys
import threading

from starlette.types import ASGIApp, Receive, Scope, Send

from mainstay.kernel.http.connection import ON_STOP, STOPPING
from mainstay.kernel.http.server import ServerLimits, serve
from mainstay.kernel.http.types import ETAG

logger = logging.getLogger("echo")


class Echo:
    """`/hold` waits until `release` is set, `/wait` until the server is told to stop.

    `/early` does not read the body, `/begun` answers before it does.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Be as new."""
        self.paths: list[str] = []
        self.outcomes: list[str] = []
        self.release = threading.Event()
        self.told = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or live."""
        if scope["type"] == "lifespan":
            scope["state"][ON_STOP] = [self.told.set]
            await self._live(receive, send)
            return
        path = scope["path"]
        self.paths.append(path)
        logger.info("asked for %s", path)
        if path == "/crash":
            os._exit(9)
        if path == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
            await send({"type": "http.response.body", "body": b"-", "more_body": True})
        body = b"" if path == "/early" else await _read(receive)
        if body is None:
            self.outcomes.append("disconnected")
            return
        while path == "/hold" and not self.release.is_set():
            await asyncio.sleep(0.01)
        if path == "/wait":
            await self.told.wait()
        await self._answer(scope, body, send)

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        said = {
            "pid": os.getpid(),
            "path": scope["path"],
            "body": body.decode(),
            "headers": [name.decode() for name, _ in scope["headers"]],
            "stopping": STOPPING in scope["state"],
        }
        text = json.dumps(said).encode()
        headers = [(b"content-length", b"%d" % len(text)), (ETAG, b'"1"')]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})
        self.outcomes.append("answered")

    async def _live(self, receive: Receive, send: Send) -> None:
        for event in ("startup", "shutdown"):
            await receive()
            logger.info(event)
            await send({"type": f"lifespan.{event}.complete"})


async def _read(receive: Receive) -> bytes | None:
    """The body; None where the caller goes away before its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message["body"])
        if not message["more_body"]:
            return body


def create_app() -> ASGIApp:
    """The application, logging as the program's own factory does."""
    logging.basicConfig(level=logging.INFO)
    return Echo()


def never_starts() -> ASGIApp:
    """One whose start does not end."""
    logging.basicConfig(level=logging.INFO)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        await asyncio.Event().wait()

    return app


def cannot_start() -> ASGIApp:
    """One that gives up."""
    logging.basicConfig(level=logging.INFO)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "lifespan.startup.failed", "message": "the database is away"})

    return app


def _main(app: str = "echo_application:create_app", workers: int = 1, *, reload: bool = False, **limits: float) -> int:
    chosen = ServerLimits(**limits)  # type: ignore[arg-type]  # the integers are written as such
    return serve(app, host="127.0.0.1", port=0, limits=chosen, workers=workers, reload=reload)


if __name__ == "__main__":
    sys.exit(_main(**json.loads(sys.argv[1])))
