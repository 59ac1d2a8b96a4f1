from datetime import UTC, datetime
from uuid import UUID

import pytest

from bench.baselines.cursor import make_cursor, read_cursor

_AT = datetime(2025, 10, 20, 5, 3, 11, 367000, tzinfo=UTC)
_ID = UUID("019a0000-0007-7000-8000-000000000000")
_CURSOR = make_cursor("tenant-007", _AT, _ID)


def test_a_cursor_says_where_the_page_ended() -> None:
    assert read_cursor("tenant-007", _CURSOR) == (_AT, _ID)


def test_a_cursor_is_worth_nothing_to_another_tenant() -> None:
    with pytest.raises(ValueError, match="not a cursor of this list"):
        read_cursor("tenant-008", _CURSOR)


@pytest.mark.parametrize("position", range(0, 84, 7))
def test_a_changed_cursor_is_refused(position: int) -> None:
    changed = "A" if _CURSOR[position] != "A" else "B"
    with pytest.raises(ValueError, match="not a cursor of this list"):
        read_cursor("tenant-007", _CURSOR[:position] + changed + _CURSOR[position + 1 :])


@pytest.mark.parametrize("cursor", ["", "AAAA", "A"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - base64's own error where it is not even that
        read_cursor("tenant-007", cursor)
