"""`python -m bench.relay`: how fast the relay empties an outbox, and how soon an event is published."""

import argparse
import asyncio
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Self

import asyncpg

from bench.finding import Finding, exit_code, table
from bench.measure import postgres
from bench.server import free_port
from mainstay.kernel.core.events import Event
from mainstay.kernel.core.sink import Message, Outcome, Refused, Unusable
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.migrations import up
from mainstay.kernel.db.notify import Notifier
from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.sinks.nats import NatsSink

_PAYLOAD = '{"id": 7, "name": "Mittens", "species": "cat", "age_years": 2, "status": "available", "version": 1}'
_FILL = """
INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at, request_id)
SELECT '', gen_random_uuid(), 'pet', $2 || n % $3, n / $3 + 1, 'pet.updated', $4::jsonb, now(), gen_random_uuid()::text
FROM generate_series(0, $1 - 1) AS n ORDER BY n
"""
_EMPTY = "TRUNCATE outbox, outbox_sinks, outbox_deliveries"
EVENTS = 30_000
"""A second, from a backlog into a sink that does nothing."""
NATS = 5_000
"""A second, into NATS."""
PUBLISHED = 5.0
"""Milliseconds from a commit until its event is with the sink, for half of them."""
_REFUSED = "held "
_OTHERS = "pet-"


class PetUpdated(Event):
    """What is committed."""

    type = "pet.updated"


class NullSink:
    """Takes everything but one aggregate, and does nothing with it."""

    name = "null"

    def __init__(self) -> None:
        self.taken = 0
        self.published: dict[str, float] = {}
        """When the first message of each aggregate was."""

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """See Sink."""
        outcomes: list[Outcome] = [
            Refused("no") if message.aggregate_id.startswith(_REFUSED) else None for message in messages
        ]
        now = time.perf_counter()
        for message, outcome in zip(messages, outcomes, strict=True):
            if outcome is None:
                self.taken += 1
                self.published.setdefault(message.aggregate_id, now)
        return outcomes


async def drain(url: str, events: int, *, held: bool) -> tuple[float, float]:
    """Events a second of a thousand aggregates; where `held`, behind as many of one that is refused.

    The first figure is of those that are held, the second of those that are published.
    """
    await _execute(url, _EMPTY)
    passed = await _empty(url, events, _REFUSED, 1) if held else math.nan
    return passed, await _empty(url, events, _OTHERS, 1000)


async def _empty(url: str, events: int, aggregates: str, count: int) -> float:
    """Fill the outbox with events of so many aggregates, then relay them; events a second."""
    await _execute(url, _FILL, events, aggregates, count, _PAYLOAD)
    await _execute(url, "VACUUM ANALYZE outbox")
    await _execute(url, "CHECKPOINT")
    sink = NullSink()
    began = time.perf_counter()
    await Relay(url, [sink]).run_once()
    seconds = time.perf_counter() - began
    if sink.taken != (0 if aggregates == _REFUSED else events):
        raise SystemExit(f"{sink.taken} of {events} events were published")
    return events / seconds


async def _execute(url: str, statement: str, *arguments: object) -> None:
    session = await asyncpg.connect(url)
    try:
        await session.execute(statement, *arguments)
    finally:
        await session.close()


async def latency(url: str, rate: int, seconds: int, *, local: bool) -> list[float]:
    """Milliseconds from the return of each commit until its event is with the sink."""
    committed: dict[str, float] = {}
    sink = NullSink()
    published = sink.published
    relay = Relay(url, [sink])
    async with _started(relay), Database(url) as database, Notifier(database, relay if local else None):

        async def write(number: int) -> None:
            unit = PostgresUnit(database)
            unit.emit(PetUpdated(aggregate_id=f"{number}", aggregate_version=1, data={"name": "Mittens"}))
            await unit.commit(Reply(200, b""), None)
            committed[str(number)] = time.perf_counter()

        began, writes = time.perf_counter(), []
        for number in range(rate * seconds):
            await asyncio.sleep(began + number / rate - time.perf_counter())
            writes.append(asyncio.create_task(write(number)))
        await asyncio.gather(*writes)
        await asyncio.sleep(1)  # the relay's own look finds what it was not told of
    if len(published) < len(committed):
        raise SystemExit(f"{len(committed) - len(published)} events were not published")
    return sorted(max(0.0, published[number] - at) * 1000 for number, at in committed.items())


@asynccontextmanager
async def _started(relay: Relay) -> AsyncIterator[None]:
    async with relay.running():
        while not relay.is_active:  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0.01)
        yield


async def measure(url: str, events: int, rate: int, seconds: int) -> list[Finding]:
    """Every figure."""
    await up(url)
    _, alone = await drain(url, events, held=False)
    passed, behind = await drain(url, events, held=True)
    found = [
        _throughput(f"relay, a backlog of {events:,} events of 1,000 aggregates", EVENTS, alone),
        _throughput(f"the same behind {events:,} of one that is refused (passed at {passed:,.0f}/s)", EVENTS, behind),
        await to_nats(url, events // 4),
    ]
    for local, way in ((True, "in the same process"), (False, "by NOTIFY")):
        await _execute(url, _EMPTY)
        late = await latency(url, rate, seconds, local=local)
        p50, p99 = statistics.median(late), late[int(len(late) * 0.99)]
        what = f"commit to publish at {rate}/s, the relay woken {way}, p50"
        told = f"{p50:.1f} ms (p99 {p99:.1f}, the latest {late[-1]:.1f})"
        found.append(Finding(what, f"{PUBLISHED:g} ms", told, p50 <= PUBLISHED))
    return found


async def to_nats(url: str, events: int) -> Finding:
    """A backlog into NATS JetStream on the disk of this machine; needs `nats-server` (scripts/install-brokers)."""
    what = f"relay, {events:,} events into NATS JetStream"
    program = shutil.which("nats-server")
    if program is None:
        return Finding(what, f"{NATS:,} events a second", "nats-server is missing: scripts/install-brokers", None)
    await _execute(url, _EMPTY)
    await _execute(url, _FILL, events, _OTHERS, 1000, _PAYLOAD)
    with _nats(program) as url_of_nats:
        sink = NatsSink([url_of_nats], "bench", "BENCH")
        await _until_ready(sink)
        await Relay(url, [sink]).run_once()  # finds that there is no stream: what comes next makes it
        began = time.perf_counter()
        counts = await Relay(url, [sink]).run_once()
        seconds = time.perf_counter() - began
    if counts is None or counts.taken != events:
        raise SystemExit(f"not all of {events} events were published: {counts}")
    return _throughput(what, NATS, events / seconds)


@contextmanager
def _nats(program: str) -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mainstay-bench-") as folder:
        where = ("-a", "127.0.0.1", "-p", str(port), "-sd", folder, "-l", f"{folder}/log")
        server = subprocess.Popen([program, "-js", *where])
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


async def _until_ready(sink: NatsSink) -> None:
    for _ in range(100):
        try:
            await sink.check(["pet"])
        except Unusable:
            await asyncio.sleep(0.1)
        else:
            return
    raise SystemExit("nats-server does not start")


def _throughput(what: str, target: int, rate: float) -> Finding:
    return Finding(what, f"{target:,} events a second", f"{rate:,.0f}", rate >= target)


def run(events: int, rate: int = 200, seconds: int = 10) -> list[Finding]:
    """On a fresh, durable server."""
    with postgres() as (url, _):
        return asyncio.run(measure(url, events, rate, seconds))


def find(*, long: bool) -> list[Finding]:
    """Measure."""
    return run(200_000, seconds=10 if long else 5)


def main() -> int:
    """Measure and print. Returns 0 where nothing is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.relay", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="in the backlog (%(default)s)")
    parser.add_argument("--rate", type=int, default=200, help="commits a second (%(default)s)")
    parser.add_argument("--seconds", type=int, default=10, help="that these take (%(default)s)")
    options = parser.parse_args()
    found = run(options.events, options.rate, options.seconds)
    print(table(found))
    return exit_code(found)


if __name__ == "__main__":
    sys.exit(main())
