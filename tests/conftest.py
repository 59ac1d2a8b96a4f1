"""What the tests stand on: a real PostgreSQL, a fresh database each, the program in this process or as one of its own.

`TEST_DATABASE_URL` names another server to make the databases on; without it each pytest process has an embedded one.
"""

import asyncio
import os
import resource
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg2
import pytest
from fastapi import FastAPI

from mainstay.app import create_app
from mainstay.app.database import MIGRATIONS
from mainstay.kernel.db.embedded import EmbeddedPostgres
from mainstay.settings import Settings, load_settings
from tests.leaks import check_log, leak

SetState = Callable[[FastAPI, str, Any], None]

READY_SECONDS = 15.0
"""How long a process may take to serve on a machine that is busy with other tests."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """No test passes during which the program has written a secret down."""
    return without_secrets((yield))


def without_secrets(report: pytest.TestReport) -> pytest.TestReport:
    """The report, failed where what was written holds a secret."""
    found = next(filter(None, (leak(text) for _, text in report.sections)), None)
    if found is not None and report.passed:
        report.outcome, report.longrepr = "failed", f"written down: {found}"
    return report


def database_named(url: str, name: str) -> str:
    """The same server's url with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def run_sql(url: str, *statements: str) -> None:
    """Run statements on a connection of its own, outside any event loop."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server on which databases can be made."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data", durable=False)
    url = server.start()
    yield url
    server.stop()


@pytest.fixture(scope="session")
def template_url(postgres_url: str) -> Iterator[str]:
    """A migrated database to copy: a copy costs 20 ms, migrating ten times that."""
    name = f"template_{secrets.token_hex(6)}"
    run_sql(postgres_url, f"CREATE DATABASE {name}")
    url = database_named(postgres_url, name)
    for kind in MIGRATIONS.values():
        asyncio.run(kind.up(url))
    yield url
    run_sql(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A database without a table."""
    name = f"test_{secrets.token_hex(6)}"
    run_sql(postgres_url, f"CREATE DATABASE {name}")
    yield database_named(postgres_url, name)
    run_sql(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def copied_database(postgres_url: str, template_url: str) -> Callable[[], AbstractContextManager[str]]:
    """Makes a migrated database without a row, for as long as a block lasts."""

    @contextmanager
    def copy() -> Iterator[str]:
        name = f"test_{secrets.token_hex(6)}"
        run_sql(postgres_url, f"CREATE DATABASE {name} TEMPLATE {urlsplit(template_url).path[1:]}")
        yield database_named(postgres_url, name)
        run_sql(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")

    return copy


@pytest.fixture
def database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """A migrated database without a row."""
    with copied_database() as url:
        yield url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings as a test wants them: nothing read from the machine's environment matters, nobody touches the outbox."""
    return load_settings(
        app_env="test",
        database_url=database_url,
        data_dir=tmp_path,
        migrate_on_start=False,
        relay=False,
        bcrypt_cost=4,  # the cheapest: 1 ms a hash
        rate_limits="none",
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The program, started, on a database of its own."""
    async with running(create_app(settings)) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the program without a socket."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
def set_state(monkeypatch: pytest.MonkeyPatch) -> SetState:
    """Gives an application's state another value for the length of a test.

    Not by `setattr`: pytest 9.2 puts back what stood in the object's own `__dict__`, and a State keeps its values in a
    dictionary behind it.
    """
    return lambda app, name, value: monkeypatch.setitem(vars(app.state)["_state"], name, value)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[FastAPI]:
    """Start an application and stop it at the end."""
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    """A client of an application in this process, with these headers in every call."""
    transport, hooks = httpx.ASGITransport(app, raise_app_exceptions=False), {"response": [plain_names]}
    return httpx.AsyncClient(transport=transport, base_url="http://mainstay", headers=headers, event_hooks=hooks)


async def plain_names(response: httpx.Response) -> None:
    """Without a server between, httpx meets header names that cannot be put into lower case, and finds none of them."""
    response.headers = httpx.Headers([(bytes(name), value) for name, value in response.headers.raw])


class ServerProcess:
    """`mainstay serve` as a user starts it, on a free port."""

    def __init__(self, folder: Path, arguments: tuple[str, ...] = (), **environment: str) -> None:
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG") if name in os.environ
        }
        self._log = (folder / f"server-{secrets.token_hex(4)}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mainstay", "serve", "--port", "0", *arguments],
            cwd=folder,
            env={**inherited, **environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.url = ""

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return Path(self._log.name).read_text()

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(READY_SECONDS)
        self._log.close()
        check_log(self.log)
        return code

    def __enter__(self) -> Self:
        """Wait until it says where it listens."""
        self.url = wait_for(self._listening)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, if the test has not."""
        self.stop()

    def _listening(self) -> str | None:
        if self.process.poll() is not None:
            pytest.fail(f"the server ended with {self.process.returncode}:\n{self.log}")
        _, marker, rest = self.log.partition("listening on ")
        return rest.split()[0] if marker and rest.split() else None


def wait_for(condition: Callable[[], Any], seconds: float = READY_SECONDS) -> Any:
    """The first true value of `condition`, asked again and again; fails the test after `seconds`."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        value = condition()
        if value:
            return value
        pause.wait(0.01)
    pytest.fail(f"{condition} did not come true within {seconds} s")


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = READY_SECONDS) -> Any:
    """As `wait_for`, for a coroutine function."""
    async with asyncio.timeout(seconds):
        while not (value := await condition()):
            await asyncio.sleep(0.01)
        return value


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts server processes on the test's database, and stops what is left of them."""
    started: list[ServerProcess] = []

    def start(*arguments: str, **environment: str) -> ServerProcess:
        defaults = {
            "APP_ENV": "test",
            "DATABASE_URL": database_url,
            "LOG_LEVEL": "INFO",
            "BCRYPT_COST": "4",
            "RATE_LIMITS": "none",
        }
        server = ServerProcess(tmp_path, arguments, **{**defaults, **environment})
        started.append(server)
        return server.__enter__()

    yield start
    for server in started:
        server.stop(signal.SIGKILL)


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them for thousands of connections, here and in the programs that are started."""
    wanted = 4_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        pytest.skip("the machine does not let one process have so many connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
