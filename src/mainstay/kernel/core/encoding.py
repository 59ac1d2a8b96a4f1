"""JSON as this program writes it, in answers and events alike."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson


def dumps(content: Any) -> bytes:
    """JSON bytes; times in UTC end in Z. Raises TypeError for what JSON cannot carry."""
    return orjson.dumps(content, _other, orjson.OPT_UTC_Z)


def _other(value: object) -> str:
    """The UUIDs of asyncpg, which are a subclass of Python's, and decimals, as exact text: orjson takes neither."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
