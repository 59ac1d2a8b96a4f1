"""A server process for all tests in this folder, and callers that send it bytes no client library would send."""

import asyncio
import json
import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, parse_headers
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from mainstay.app import create_app
from mainstay.kernel.core.keys import HmacKeys
from mainstay.settings import Settings
from tests.leaks import check_log
from tests.signed_in import SignedIn, sign_in

READY_SECONDS = 20.0
MAX_BODY_BYTES = 50_000
ORIGINS = ("https://app.example", "http://localhost:3000")
SECRET = "for-the-tests-0123456789-abcdefgh"  # noqa: S105 - nobody's
SETTINGS = {
    "MAX_BODY_BYTES": str(MAX_BODY_BYTES),
    "DB_LOCK_TIMEOUT": "0.2",
    "CORS_ORIGINS": ", ".join(ORIGINS),
    "SECRET_KEY": SECRET,
}
WRITTEN = {
    "pets": "count(*) FROM pets",
    "versions": "coalesce(sum(version), 0) FROM pets",
    "outbox": "count(*) FROM outbox",
    "keys": "count(*) FROM idempotency_keys",
}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's content, after a look at the envelope: every error has it, whichever layer it comes from."""
        assert self.headers["content-type"] == "application/json"
        assert self.headers.get_all("x-request-id") is not None
        assert self.headers["x-content-type-options"] == "nosniff"
        assert self.headers["server"] is None
        envelope: dict[str, dict[str, Any]] = json.loads(self.body)
        assert set(envelope) == {"error"}
        assert set(envelope["error"]) == {"code", "message", "details", "request_id"}
        assert envelope["error"]["request_id"] == self.headers["x-request-id"]
        assert re.fullmatch("[a-z][a-z_]*", envelope["error"]["code"])
        return envelope["error"]


class Caller:
    """One connection. Sends bytes as they are."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, READY_SECONDS)
        self._answers = self._socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        """Send them in one piece."""
        self._socket.sendall(b"".join(parts))

    def head(self) -> tuple[int, HTTPMessage]:
        """The next status line with its headers."""
        line = self._answers.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        return int(line.split()[1]), parse_headers(self._answers)

    def answer(self, *, body: bool = True) -> Answer:
        """The next answer; without its body where the request was HEAD."""
        status, headers = self.head()
        if body and headers["transfer-encoding"] == "chunked":
            return Answer(status, headers, b"".join(self._chunks()))
        return Answer(status, headers, self._answers.read(int(headers.get("content-length", "0"))) if body else b"")

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._answers.readline(), 16):
            yield self._answers.read(size)
            self._answers.readline()
        self._answers.readline()

    def lives(self) -> bool:
        """Whether the connection takes another request."""
        self.send(request("GET", "/healthz"))
        return self.answer().status == 200

    def is_closed(self) -> bool:
        """Whether the server has closed it, now or within seconds."""
        try:
            return self._answers.read(1) == b""
        except ConnectionResetError:
            return True

    def readable(self, seconds: float) -> bool:
        """Whether there is something to read, now or within the time."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def shut(self, how: int) -> None:
        """Shut the connection down in one direction or both."""
        self._socket.shutdown(how)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()


class Session:
    """A database session for functions that are no coroutines."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(url))

    def row(self, statement: str) -> tuple[Any, ...]:
        """The first row."""
        return tuple(self._runner.run(self._connection.fetchrow(statement)) or ())

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """All rows."""
        return [tuple(row) for row in self._runner.run(self._connection.fetch(statement))]

    def close(self) -> None:
        """End it."""
        self._runner.run(self._connection.close())
        self._runner.close()


class Server:
    """A server process on a database of its own."""

    def __init__(self, folder: Path, database_url: str, settings: dict[str, str]) -> None:
        self.database_url = database_url
        self._log = folder / "log"
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        defaults = {
            "APP_ENV": "qa",
            "AUTH_MODE": "open",
            "DATABASE_URL": database_url,
            "MIGRATE_ON_START": "false",
            "RATE_LIMITS": "none",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mainstay", "serve", "--port", "0"],
                cwd=folder,
                env={**inherited, **defaults, **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.url = wait_for(self._listening)
        self.address = ("127.0.0.1", urlsplit(self.url).port or 0)
        self.client = httpx.Client(base_url=self.url, trust_env=False)
        self.session = Session(database_url)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines that it has written, read as JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """The lines of one request, once its last one is there: the access line, written after the answer."""
        return list(wait_for(lambda: self._lines(request_id)))

    def _lines(self, request_id: str) -> list[dict[str, Any]]:
        found = [line for line in self.log if line.get("request_id") == request_id]
        return found if any(line["event"] == "request" for line in found) else []

    @staticmethod
    def wait_for(condition: Callable[[], Any]) -> None:
        """Until it answers something true; fails the test after some seconds."""
        wait_for(condition)

    def call(self) -> Caller:
        """Open a connection."""
        return Caller(self.address)

    def written(self) -> dict[str, int]:
        """How much there is of everything that a request can write."""
        columns = ", ".join(f"(SELECT {what})" for what in WRITTEN.values())
        return dict(zip(WRITTEN, self.session.row(f"SELECT {columns}"), strict=True))

    def sign_in(self, **user: Any) -> SignedIn:
        """A user with a token."""
        return sign_in(self.database_url, HmacKeys(SECRET.encode()), **user)

    def signal(self) -> None:
        """Send SIGTERM: the first one begins the drain, the second one ends it."""
        self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it."""
        self.client.close()
        self.session.close()
        self.signal()
        self._process.wait(READY_SECONDS)
        check_log(self._log.read_text())

    def _listening(self) -> str | None:
        found = re.search(r"listening on (http://[^\s\"]+)", self._log.read_text())
        if self._process.poll() is not None:
            pytest.fail(f"the server ended with {self._process.returncode}:\n{self._log.read_text()}")
        return found and found[1]


def request(method: str, target: str, *headers: str, body: bytes | None = None) -> bytes:
    """A request with a Host and, where there is a body, its length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: mainstay", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def wait_for(condition: Callable[[], Any], seconds: float = READY_SECONDS) -> Any:
    """The first true value of `condition`; fails the test after some seconds."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if value := condition():
            return value
        pause.wait(0.01)
    pytest.fail(f"{condition} did not come true within {seconds} s")


@pytest.fixture(scope="session")
def start_server(
    postgres_url: str, template_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Server]]:
    """Starts servers, each on a database of its own, with the settings it is given."""
    session, started, template = Session(postgres_url), [], urlsplit(template_url).path[1:]

    def start(**settings: str) -> Server:
        name = f"test_{secrets.token_hex(6)}"
        session.row(f"CREATE DATABASE {name} TEMPLATE {template}")
        url = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        started.append((name, Server(tmp_path_factory.mktemp("server"), url, settings)))
        return started[-1][1]

    yield start
    for name, server in started:
        server.stop()
        session.row(f"DROP DATABASE {name} WITH (FORCE)")
    session.close()


@pytest.fixture(scope="session")
def server(start_server: Callable[..., Server]) -> Server:
    """The server of all tests that need none of their own. It has pet 1 at version 1, and no test changes that."""
    server = start_server(**SETTINGS)
    made = server.client.post("/pets", json={"name": "Mittens", "species": "cat"})
    assert made.headers["location"] == "/pets/1"
    return server


@pytest.fixture(scope="session", name="request_bytes")
def request_of() -> Callable[..., bytes]:
    """Makes the bytes of a request."""
    return request


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    """A connection to the module's server."""
    with server.call() as caller:
        yield caller


@pytest.fixture(scope="session")
def documented(server: Server) -> Callable[[str, str], set[int]]:
    """The statuses that the OpenAPI document gives an operation: method and path template."""
    paths = server.client.get("/openapi.json").json()["paths"]
    return lambda method, path: {int(status) for status in paths[path][method.lower()]["responses"]}


@pytest.fixture
def program() -> Callable[[Settings], AbstractAsyncContextManager[tuple[FastAPI, httpx.AsyncClient]]]:
    """The program in this process, with the settings it is given, and a client of it."""

    @asynccontextmanager
    async def program(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://a") as client,
        ):
            yield app, client

    return program
