"""What the document says of every value of a kind."""

from typing import Any

import pytest

from mainstay.kernel.http.bounds import say_bounds
from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN


def told(part: Any) -> Any:
    say_bounds(part)
    return part


@pytest.mark.parametrize(("format_", "length"), [("uuid", 36), ("ulid", 26), ("date", 10), ("date-time", 32)])
def test_a_format_tells_the_length(format_: str, length: int) -> None:
    assert told({"type": "string", "format": format_})["maxLength"] == length


@pytest.mark.parametrize("schema", [{"type": "string"}, {"type": "string", "format": "email"}, {"format": "uuid"}])
def test_what_has_no_known_length_is_given_none(schema: dict[str, Any]) -> None:
    assert "maxLength" not in told(schema)


def test_an_integer_has_64_bits() -> None:
    assert told({"type": "integer"}) == {
        "type": "integer",
        "format": "int64",
        "minimum": INT64_MIN,
        "maximum": INT64_MAX,
    }


def test_narrower_bounds_stay() -> None:
    assert told({"type": "integer", "minimum": 1, "maximum": 5}) == {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": 5,
    }
    assert told({"type": "string", "format": "uuid", "maxLength": 7})["maxLength"] == 7


def test_it_goes_to_the_bottom() -> None:
    below = {"anyOf": [{"items": {"type": "integer"}}]}
    assert told(below)["anyOf"][0]["items"]["format"] == "int64"


@pytest.mark.parametrize("name", ["default", "example", "examples"])
def test_a_sample_is_no_schema(name: str) -> None:
    sample = [{"type": "integer"}]
    assert told({name: sample}) == {name: [{"type": "integer"}]}
    assert told({"properties": {"type": {"const": "integer"}}}) == {"properties": {"type": {"const": "integer"}}}
