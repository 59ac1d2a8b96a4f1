"""The orders table."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from mainstay.kernel.db.models import TenantRow


class OrderRow(TenantRow):
    """A tenant's order."""

    __tablename__ = "orders"

    status: Mapped[str]
    total_cents: Mapped[int | None]
    confirmed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    # The list and the list of one status; both are read backwards.
    __table_args__ = (
        Index(None, "tenant_id", "created_at", "id"),
        Index(None, "tenant_id", "status", "created_at", "id"),
    )
