"""The time, always aware and in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time in UTC, to the microsecond (what PostgreSQL keeps)."""
    return datetime.now(UTC)
