"""Events: facts about an aggregate, told to listeners in the process and, with PostgreSQL, to the outbox."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.ids import uuid7

logger = logging.getLogger(__name__)

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to one aggregate. A service names its own: `class PetSold(Event)` is "pet.sold".

    `type` is the class's name unless the class says otherwise; a class that others are made of ends in Event.
    """

    type: ClassVar[str]
    aggregate_type: ClassVar[str]
    """What it happened to: the type's first word."""

    aggregate_id: str
    aggregate_version: int
    data: Mapping[str, object]
    """The payload: what json can carry, and datetimes, dates and UUIDs."""
    tenant: str = ""
    id: UUID = field(default_factory=uuid7)
    occurred_at: datetime = field(default_factory=now)

    def __init_subclass__(cls) -> None:
        """Give the class its type, and what that begins with."""
        first, _, rest = _WORD_START.sub("_", cls.__name__).lower().partition("_")
        if "type" not in vars(cls) and not cls.__name__.endswith("Event"):
            cls.type = f"{first}.{rest}"
        if "type" in vars(cls):
            cls.aggregate_type = cls.type.partition(".")[0]


Listener = Callable[[Event], Awaitable[None]]


class BackgroundTasks(Protocol):
    """Takes work that is to be done after the answer has been sent (Starlette's class of this name fits)."""

    def add_task(self, func: Callable[[Listener, Event], Awaitable[None]], listener: Listener, event: Event, /) -> None:
        """Remember the call for later."""


class EventBus:
    """Tells the listeners of this process what was committed. A listener that fails is logged, nothing more."""

    def __init__(self) -> None:
        self._listeners: list[tuple[type[Event], Listener]] = []

    def subscribe(self, listener: Listener, kind: type[Event] = Event) -> None:
        """Call `listener` with every event of this kind from now on."""
        self._listeners.append((kind, listener))

    def publish(self, event: Event, background_tasks: BackgroundTasks) -> None:
        """Hand a committed event to the listeners, who run once the answer has been sent."""
        for kind, listener in self._listeners:
            if isinstance(event, kind):
                background_tasks.add_task(_deliver, listener, event)


async def _deliver(listener: Listener, event: Event) -> None:
    try:
        await listener(event)
    except Exception:
        logger.exception("a listener failed on %s", event.type)
