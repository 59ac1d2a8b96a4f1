"""Sending events in waves: in one wave every event is of another aggregate, so that each keeps its own order."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mainstay.kernel.core.sink import Away, Gone, Outcome, Refused, Sink
from mainstay.kernel.db.relay.repository import Aggregate, Entry

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Sent:
    """What became of events, by position. One that is missing was not sent."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    ended: Away | Gone | None = None
    """Why sending ended early, where the sink was the reason."""

    @property
    def settled(self) -> list[int]:
        """Positions of what was taken or refused."""
        return [at for at, outcome in self.outcomes.items() if outcome is None or isinstance(outcome, Refused)]


async def send(sink: Sink, entries: Sequence[Entry], is_stopped: Callable[[], bool]) -> Sent:
    """Send entries, given in the order of their positions, wave by wave.

    The rest of an aggregate is not sent once an entry of it was not taken, nor anything once the sink is away or gone,
    or `is_stopped` says so.
    """
    sent = Sent()
    waves = _Waves(entries)
    for wave in waves:
        if is_stopped():
            break
        outcomes = await _publish(sink, wave)
        for entry, outcome in zip(wave, outcomes, strict=True):
            sent.outcomes[entry.position] = outcome
            if outcome is not None:
                waves.drop(entry.aggregate)
        ends = [outcome for outcome in outcomes if isinstance(outcome, (Away, Gone))]
        if ends:
            sent.ended = next((end for end in ends if isinstance(end, Gone)), ends[0])
            break
    return sent


async def _publish(sink: Sink, wave: Sequence[Entry]) -> Sequence[Outcome]:
    """What the sink says; for one whose code fails, that it is away: it takes nothing until it is mended."""
    try:
        outcomes = await sink.publish([entry.message for entry in wave])
        if len(outcomes) != len(wave):
            raise ValueError(f"{len(outcomes)} outcomes for {len(wave)} messages")  # noqa: TRY301 - handled like others
    except Exception as error:
        logger.exception("sink %s failed", sink.name)
        return [Away(type(error).__name__)] * len(wave)
    return outcomes


class _Waves:
    """The first entry of each aggregate, then the second of each, and so on."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._queues: dict[Aggregate, list[Entry]] = {}
        for entry in reversed(entries):
            self._queues.setdefault(entry.aggregate, []).append(entry)

    def drop(self, aggregate: Aggregate) -> None:
        """Leave out what is left of it."""
        self._queues.pop(aggregate, None)

    def __iter__(self) -> Iterator[Sequence[Entry]]:
        while self._queues:
            wave = [queue.pop() for queue in self._queues.values()]
            self._queues = {aggregate: queue for aggregate, queue in self._queues.items() if queue}
            yield sorted(wave, key=_position)


def _position(entry: Entry) -> int:
    return entry.position
