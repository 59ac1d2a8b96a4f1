"""What the relay hands over and to whom: an event as a message, and where messages go.

A message is a CloudEvents 1.0 event in JSON (https://github.com/cloudevents/spec, structured mode), byte for byte the
same at every delivery, so that a receiver can tell a second delivery by its id.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, runtime_checkable
from uuid import UUID

CONTENT_TYPE = "application/cloudevents+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One committed event, ready to be sent."""

    id: UUID
    type: str
    tenant: str
    aggregate_type: str
    aggregate_id: str
    occurred_at: datetime
    body: bytes
    """The event as CloudEvents JSON."""


class Refused(Exception):
    """The sink is there and did not take this message: it is tried again later, alone, and given up in the end."""


class Away(Exception):
    """The sink takes nothing now: all its messages wait, and none is counted as tried."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the sink asked to be left alone; None where it did not say."""


class Gone(Exception):
    """The sink wants no messages any more, until somebody says otherwise."""


Outcome = Refused | Away | Gone | None
"""What became of one message; None: taken."""


class Sink(Protocol):
    """Where messages go: an async context manager that is open while the relay works.

    Opening does not fail where the other side is away: `publish` says so, each time, until it is back.
    """

    name: str
    """As in SINKS; progress is kept under it."""

    async def __aenter__(self) -> Self:
        """Get ready."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what is open."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Send messages, each of another aggregate, so in whatever order; say what became of each, in their order.

        Ends within the sink's own time-out. Raises nothing that has to do with the other side.
        """


class Unusable(Exception):
    """The sink would not take messages; the text says why, `advice` what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found of a sink that can be used."""

    found: str
    advice: str = ""
    """What to do about what may yet go wrong; empty where nothing may."""


@runtime_checkable
class CheckedSink(Protocol):
    """A sink that can be asked whether it would take messages, once it is open."""

    async def check(self, aggregate_types: Collection[str]) -> Readiness:
        """Go as far as publishing would, and publish nothing. Raises Unusable; takes as long as the other side does."""
