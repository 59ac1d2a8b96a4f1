"""Who in this process hears of what happened to a task."""

import structlog

from mainstay.kernel.core.events import Event

logger = structlog.get_logger(__name__)


async def log(event: Event) -> None:
    """Write down what happened, to which task; not what it says, which is the team's own."""
    logger.info(event.type, task=event.aggregate_id, version=event.aggregate_version, event_id=str(event.id))
