"""The kernel's own tables, and the base that every service's models share."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Text,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Tables = MetaData
"""What all tables together are."""


class Base(DeclarativeBase):
    """Names every constraint, because violations are told apart by name and migrations address them by it."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text, int: BigInteger, bytes: LargeBinary}  # noqa: RUF012 - SQLAlchemy reads it from the class


class EntityRow(Base):
    """A resource in its current version. Its id begins with the time: the newest are those with the greatest."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1)
    version: Mapped[int] = mapped_column(sort_order=1)
    created_at: Mapped[datetime] = mapped_column(sort_order=1)
    updated_at: Mapped[datetime] = mapped_column(sort_order=1)


class TenantRow(EntityRow):
    """A tenant's resource. Every key begins with the tenant, so that the table can be spread by it."""

    __abstract__ = True

    tenant_id: Mapped[str] = mapped_column(primary_key=True, sort_order=-2)


class IdempotencyKey(Base):
    """The answer that the first request with a key got. Written in the same statement as the change it answers."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes]
    etag: Mapped[str | None]
    location: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index(None, "created_at"),)  # the purge of old keys goes by it


# Drawn by the relay alone, so that no position below one that can be seen turns up later, as a `seq` may.
OUTBOX_POSITIONS = Sequence("outbox_position_seq", metadata=Base.metadata)


class Outbox(Base):
    """Events committed with their change: a log that the relay numbers and reads. Columns as Debezium names them."""

    __tablename__ = "outbox"

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True))
    aggregatetype: Mapped[str]
    aggregateid: Mapped[str]
    aggregateversion: Mapped[int]
    type: Mapped[str]
    payload: Mapped[dict[str, object]] = mapped_column(JSONB)
    request_id: Mapped[str | None]
    traceparent: Mapped[str | None]
    created_at: Mapped[datetime]
    position: Mapped[int | None]

    __table_args__ = (
        # An event is in one of the two: a write pays for the first alone, and that stays as small as what is pending.
        Index("outbox_pending_idx", "seq", postgresql_where=text("position IS NULL")),
        Index("outbox_position_idx", "position", unique=True, postgresql_where=text("position IS NOT NULL")),
    )


class OutboxSink(Base):
    """How far a sink has got: what stands at or below its position was handed over, or is in `outbox_deliveries`."""

    __tablename__ = "outbox_sinks"

    sink: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    disabled_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    is_served: Mapped[bool] = mapped_column(server_default=true())
    """Whether the active relay, or the last one, sends to it."""
    published: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    """Attempts that it refused."""
    dead: Mapped[int] = mapped_column(server_default="0")
    """Events that were given up, also those that an operator has revived since."""
    lag_seconds: Mapped[float] = mapped_column(server_default="0")
    """From an event to its being taken, all events together."""


class OutboxDelivery(Base):
    """An event that a sink has passed and not taken.

    Waiting for its next attempt (`due_at`), held behind an earlier one of its aggregate (neither time), or given up
    (`dead_at`).
    """

    __tablename__ = "outbox_deliveries"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sink: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    event_id: Mapped[UUID]
    aggregatetype: Mapped[str]
    aggregateid: Mapped[str]
    attempts: Mapped[int] = mapped_column(SmallInteger)
    due_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str | None]

    __table_args__ = (
        Index("outbox_deliveries_due_idx", "sink", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "outbox_deliveries_live_idx",
            *("sink", "tenant_id", "aggregatetype", "aggregateid", "position"),
            postgresql_where=text("dead_at IS NULL"),
        ),
    )
