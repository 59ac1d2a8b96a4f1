"""A line in the log for each event: to look at while developing, and where a log pipeline is the receiver.

The line holds the envelope, never the data, at any LOG_LEVEL: logs are read by more people than events are meant for,
and kept for longer, so what a customer wrote stays out of them. The lines are of level INFO.
"""

from collections.abc import Collection, Sequence
from typing import Self

import structlog

from mainstay.kernel.core.sink import Message, Outcome, Readiness

logger = structlog.get_logger(__name__)


class LogSink:
    """Writes lines; takes everything."""

    name = "log"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to let go of."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Write a line for each."""
        for message in messages:
            logger.info(
                message.type,
                event_id=str(message.id),
                tenant=message.tenant,
                aggregate_type=message.aggregate_type,
                aggregate_id=message.aggregate_id,
                occurred_at=message.occurred_at.isoformat(),
            )
        return [None] * len(messages)

    async def check(self, _: Collection[str]) -> Readiness:
        """See CheckedSink."""
        return Readiness("lines of level INFO")
