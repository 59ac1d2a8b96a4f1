"""Bounds that hold for every value of a kind, said beside each: nobody has to know them from a format."""

from typing import Any

from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN

_LENGTHS = {"date": 10, "date-time": 32, "ulid": 26, "uuid": 36}
"""Characters of what has this format: a time has six decimals and an offset at most."""

_SAMPLES = ("default", "example", "examples")


def say_bounds(part: Any) -> None:
    """Complete every schema in this part of the document."""
    if isinstance(part, list):
        for each in part:
            say_bounds(each)
    if isinstance(part, dict):
        if part.get("type") == "string" and part.get("format") in _LENGTHS:
            part.setdefault("maxLength", _LENGTHS[part["format"]])
        if part.get("type") == "integer":
            part.update({"minimum": INT64_MIN, "maximum": INT64_MAX, **part, "format": "int64"})
        for name, each in part.items():
            if name not in _SAMPLES:
                say_bounds(each)
