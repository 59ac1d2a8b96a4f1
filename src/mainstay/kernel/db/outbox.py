"""Writing events to the outbox table (reading them is the relay's)."""

from typing import Any

from mainstay.kernel.core.context import request_context
from mainstay.kernel.core.encoding import dumps
from mainstay.kernel.core.events import Event
from mainstay.kernel.db.lease import Connection

COLUMNS = (
    ("tenant_id", "text"),
    ("id", "uuid"),
    ("aggregatetype", "text"),
    ("aggregateid", "text"),
    ("aggregateversion", "bigint"),
    ("type", "text"),
    ("payload", "jsonb"),
    ("request_id", "text"),
    ("traceparent", "text"),
    ("created_at", "timestamptz"),
)
"""Column and type of each value of an event, in the order of `values`."""


def values(event: Event) -> tuple[Any, ...]:
    """What stands in the outbox for an event."""
    context = request_context.get()
    return (
        event.tenant,
        event.id,
        event.aggregate_type,
        event.aggregate_id,
        event.aggregate_version,
        event.type,
        dumps(event.data).decode(),
        context and context.request_id,
        context and context.traceparent,
        event.occurred_at,
    )


_NAMES = ", ".join(name for name, _ in COLUMNS)
_PLACES = ", ".join(f"${number}::{kind}" for number, (_, kind) in enumerate(COLUMNS, start=1))
_INSERT = f"INSERT INTO outbox ({_NAMES}) VALUES ({_PLACES})"  # noqa: S608 - of the constants above


async def insert(connection: Connection, event: Event) -> None:
    """Write an event by a statement of its own, in a unit's transaction."""
    await connection.driver.execute(_INSERT, *values(event))
