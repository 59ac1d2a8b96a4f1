"""One sink's way through the log: what lies ahead of it, and what it left behind."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mainstay.kernel.core.sink import Away, Gone, Refused, Sink
from mainstay.kernel.db.relay import backoff
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.repository import Aggregate, Delivery, Entry, OutboxRepository
from mainstay.kernel.db.relay.waves import Sent, send

logger = logging.getLogger(__name__)

_REASON_CHARACTERS = 500


@dataclass(slots=True)
class Counts:
    """What was done."""

    taken: int = 0
    refused: int = 0
    dead: int = 0


class SinkLoop:
    """Hands one sink its events. It alone moves the sink's position, so it knows it."""

    def __init__(
        self, sink: Sink, repository: OutboxRepository, options: RelayOptions, stopping: asyncio.Event
    ) -> None:
        self.news = asyncio.Event()
        """Set when there are new positions, and to have the loop look whether it is to stop."""
        self.counts = Counts()
        self.is_sending = False
        """The sink is at work, not the database."""
        self._sink = sink
        self._repository = repository
        self._stopping = stopping
        self._options = options
        self._position: int | None = None  # None: look it up
        self._pause: float | None = None
        self._failures = 0

    async def run(self) -> None:
        """Deliver until stopped; the batch at hand is brought to its end."""
        while not self._stopping.is_set():
            self.news.clear()
            more = await self.step()
            if self._pause is not None:
                await _wait(self._stopping, self._pause)
            elif not more:
                await _wait(self.news, self._options.poll)

    async def step(self) -> bool:
        """Deliver one batch of what is ahead and one of what is due behind; whether there may be more to do at once."""
        self._pause = None
        if self._position is None:
            position, disabled = await self._repository.state(self._sink.name)
            if disabled:
                return False
            self._position = position
        ahead = await self._go_ahead(self._position)
        behind = self._is_open and await self._catch_up()
        return self._is_open and (ahead or behind)

    @property
    def _is_open(self) -> bool:
        return self._pause is None and self._position is not None and not self._stopping.is_set()

    async def _go_ahead(self, position: int) -> bool:
        """What comes after the position. All of a batch is noted in one statement, or, if the sink is away, nothing."""
        batch = await self._repository.ahead(self._sink.name, position, self._options.batch)
        sent = await self._send([entry for entry in batch if not entry.held])
        end = self._end(batch, sent)
        if end is not None:
            taken = [entry for entry in batch if sent.outcomes.get(entry.position, _NOT_SENT) is None]
            await self._repository.advance(self._sink.name, end, taken, self._left_behind(batch, sent, end))
            self._position = end
        await self._react(sent)
        return len(batch) == self._options.batch

    def _end(self, batch: Sequence[Entry], sent: Sent) -> int | None:
        """How far the sink has got: where sending ended early, up to the last event that it took or refused."""
        if sent.ended or self._stopping.is_set():
            return max(sent.settled, default=None)
        return batch[-1].position if batch else None

    def _left_behind(self, batch: Sequence[Entry], sent: Sent, end: int) -> list[Delivery]:
        """What was not taken, up to `end`: one that was refused, or for which the sink was away, and what is behind."""
        left: list[Delivery] = []
        waiting: set[Aggregate] = set()
        for entry in batch:
            outcome = sent.outcomes.get(entry.position, _NOT_SENT)
            if entry.position > end or outcome is None:
                continue
            if isinstance(outcome, Refused):
                delivery = self._after(entry, outcome)
            elif entry.held or entry.aggregate in waiting:
                delivery = Delivery(entry, attempts=0)
            else:
                delivery = Delivery(entry, attempts=0, delay=0)
            if not delivery.dead:
                waiting.add(entry.aggregate)
            left.append(delivery)
        return left

    async def _catch_up(self) -> bool:
        """What is due behind the position, then what waits behind that and may follow now."""
        due = await self._repository.due(self._sink.name, self._options.batch)
        if not due:
            return False
        sent = await self._send(due)
        entries = {entry.position: entry for entry in due}
        taken = {entry.aggregate for entry in due} - {
            entry.aggregate for entry in due if sent.outcomes.get(entry.position, _NOT_SENT) is not None
        }
        if taken and not sent.ended:
            held = await self._repository.held(self._sink.name, taken, self._options.batch)
            entries |= {entry.position: entry for entry in held}
            followed = await self._send(held)
            sent = Sent(sent.outcomes | followed.outcomes, followed.ended)
        await self._settle(entries, sent)
        await self._react(sent)
        return bool(sent.settled)  # what follows them is due now

    async def _settle(self, entries: dict[int, Entry], sent: Sent) -> None:
        tried: list[Delivery] = []
        freed: dict[Aggregate, int] = {}
        waiting: set[Aggregate] = set()
        for position in sorted(sent.settled):
            entry, outcome = entries[position], sent.outcomes[position]
            freed[entry.aggregate] = position
            if isinstance(outcome, Refused):
                tried.append(self._after(entry, outcome))
                if not tried[-1].dead:
                    waiting.add(entry.aggregate)
        if freed:
            taken = [entries[position] for position in sent.settled if sent.outcomes[position] is None]
            freed = {aggregate: position for aggregate, position in freed.items() if aggregate not in waiting}
            await self._repository.settle(self._sink.name, taken, tried, freed)

    async def _send(self, entries: Sequence[Entry]) -> Sent:
        self.is_sending = True
        try:
            sent = await send(self._sink, entries, self._stopping.is_set)
        finally:
            self.is_sending = False
        self.counts.taken += sum(outcome is None for outcome in sent.outcomes.values())
        return sent

    def _after(self, entry: Entry, refused: Refused) -> Delivery:
        """The delivery after one more attempt."""
        attempts, error = entry.attempts + 1, _reason(refused)
        self.counts.refused += 1
        if attempts < self._options.max_attempts:
            return Delivery(entry, attempts, delay=backoff.refused(attempts), error=error)
        self.counts.dead += 1
        logger.error(
            "sink %s: %s is given up after %d attempts: %s", self._sink.name, entry.message.id, attempts, error
        )
        return Delivery(entry, attempts, dead=True, error=error)

    async def _react(self, sent: Sent) -> None:
        """Leave a sink alone that takes nothing."""
        if isinstance(sent.ended, Gone):
            logger.error("sink %s wants no more events: %s", self._sink.name, _reason(sent.ended))
            await self._repository.disable(self._sink.name, _reason(sent.ended))
            self._position = None
        elif isinstance(sent.ended, Away):
            self._failures += 1
            self._pause = backoff.away(self._failures, sent.ended.retry_after)
            if self._failures == 1:
                logger.warning("sink %s is away, its events wait: %s", self._sink.name, _reason(sent.ended))
        elif sent.outcomes and self._failures:
            self._failures = 0
            logger.info("sink %s is back", self._sink.name)


_NOT_SENT = Away("not sent")


def _reason(error: Exception) -> str:
    """What a sink said, as a column can hold it: whatever it is, it must not keep the relay from its work."""
    text = str(error) or type(error).__name__
    return text[:_REASON_CHARACTERS].encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
