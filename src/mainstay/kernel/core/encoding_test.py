from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from mainstay.kernel.core.encoding import dumps


class DriverUuid(UUID):
    """As asyncpg has one."""


TEXT = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (UUID(TEXT), f'"{TEXT}"'),
        (DriverUuid(TEXT), f'"{TEXT}"'),
        ([DriverUuid(TEXT)], f'["{TEXT}"]'),
        (datetime(2026, 11, 21, 9, 30, tzinfo=UTC), '"2026-11-21T09:30:00Z"'),
        (datetime(2026, 11, 21, 9, 30, tzinfo=timezone(timedelta(hours=1))), '"2026-11-21T09:30:00+01:00"'),
        (Decimal("12.50"), '"12.50"'),
        (Decimal("-0.000001"), '"-0.000001"'),
        (Decimal("1E+3"), '"1000"'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_writes(value: object, json: str) -> None:
    assert dumps(value) == json.encode()


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {"a": object()}])
def test_what_has_no_form_is_an_error(value: object) -> None:
    with pytest.raises(TypeError):
        dumps(value)
