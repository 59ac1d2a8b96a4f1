"""The tables of users and of their sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from mainstay.kernel.db.models import Base, EntityRow

EMAIL_IS_UNIQUE = "users_email_key_key"


class UserRow(EntityRow):
    """An account."""

    __tablename__ = "users"

    email: Mapped[str]
    # what the address is compared by; "C": by bytes, whatever the locale of the database
    email_key: Mapped[str] = mapped_column(Text(collation="C"))
    full_name: Mapped[str | None]
    is_active: Mapped[bool]
    role: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    tenant: Mapped[str | None]
    password_hash: Mapped[str]

    __table_args__ = (UniqueConstraint("email_key", name=EMAIL_IS_UNIQUE),)


class SessionRow(Base):
    """A sign-in that is not over, with its living refresh token's SHA-256. What is over is deleted."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    counter: Mapped[int]
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    refreshed_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "user_id", "id"),  # a user's, the newest first; and the cascade
        Index(None, "expires_at"),  # those that are cleared away
    )


SESSION_COLUMNS = (
    SessionRow.id,
    SessionRow.user_id,
    SessionRow.counter,
    SessionRow.token_hash,
    SessionRow.created_at,
    SessionRow.refreshed_at,
    SessionRow.expires_at,
)
"""In the order of `Session`'s fields."""
