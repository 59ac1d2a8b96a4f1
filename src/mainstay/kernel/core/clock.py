"""The time, always aware and in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time in UTC, to the microsecond (what PostgreSQL keeps)."""
    return datetime.now(UTC)


def ensure_utc(time: datetime) -> datetime:
    """The same instant, aware and in UTC; a time without a zone (SQLite keeps none) is taken as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
