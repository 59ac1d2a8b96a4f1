"""What an order is and what may happen to it. Pure: no SQL, no HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, Self, get_args
from uuid import UUID

from mainstay.kernel.core.entity import EntityEvent
from mainstay.kernel.core.errors import Conflict, NotFound

Status = Literal["draft", "confirmed", "closed"]
STATUSES: tuple[Status, ...] = get_args(Status)
TOTAL_MAX = 2**53 - 1
"""Cents: the largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""


class OrderNotFound(NotFound):
    """The tenant has no order with this id."""

    message = "There is no order with this id."


class InvalidState(Conflict):
    """The order's status does not allow it; `details.status` is what it is."""

    message = "The order's status does not allow this."


Told = dict[str, object]


def told(fields: Iterable[Any]) -> Told:
    """What the world sees of an order with these fields, in their order: those of a row will do."""
    order_id, tenant_id, status, total_cents, version, created_at, updated_at, confirmed_at, closed_at = fields
    return {
        "id": order_id,
        "tenantId": tenant_id,
        "status": status,
        "totalCents": total_cents,
        "version": version,
        "createdAt": created_at,
        "updatedAt": updated_at,
        "confirmedAt": confirmed_at,
        "closedAt": closed_at,
    }


@dataclass(frozen=True, slots=True)
class Order:
    """One tenant's order in one version. Every change makes the next version and leaves this one as it is."""

    id: UUID
    tenant_id: str
    status: Status
    total_cents: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    confirmed_at: datetime | None
    closed_at: datetime | None

    @classmethod
    def create(cls, order_id: UUID, tenant_id: str, at: datetime) -> Self:
        """A draft."""
        return cls(
            id=order_id,
            tenant_id=tenant_id,
            status="draft",
            total_cents=None,
            version=1,
            created_at=at,
            updated_at=at,
            confirmed_at=None,
            closed_at=None,
        )

    def confirm(self, total_cents: int, at: datetime) -> Self:
        """The draft with its total. Raises InvalidState where it is none."""
        self._require("draft")
        return replace(
            self, status="confirmed", total_cents=total_cents, confirmed_at=at, updated_at=at, version=self.version + 1
        )

    def close(self, at: datetime) -> Self:
        """The confirmed order, closed; a closed one as it is. Raises InvalidState for a draft."""
        if self.status == "closed":
            return self
        self._require("confirmed")
        return replace(self, status="closed", closed_at=at, updated_at=at, version=self.version + 1)

    def told(self) -> Told:
        """The order as the world sees it, in answers and events alike."""
        return told(_FIELDS(self))

    def _require(self, status: Status) -> None:
        if self.status != status:
            raise InvalidState(status=self.status)


_FIELDS = attrgetter(*Order.__slots__)


class OrderCreated(EntityEvent):
    """A draft was made."""


class OrderConfirmed(EntityEvent):
    """A draft got its total."""


class OrderClosed(EntityEvent):
    """A confirmed order was closed."""
