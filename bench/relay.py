"""`python -m bench.relay`: how fast the relay empties an outbox, and how soon an event is published."""

import argparse
import asyncio
import math
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import asyncpg

from mainstay.kernel.core.events import Event
from mainstay.kernel.core.sink import Message, Outcome, Refused
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db.embedded import EmbeddedPostgres
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.migrations import up
from mainstay.kernel.db.notify import Notifier
from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.db.unit import PostgresUnit

_PAYLOAD = '{"id": 7, "name": "Mittens", "species": "cat", "age_years": 2, "status": "available", "version": 1}'
_FILL = """
INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at, request_id)
SELECT '', gen_random_uuid(), 'pet', $2 || n % $3, n / $3 + 1, 'pet.updated', $4::jsonb, now(), gen_random_uuid()::text
FROM generate_series(0, $1 - 1) AS n ORDER BY n
"""
_EMPTY = "TRUNCATE outbox, outbox_sinks, outbox_deliveries"
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


async def measure(url: str, events: int, rate: int, seconds: int) -> None:
    """Print every figure."""
    await up(url)
    _, rate_alone = await drain(url, events, held=False)
    print(f"backlog of {events:,} events of 1,000 aggregates: {rate_alone:,.0f} published/s")
    passed, rate_behind = await drain(url, events, held=True)
    print(
        f"the same behind {events:,} of one that is refused: {rate_behind:,.0f}/s; those are passed at {passed:,.0f}/s"
    )
    for local in (True, False):
        await _execute(url, _EMPTY)
        found = await latency(url, rate, seconds, local=local)
        p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
        way = "in the same process" if local else "by NOTIFY"
        print(
            f"commit to publish at {rate}/s, woken {way}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {found[-1]:.1f} ms"
        )


def main() -> None:
    """Measure on a fresh, durable server."""
    parser = argparse.ArgumentParser(prog="python -m bench.relay", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="in the backlog (%(default)s)")
    parser.add_argument("--rate", type=int, default=200, help="commits a second (%(default)s)")
    parser.add_argument("--seconds", type=int, default=10, help="that these take (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mainstay-bench-") as folder:
        server = EmbeddedPostgres(Path(folder, "postgres"))
        url = server.start()
        try:
            asyncio.run(measure(url, options.events, options.rate, options.seconds))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
