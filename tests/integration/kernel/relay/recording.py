"""A sink that remembers, and events without a service."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Self

import asyncpg
import orjson

from mainstay.kernel.core.events import Event
from mainstay.kernel.core.sink import Message, Outcome
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit

APPEND = """
INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
SELECT '', gen_random_uuid(), 'pet', $1, v, 'pet.bumped', '{}', now() FROM unnest($2::bigint[]) AS v ORDER BY v
"""

Answer = Callable[[Message], Outcome]


class ListSink:
    """Takes what `answer` says it takes, and remembers it."""

    def __init__(self, name: str = "list", answer: Answer = lambda _: None) -> None:
        self.name = name
        self.answer = answer
        self.taken: list[Message] = []
        self.tried: list[Message] = []
        self.waves = 0
        self.opened = self.closed = 0

    async def __aenter__(self) -> Self:
        """Count it."""
        self.opened += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        """Count it."""
        self.closed += 1

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        """See Sink."""
        assert messages
        assert len({(m.tenant, m.aggregate_type, m.aggregate_id) for m in messages}) == len(messages)
        await asyncio.sleep(0)
        self.waves += 1
        self.tried += messages
        outcomes = [self.answer(message) for message in messages]
        self.taken += [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is None]
        return outcomes

    @property
    def seen(self) -> list[tuple[str, int]]:
        """What it has taken, as aggregate and version."""
        return [(message.aggregate_id, version(message)) for message in self.taken]

    def versions(self, aggregate: str) -> list[int]:
        """Of one aggregate, in the order in which they came."""
        return [number for name, number in self.seen if name == aggregate]


def version(message: Message) -> int:
    """The aggregate's version in the envelope."""
    found: int = orjson.loads(message.body)["aggregateversion"]
    return found


class PetBumped(Event):
    """A pet has a new version."""

    type = "pet.bumped"


async def commit(database: Database, version: int) -> None:
    """Commit an event as a service does."""
    unit = PostgresUnit(database)
    unit.emit(PetBumped(aggregate_id="1", aggregate_version=version, data={}))
    await unit.commit(Reply(200, b""), None)


class Log:
    """The outbox as somebody else's session sees it."""

    def __init__(self, session: asyncpg.Connection) -> None:
        self.session = session

    async def append(self, aggregate: str, *versions: int) -> None:
        """Commit events of an aggregate."""
        await self.session.execute(APPEND, aggregate, versions)

    async def deliveries(self, sink: str = "list") -> list[tuple[str, int, str, int]]:
        """What is left behind: aggregate, version, state and attempts, by position."""
        rows = await self.session.fetch(
            """
            SELECT o.aggregateid, o.aggregateversion,
                CASE WHEN d.dead_at IS NOT NULL THEN 'dead' WHEN d.due_at IS NOT NULL THEN 'waiting' ELSE 'held' END,
                d.attempts
            FROM outbox_deliveries d JOIN outbox o USING (position) WHERE sink = $1 ORDER BY position
            """,
            sink,
        )
        return [tuple(row) for row in rows]

    async def make_due(self) -> None:
        """Let the time pass that deliveries wait for."""
        await self.session.execute("UPDATE outbox_deliveries SET due_at = now() WHERE due_at IS NOT NULL")

    async def positions(self) -> dict[str, int]:
        """How far each sink has got."""
        return dict(await self.session.fetch("SELECT sink, position FROM outbox_sinks"))
