"""Types for what callers send, beyond what pydantic checks by itself."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-5][0-9])"
)
_NO_DATE_TIME = (
    "Input should be a time of RFC 3339 with six decimals at most, such as 2026-11-21T09:30:00Z"
    " or 2026-11-21T10:30:00+01:00 (in an address + is written %2B)"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,13})(?:\.[0-9]{1,6})?")


STRICT = ConfigDict(strict=True, extra="forbid")
"""For request bodies: JSON types are taken as they are (`"7"` is no number), unknown fields are refused."""


class StrictModel(BaseModel):
    """A request body. `dict(body)` has every field, those left out at their defaults."""

    model_config = STRICT


def _integer(value: object) -> object:
    """Plain decimal digits alone: pydantic would also take `+7`, ` 7`, `7.0` and `1_000`."""
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise PydanticCustomError("int_parsing", "Input should be an integer of at most 64 bits, in plain digits")
    return value


PLAIN_DIGITS = BeforeValidator(_integer)
"""For an integer in a path or a query. Stands after its bounds: before them, OpenAPI would not show them."""

Int64 = Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX), PLAIN_DIGITS]
"""An integer in a path or a query, which PostgreSQL's bigint can hold."""

RowId = Annotated[int, Field(ge=1, le=INT64_MAX), PLAIN_DIGITS]
"""The number of a row in a path."""

Offset = Annotated[int, Field(ge=0, le=INT64_MAX), PLAIN_DIGITS]
"""How many rows to pass over."""

Text = Annotated[str, Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
"""Any text. The pattern tells callers what the body's parser and the query guard have refused already."""

WHITE_SPACE = r"\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
r"""What `str.strip` takes away, for a class in a pattern: what `\s` means differs from language to language."""


def _date(value: object) -> object:
    """A full date of RFC 3339: pydantic would also take a time, a number and spellings without hyphens."""
    if not isinstance(value, str):
        return value
    try:
        if _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("date_parsing", "Input should be a date that exists, written YYYY-MM-DD")


PlainDate = Annotated[date, BeforeValidator(_date)]
"""A date, in a body or a query."""


def _date_time(value: object) -> object:
    """A time of RFC 3339 with its offset: pydantic would also take a number, and a time of nobody knows which zone."""
    if not isinstance(value, str):
        return value
    try:
        if _DATE_TIME.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("datetime_parsing", _NO_DATE_TIME)


PlainDateTime = Annotated[datetime, BeforeValidator(_date_time)]
"""A time with its offset, in a body or a query; in Python in UTC."""


def _uuid(value: object) -> object:
    """In the one spelling that this program writes: pydantic would also take braces, `urn:uuid:` and no hyphens."""
    if isinstance(value, str) and not _UUID.fullmatch(value):
        raise PydanticCustomError("uuid_parsing", "Input should be a UUID in its usual form")
    return value


PlainUuid = Annotated[UUID, Strict(strict=False), BeforeValidator(_uuid)]
"""A UUID, in a body or a path."""


def _decimal(value: object) -> object:
    """Written as text: of a number many readers of JSON keep 15 digits. There is no negative zero."""
    if not isinstance(value, str):
        raise PydanticCustomError("decimal_type", "Input should be a decimal number in a string, such as '12.50'")
    if not _DECIMAL.fullmatch(value):
        raise PydanticCustomError("decimal_parsing", "Input should have 14 digits and 6 decimals at most: '-12.50'")
    return Decimal(value) + 0


PlainDecimal = Annotated[
    Decimal, BeforeValidator(_decimal), WithJsonSchema({"type": "string", "pattern": f"^{_DECIMAL.pattern}$"})
]
"""An exact decimal number in a body, as text; its decimals are kept as they are sent."""


def _split(value: Any) -> Any:
    return [part for given in value for part in given.split(",")]


COMMA_SEPARATED = BeforeValidator(_split)
"""For a list in a query: several values may stand in one parameter, between commas."""

CursorText = Annotated[str, Field(json_schema_extra={"maxLength": 512, "pattern": "^[A-Za-z0-9_-]+$"})]
"""What cursors look like: the longest of ours has about 150 characters. `Cursors` refuses all others by itself."""

NextCursor = Annotated[
    CursorText | None, Field(description="`cursor` of the next page; null at the end.", examples=[None])
]
"""Where the next page of a list begins."""
