"""An event as CloudEvents 1.0 JSON (https://github.com/cloudevents/spec, structured mode)."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from mainstay.kernel.core.sink import Message

_POSITION_DIGITS = 19  # of the largest bigint


class LoggedEvent(NamedTuple):
    """An event as it stands in the log."""

    position: int
    tenant: str
    id: UUID
    type: str
    aggregate_type: str
    aggregate_id: str
    aggregate_version: int
    occurred_at: datetime
    payload: str
    """JSON."""
    request_id: str | None
    traceparent: str | None


def message(event: LoggedEvent) -> Message:
    """The event as it is sent."""
    return Message(
        id=event.id,
        type=event.type,
        tenant=event.tenant,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        occurred_at=event.occurred_at,
        body=envelope(event),
    )


def envelope(event: LoggedEvent) -> bytes:
    """The event as bytes, the same for the same event; the payload goes in as it is.

    Of the extensions, `sequence` (the position, as wide as any, so that texts sort like numbers) and `traceparent` are
    CloudEvents' own; those without a value are left out.
    """
    extensions = {"tenantid": event.tenant, "requestid": event.request_id, "traceparent": event.traceparent}
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(event.id),
            "source": f"urn:mainstay:{event.aggregate_type}",
            "type": event.type,
            "subject": event.aggregate_id,
            "time": event.occurred_at,
            "datacontenttype": "application/json",
            "sequence": f"{event.position:0{_POSITION_DIGITS}d}",
            "aggregateversion": event.aggregate_version,
            **{name: value for name, value in extensions.items() if value},
            "data": orjson.Fragment(event.payload),
        },
        option=orjson.OPT_UTC_Z,
    )
