"""Relays as processes, killed at the worst moment, while writers commit as irregularly as they can.

Nothing is lost, an aggregate's events come in order, and what comes twice has the same id.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

SCRIPT = Path(__file__).with_name("relay_process.py")
AGGREGATES = 6
WRITERS = 8
# The row's lock, then the sequence number, then the commit: with pauses, so that numbers are seen in another order.
WRITE = """
DO $$
DECLARE next bigint; which int := {which};
BEGIN
    UPDATE toy_counters SET version = version + 1 WHERE id = which RETURNING version INTO next;
    INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
    VALUES ('', gen_random_uuid(), 'counter', which::text, next, 'counter.raised', '{{}}', now());
    PERFORM pg_sleep({pause});
END $$
"""


class Line(NamedTuple):
    """What a relay has published."""

    process: int
    aggregate: str
    version: int
    event: str


class Relays:
    """Processes on one database, and the file that they publish into."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._file = folder / "published"
        self._file.touch()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, hang_at: int = 0) -> subprocess.Popen[bytes]:
        """Start one more."""
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG") if name in os.environ
        }
        command = [sys.executable, str(SCRIPT), self._url, str(self._file), str(hang_at)]
        process = subprocess.Popen(command, env=inherited)
        self.processes.append(process)
        return process

    def lines(self) -> list[Line]:
        """All that was published, in its order."""
        found = (line.split() for line in self._file.read_text().splitlines() if not line.endswith("hangs"))
        return [Line(int(process), aggregate, int(version), event) for process, aggregate, version, event in found]

    def hangs(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it has published what it will never note."""
        return f"{process.pid} hangs" in self._file.read_text().splitlines()

    def has_published(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it is the active one."""
        return any(line.process == process.pid for line in self.lines())

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End it as a power cut does."""
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def relays(database_url: str, tmp_path: Path) -> Iterator[Relays]:
    """None is left after the test."""
    relays = Relays(database_url, tmp_path)
    yield relays
    for process in relays.processes:
        relays.kill(process)


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """With counters, whose changes are the events."""
    session = await asyncpg.connect(database_url)
    await session.execute("CREATE TABLE toy_counters (id int PRIMARY KEY, version bigint NOT NULL DEFAULT 0)")
    await session.execute("INSERT INTO toy_counters SELECT generate_series(1, $1)", AGGREGATES)
    yield session
    await session.close()


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[None]:
    """Writers at work while a block lasts."""
    ended = asyncio.Event()

    async def write() -> None:
        session = await asyncpg.connect(url)
        while not ended.is_set():
            pause = random.choice([0, 0, 0.002, 0.02])  # noqa: S311 - no secret
            await session.execute(WRITE.format(which=random.randint(1, AGGREGATES), pause=pause))  # noqa: S311 - no secret
        await session.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(write())
        yield
        ended.set()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def assert_all_in_order(relays: Relays, session: asyncpg.Connection) -> None:
    """What came first of each event is all that was committed, in the order of the versions."""
    committed = dict(await session.fetch("SELECT id::text, aggregateid || ' ' || aggregateversion FROM outbox"))
    await until(lambda: {line.event for line in relays.lines()} == committed.keys())
    order: dict[str, list[int]] = defaultdict(list)
    seen = set()
    for line in relays.lines():
        assert committed[line.event] == f"{line.aggregate} {line.version}"
        if line.event not in seen:
            order[line.aggregate].append(line.version)
        seen.add(line.event)
    versions = dict(await session.fetch("SELECT id::text, version FROM toy_counters WHERE version > 0"))
    assert order == {aggregate: list(range(1, last + 1)) for aggregate, last in versions.items()}


async def kill_again_and_again(url: str, relays: Relays, session: asyncpg.Connection, rounds: int) -> None:
    """Every second time between publish and mark, else at any moment."""
    twice = 0
    for number in range(rounds):
        hangs = number % 2 == 0
        async with writing(url):
            process = relays.start(hang_at=random.randint(1, 6) if hangs else 0)  # noqa: S311 - no secret
            await until(lambda: (relays.hangs if hangs else relays.has_published)(process))  # noqa: B023 - awaited here
            relays.kill(process)
        twice += hangs
    relays.start()
    await assert_all_in_order(relays, session)
    assert len(relays.lines()) >= await session.fetchval("SELECT count(*) FROM outbox") + twice


async def test_a_relay_killed_between_publish_and_mark_loses_nothing(
    database_url: str, relays: Relays, session: asyncpg.Connection
) -> None:
    await kill_again_and_again(database_url, relays, session, rounds=3)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_relay_killed_fifty_times_between_publish_and_mark_loses_nothing(
    database_url: str, relays: Relays, session: asyncpg.Connection
) -> None:
    await kill_again_and_again(database_url, relays, session, rounds=100)


async def fail_over(url: str, relays: Relays, session: asyncpg.Connection, rounds: int) -> None:
    """Two run; again and again the active one is killed and a new one started."""
    standby = relays.start()
    await until(lambda: relays.has_published(standby))
    async with writing(url):
        for _ in range(rounds):
            active, standby = standby, relays.start()
            await until(lambda: relays.has_published(active))  # noqa: B023 - awaited here
            relays.kill(active)
            await until(lambda: relays.has_published(standby))  # noqa: B023 - the same
    await assert_all_in_order(relays, session)


async def test_another_relay_takes_over_from_one_that_is_killed(
    database_url: str, relays: Relays, session: asyncpg.Connection
) -> None:
    await session.execute(WRITE.format(which=1, pause=0))
    await fail_over(database_url, relays, session, rounds=1)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_another_relay_takes_over_twenty_times(
    database_url: str, relays: Relays, session: asyncpg.Connection
) -> None:
    await session.execute(WRITE.format(which=1, pause=0))
    await fail_over(database_url, relays, session, rounds=20)
