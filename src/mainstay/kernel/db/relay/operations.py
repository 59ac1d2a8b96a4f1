"""What an operator sees of the outbox, and does about it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from mainstay.kernel.db.relay.session import TROUBLE, open_session

_STATS = """
SELECT s.sink, s.position,
    (SELECT count(*) FROM outbox o WHERE o.position > s.position)
        + (SELECT count(*) FROM outbox WHERE position IS NULL) AS behind,
    count(d.position) FILTER (WHERE d.due_at IS NOT NULL) AS waiting,
    count(d.position) FILTER (WHERE d.due_at IS NULL AND d.dead_at IS NULL) AS held,
    count(d.position) FILTER (WHERE d.dead_at IS NOT NULL) AS dead,
    s.disabled_at, s.last_error
FROM outbox_sinks s LEFT JOIN outbox_deliveries d USING (sink)
GROUP BY s.sink ORDER BY s.sink
"""

_TOTALS = "SELECT count(*), count(*) FILTER (WHERE position IS NULL), min(created_at) FROM outbox"

_LIST = """
SELECT sink, event_id, o.type, d.aggregatetype, d.aggregateid, d.tenant_id,
    CASE WHEN dead_at IS NOT NULL THEN 'dead' WHEN due_at IS NOT NULL THEN 'waiting' ELSE 'held' END,
    attempts, due_at, last_error
FROM outbox_deliveries d JOIN outbox o USING (position)
WHERE ($1::text IS NULL OR sink = $1)
ORDER BY dead_at IS NULL, due_at IS NULL, position, sink LIMIT $2
"""

_RETRY = """
UPDATE outbox_deliveries SET attempts = 0, due_at = now(), dead_at = NULL
WHERE (dead_at IS NOT NULL OR due_at IS NOT NULL)
    AND ($1::uuid[] IS NULL OR event_id = ANY($1)) AND ($2::text IS NULL OR sink = $2)
RETURNING event_id
"""

# Of an aggregate only the first may be due: one that has been revived goes before those that came after it.
_FIRST_ALONE = """
UPDATE outbox_deliveries later SET due_at = NULL
WHERE later.due_at IS NOT NULL AND EXISTS (
    SELECT FROM outbox_deliveries d
    WHERE d.sink = later.sink AND d.dead_at IS NULL AND d.position < later.position
        AND (d.tenant_id, d.aggregatetype, d.aggregateid)
            = (later.tenant_id, later.aggregatetype, later.aggregateid)
)
"""

_SINKS = "SELECT sink FROM outbox_sinks ORDER BY sink"

_ENABLE = "UPDATE outbox_sinks SET disabled_at = NULL, last_error = NULL WHERE sink = $1 RETURNING sink"


@dataclass(frozen=True, slots=True)
class SinkStats:
    """How one sink stands, in events."""

    sink: str
    position: int
    behind: int
    """Ahead of it in the log."""
    waiting: int
    """Refused, and tried again later."""
    held: int
    """Of the same aggregate as one that waits, and later."""
    dead: int
    disabled_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """The outbox as a whole."""

    events: int
    pending: int
    """Not yet seen by a relay."""
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Left:
    """An event that a sink has not taken."""

    sink: str
    event_id: UUID
    type: str
    aggregate_type: str
    aggregate_id: str
    tenant: str
    state: str
    attempts: int
    due_at: datetime | None
    last_error: str | None


class OutboxError(Exception):
    """What an operator wants cannot be done; the message says why, and what to do."""


@asynccontextmanager
async def open_operations(url: str) -> AsyncIterator["OutboxOperations"]:
    """Operations on a session of their own. Raises OutboxError where the database does not answer or has no outbox."""
    try:
        async with open_session(url, application_name="mainstay outbox") as session:
            yield OutboxOperations(session)
    except asyncpg.UndefinedTableError as error:
        raise OutboxError("The database has no outbox yet: run `mainstay migrate up`.") from error
    except TROUBLE as error:
        cause = str(error) or type(error).__name__
        raise OutboxError(
            f"The database cannot be used: {cause}. Check DATABASE_URL, and that it is running."
        ) from error


class OutboxOperations:
    """Beside the relay, which works on while an operator looks and mends."""

    def __init__(self, session: asyncpg.Connection) -> None:
        self.session = session

    async def totals(self) -> Totals:
        """The whole outbox."""
        return Totals(*await self.session.fetchrow(_TOTALS))

    async def stats(self) -> list[SinkStats]:
        """Every sink that there is progress of."""
        return [SinkStats(*row) for row in await self.session.fetch(_STATS)]

    async def left(self, sink: str | None, limit: int) -> list[Left]:
        """What was not taken: first what is dead, then what waits, then what is held behind that."""
        return [Left(*row) for row in await self.session.fetch(_LIST, sink, limit)]

    async def retry(self, events: Sequence[UUID] | None, sink: str | None) -> set[UUID]:
        """Have these events, or all that are dead or wait, tried at once as if for the first time; which they are."""
        async with self.session.transaction():
            rows = await self.session.fetch(_RETRY, events, sink)
            await self.session.execute(_FIRST_ALONE)
        return {UUID(str(row[0])) for row in rows}

    async def enable(self, sink: str) -> None:
        """Send to a sink again that wanted no more. Raises OutboxError where no relay has had one of this name."""
        if await self.session.fetchval(_ENABLE, sink) is None:
            known = ", ".join(row[0] for row in await self.session.fetch(_SINKS)) or "none"
            raise OutboxError(f"There is no sink of this name; a relay has had: {known}.")
