from datetime import UTC, datetime, timedelta, timezone

import pytest

from mainstay.kernel.core.clock import ensure_utc, now

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "time",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
        NOON.astimezone(timezone(-timedelta(hours=8))),
    ],
    ids=["utc", "no-zone", "east", "west"],
)
def test_a_time_is_the_same_instant_in_utc(time: datetime) -> None:
    found = ensure_utc(time)
    assert found == NOON
    assert found.tzinfo is UTC


def test_now_is_aware() -> None:
    assert now().tzinfo is UTC
