"""What the tests of the embedded PostgreSQL share: a cluster, its clients, and processes to kill."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from mainstay.kernel.db.embedded import EmbeddedPostgres, binary


class Psql:
    """psql, as a function of a URL and a statement."""

    def __call__(self, url: str, statement: str) -> str:
        """What it prints; for an error, that word and what it complains of."""
        command = [str(binary("psql")), url, "--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "-c", statement]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        return told.stdout.strip() if told.returncode == 0 else f"error: {told.stderr}"

    def answers(self, url: str) -> bool:
        """Whether there is a server."""
        return self(url, "SELECT 1") == "1"

    def pid(self, url: str) -> int:
        """The server's."""
        return int(self(url, "SELECT pg_read_file('postmaster.pid')").splitlines()[0])

    def note(self, url: str, text: str) -> None:
        """Store a line."""
        assert self(url, f"INSERT INTO notes VALUES ('{text}')") == ""

    def notes(self, url: str) -> list[str]:
        """All lines stored."""
        return self(url, "SELECT text FROM notes").splitlines()


class Child:
    """Another process with a server in the folder."""

    def __init__(self, folder: Path, *arguments: str, uid: int | None = None, **environment: str) -> None:
        as_user = [] if uid is None else ["--uid", str(uid)]
        inherited = {} if as_user else dict(os.environ)  # another user cannot write where coverage is measured
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("child.py"), folder, *as_user, *arguments],
            cwd="/",
            env={**inherited, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def url(self) -> str:
        """What its `start` returns, once it does."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self) -> str:
        """Let it stop its server and end; its complaint, if any."""
        return self.process.communicate(timeout=20)[1]

    def kill(self, how: int) -> None:
        """End it by a signal."""
        self.process.send_signal(how)
        self.process.communicate(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever the test came to, nothing is left running."""
        self.process.kill()
        self.process.communicate(timeout=20)


def _eventually(condition: Callable[[], object], seconds: float = 10.0) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() < begin + seconds, "it did not come true in time"
        time.sleep(0.005)
    return time.monotonic() - begin


Spawn = type[Child]
Eventually = Callable[[Callable[[], object]], float]


@pytest.fixture
def psql() -> Psql:
    """A client."""
    return Psql()


@pytest.fixture
def spawn() -> Spawn:
    """Starts other processes."""
    return Child


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition is true and returns the seconds that took."""
    return _eventually


@pytest.fixture
def home() -> Iterator[Path]:
    """A temporary folder that every user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="embedded test ") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A stopped cluster with a note in it. One for all: making or copying one takes most of a second."""
    with tempfile.TemporaryDirectory(prefix="embedded test ") as name:
        Path(name).chmod(0o755)
        server = EmbeddedPostgres(Path(name, "postgres"), durable=False)
        Psql()(server.start(), "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')")
        server.stop()
        yield Path(name, "postgres")


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """On that cluster, of this process, not started."""
    server = EmbeddedPostgres(folder, durable=False)
    yield server
    server.stop()
    shutil.rmtree(server._sockets, ignore_errors=True)  # noqa: SLF001  (what a failed test put there)
