"""What the relay asks of the database, all of it on the one session that holds its lock."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg

from mainstay.kernel.core.envelope import LoggedEvent, message
from mainstay.kernel.core.sink import Message
from mainstay.kernel.db.relay import sql


class Aggregate(NamedTuple):
    """What events are in order of."""

    tenant: str
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An event for one sink."""

    position: int
    aggregate: Aggregate
    message: Message
    attempts: int = 0
    held: bool = False
    """An earlier event of the aggregate waits: this one comes after it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that was not taken, and what is to be done about it."""

    entry: Entry
    attempts: int
    delay: float | None = None
    """Seconds until the next attempt; None where none is planned."""
    dead: bool = False
    error: str | None = None


class OutboxRepository:
    """The relay's reads and marks. Its callers take turns on the session."""

    def __init__(self, session: asyncpg.Connection) -> None:
        self._session = session
        self._turn = asyncio.Lock()

    async def stamp(self, limit: int) -> int:
        """Give the next pending events their positions, in the order of their sequence numbers; how many there were."""
        return await self._execute(sql.STAMP, limit)

    async def register(self, sinks: Sequence[str]) -> None:
        """Let sinks that are new begin where the foremost of the others has got to."""
        await self._fetch(sql.REGISTER, sinks)

    async def state(self, sink: str) -> tuple[int, bool]:
        """How far a sink has got, and whether it is disabled."""
        ((position, disabled),) = await self._fetch(sql.STATE, sink)
        return position, disabled

    async def disable(self, sink: str, error: str) -> None:
        """Send it nothing until an operator says so."""
        await self._fetch(sql.DISABLE, sink, error)

    async def ahead(self, sink: str, position: int, limit: int) -> list[Entry]:
        """What comes after a position."""
        return _entries(await self._fetch(sql.AHEAD, sink, position, limit))

    async def due(self, sink: str, limit: int) -> list[Entry]:
        """What is to be tried again now, no two of one aggregate unless an operator revived one."""
        return _entries(await self._fetch(sql.DUE, sink, limit))

    async def held(self, sink: str, aggregates: Collection[Aggregate], limit: int) -> list[Entry]:
        """What waits behind the first deliveries of the aggregates, the earliest first, some of each."""
        share = max(1, limit // len(aggregates))
        return _entries(await self._fetch(sql.HELD, sink, *_columns(aggregates, 3), share))

    async def advance(self, sink: str, position: int, taken: Sequence[Entry], deliveries: Sequence[Delivery]) -> None:
        """Move a sink on, and note what it has not taken on the way: at once, so neither is there without the other."""
        rows = (
            (d.entry.position, d.entry.message.id, *d.entry.aggregate, d.attempts, d.delay, d.dead, d.error)
            for d in deliveries
        )
        await self._fetch(sql.ADVANCE, sink, position, *_columns(rows, 9), *_counts(taken, deliveries))

    async def settle(
        self, sink: str, taken: Sequence[Entry], tried: Sequence[Delivery], freed: Mapping[Aggregate, int]
    ) -> None:
        """Forget the deliveries that were taken, note the attempts of others.

        Of the aggregates that are `freed`, the first delivery after the position is due next.
        """
        rows = ((d.entry.position, d.attempts, d.delay, d.dead, d.error) for d in tried)
        after = ((*aggregate, position) for aggregate, position in freed.items())
        positions = [entry.position for entry in taken]
        counts = _counts(taken, tried)
        await self._fetch(sql.SETTLE, sink, positions, *_columns(rows, 5), *_columns(after, 4), *counts)

    async def purge_events(
        self, sinks: Sequence[str], *, keep: timedelta, after: int, limit: int
    ) -> tuple[int, int, int]:
        """Of the log's next page, delete the events that are old, seen by all these sinks, and tried no more.

        Answers the page's last position, how many events of it are old, and how many of those were deleted.
        """
        ((last, old, deleted),) = await self._fetch(sql.PURGE_EVENTS, sinks, keep, after, limit)
        return last, old, deleted

    async def purge_keys(self, *, keep: timedelta, limit: int) -> int:
        """Delete the oldest answers to idempotency keys, where they are older than is to be kept; how many."""
        return await self._execute(sql.PURGE_KEYS, keep, limit)

    async def _execute(self, text: str, *arguments: Any) -> int:
        """How many rows it wrote."""
        async with self._turn:
            return int((await self._session.execute(text, *arguments)).split()[-1])

    async def _fetch(self, text: str, *arguments: Any) -> list[Sequence[Any]]:
        async with self._turn:
            rows: list[Sequence[Any]] = await self._session.fetch(text, *arguments)
            return rows


def _counts(taken: Sequence[Entry], deliveries: Sequence[Delivery]) -> tuple[int, float, int, int]:
    """Events that were taken, the seconds since they happened, all together; attempts refused, and events given up."""
    at = time.time()
    lag = sum(max(0.0, at - entry.message.occurred_at.timestamp()) for entry in taken)
    tried = [delivery for delivery in deliveries if delivery.attempts]
    return len(taken), lag, len(tried), sum(delivery.dead for delivery in tried)


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that unnest takes."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _entries(rows: Iterable[Sequence[Any]]) -> list[Entry]:
    return [_entry(LoggedEvent(*row[:-2]), *row[-2:]) for row in rows]


def _entry(event: LoggedEvent, attempts: int, held: bool) -> Entry:  # noqa: FBT001 - a column
    aggregate = Aggregate(event.tenant, event.aggregate_type, event.aggregate_id)
    return Entry(event.position, aggregate, message(event), attempts, held)
