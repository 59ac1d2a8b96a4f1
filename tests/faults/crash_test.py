"""`mainstay serve` on its embedded PostgreSQL, killed and stopped under load.

Whatever the moment: what a client was told stands, nothing stands by halves, and a retry gets the answer it missed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from mainstay.kernel.db.embedded import EmbeddedPostgres

CALLERS = 8
ANSWERS = 60
"""So many are waited for before a blow, at least: by then all callers are at it."""

Kept = tuple[int, bytes, str | None, str | None]
"""What a retry must get again: status, body, ETag, Location."""


@dataclass
class Ledger:
    """What the callers know: which keys they sent, and what they were told."""

    sent: list[str] = field(default_factory=list)
    told: dict[str, Kept] = field(default_factory=dict)
    halves: list[bytes] = field(default_factory=list)
    """Beginnings of answers that were broken off."""


class Program:
    """The server as a process, on a folder that outlives it."""

    def __init__(self, serve: Callable[..., Any], folder: Path) -> None:
        self._serve = serve
        self._folder = folder
        self._process: Any = None

    @property
    def url(self) -> str:
        """Where it listens."""
        url: str = self._process.url
        return url

    def start(self) -> None:
        """Start it, in a fresh folder or in what the last one left."""
        self._process = self._serve(DATABASE_URL="", DATA_DIR=str(self._folder))

    def end(self, how: int) -> int:
        """Send it a signal and wait for its end; the exit code."""
        code: int = self._process.stop(how)
        return code

    @property
    def postmaster(self) -> int:
        """The process of its PostgreSQL."""
        return int((self._folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """A session in its database."""
        shared = EmbeddedPostgres(self._folder / "postgres")
        session = await asyncpg.connect(shared.start())
        try:
            yield session
        finally:
            await session.close()
            shared.stop()


@pytest.fixture
def program(serve: Callable[..., Any], tmp_path: Path) -> Program:
    """Started, in a fresh folder."""
    if sys.platform != "linux":
        pytest.skip("only there does the embedded PostgreSQL end with its owner at once")
    program = Program(serve, tmp_path / "data")
    program.start()
    return program


def request(key: str) -> bytes:
    body = b'{"name":"%s","species":"cat"}' % key.encode()
    head = "POST /pets HTTP/1.1\r\nHost: mainstay\r\nContent-Type: application/json\r\nIdempotency-Key: {}\r\n"
    return head.format(key).encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def answer(reader: asyncio.StreamReader) -> tuple[Kept, bool]:
    """Read a whole answer, and whether it is the last; raises IncompleteReadError where it breaks off."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    try:
        body = await reader.readexactly(int(headers["content-length"]))
    except asyncio.IncompleteReadError as error:
        raise asyncio.IncompleteReadError(head + error.partial, None) from error
    kept = int(status.split()[1]), body, headers.get("etag"), headers.get("location")
    return kept, headers.get("connection") == "close"


async def call(url: str, keys: "count[int]", ledger: Ledger) -> None:
    """Create pet after pet on one connection after the other, until nobody listens any more."""
    host, port = url.removeprefix("http://").split(":")
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        try:
            last = False
            while not last:
                key = f"key-{next(keys)}"
                ledger.sent.append(key)
                writer.write(request(key))
                told, last = await answer(reader)
                if told[0] == 201:
                    ledger.told[key] = told
        except asyncio.IncompleteReadError as error:
            ledger.halves += [error.partial] if error.partial else []
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def load(program: Program, keys: "count[int]", ledger: Ledger) -> AsyncIterator[None]:
    """All callers at it; a block within begins when they have had some answers, and is to end the program."""
    before = len(ledger.told)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(call(program.url, keys, ledger))
        while len(ledger.told) < before + ANSWERS:
            await asyncio.sleep(0.001)
        yield


async def assert_whole(program: Program, ledger: Ledger) -> None:
    """Every pet has its event and its key, no event or key is without its pet, and who was told so has a pet."""
    async with program.session() as session:
        pets = {row["id"]: row["name"] for row in await session.fetch("SELECT id, name FROM pets")}
        events = [row[0] for row in await session.fetch("SELECT aggregateid FROM outbox WHERE type = 'pet.created'")]
        keys = [row[0] for row in await session.fetch("SELECT key FROM idempotency_keys")]
    assert sorted(events) == sorted(map(str, pets))
    assert sorted(keys) == sorted(pets.values())
    assert ledger.told.keys() <= set(keys) <= set(ledger.sent)


async def retry_all(program: Program, ledger: Ledger, keys: list[str]) -> None:
    """A retry of what was told gets the same once more; one of what was not makes up for it, and only once."""
    limits = httpx.Limits(max_connections=CALLERS)
    async with httpx.AsyncClient(base_url=program.url, limits=limits, timeout=30) as client:

        async def retry(key: str) -> None:
            for _ in range(2):
                body = {"name": key, "species": "cat"}
                got = await client.post("/pets", json=body, headers={"Idempotency-Key": key})
                kept = got.status_code, got.content, got.headers["etag"], got.headers["location"]
                assert kept == ledger.told.setdefault(key, kept)
            assert got.headers["idempotency-replayed"] == "true"

        await asyncio.gather(*(retry(key) for key in keys))


async def assert_gone(postmaster: int) -> None:
    """The database ends with the program, however that ended."""
    async with asyncio.timeout(2):
        while command_line(postmaster):
            await asyncio.sleep(0.005)


def command_line(process: int) -> bytes:
    """Empty where it has ended, also where nobody has buried it yet."""
    try:
        return Path("/proc", str(process), "cmdline").read_bytes()
    except OSError:
        return b""


async def crash_again_and_again(program: Program, rounds: int) -> None:
    keys, ledger = count(), Ledger()
    for number in range(rounds):
        sent_before = len(ledger.sent)
        async with load(program, keys, ledger):
            postmaster = program.postmaster
            if number % 2:  # the database too, and first: its commits are cut short
                os.kill(postmaster, signal.SIGKILL)
            program.end(signal.SIGKILL)
            await assert_gone(postmaster)
        program.start()
        await assert_whole(program, ledger)
        await retry_all(program, ledger, ledger.sent[sent_before:])
    await assert_whole(program, ledger)
    assert ledger.told.keys() == set(ledger.sent)


async def test_a_killed_server_loses_nothing_and_does_nothing_by_halves(program: Program) -> None:
    await crash_again_and_again(program, rounds=3)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_server_killed_fifty_times_loses_nothing_and_does_nothing_by_halves(program: Program) -> None:
    await crash_again_and_again(program, rounds=50)


async def test_a_stopped_server_breaks_off_no_answer(program: Program) -> None:
    keys, ledger = count(), Ledger()
    async with load(program, keys, ledger):
        postmaster = program.postmaster
        code = await asyncio.to_thread(program.end, signal.SIGTERM)
        await assert_gone(postmaster)
    assert code == 0
    assert ledger.halves == []
    program.start()
    await assert_whole(program, ledger)
    unheard = [key for key in ledger.sent if key not in ledger.told]
    assert len(unheard) <= CALLERS
    await retry_all(program, ledger, unheard)
