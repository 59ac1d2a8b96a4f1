"""Applications and configurations on the wire: what callers send, what they get."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NotRequired

import orjson
from pydantic import BeforeValidator, Field, WithJsonSchema, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from mainstay.kernel.http.parameters import STRICT, StrictModel, Text
from mainstay.services.configs.domain import COMMENTS_MAX, NAME_MAX, InvalidRequest

DIGITS_MAX = 1000
"""Characters of one decimal, written out: more than the 326 of the smallest float that there is."""

AN_APPLICATION, A_CONFIGURATION = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA", "01JCZ5Y7Q2GDB5E0H8F3W6PXTC"
"""Ids for examples."""

_LETTERS = "A-HJKMNP-TV-Z"  # Crockford's: no I, L, O, U


_ULID = re.compile(f"[0-7][0-9{_LETTERS}{_LETTERS.lower()}]{{25}}")  # 128 bits fill no more than a 7 in front


def _ulid(value: object) -> str:
    """By the pattern, which is what there is to check, not by python-ulid's parser: in a read that cost 5 %."""
    if isinstance(value, str) and _ULID.fullmatch(value):
        return value.upper()
    message = "Input should be a ULID: 26 digits and letters without I, L, O and U, the first of them 7 at most"
    raise PydanticCustomError("ulid", message)


Ulid = Annotated[
    str,
    BeforeValidator(_ulid),
    WithJsonSchema(
        {
            "type": "string",
            "format": "ulid",
            "pattern": f"^{_ULID.pattern}$",
            "examples": [AN_APPLICATION],
        }
    ),
]
"""An id as callers send it, in upper or lower case; in Python in upper case, as it is stored."""

Id = Annotated[str, Field(pattern=f"^[0-7][0-9{_LETTERS}]{{25}}$", json_schema_extra={"format": "ulid"})]
"""An id as callers get it."""

Name = Annotated[Text, Field(min_length=1, max_length=NAME_MAX)]
ApplicationName = Annotated[Name, Field(description="Unlike every other application's.", examples=["checkout"])]
ConfigurationName = Annotated[
    Name, Field(description="Unlike that of every other configuration of the application.", examples=["production"])
]
Comments = Annotated[
    Annotated[Text, Field(max_length=COMMENTS_MAX)] | None,
    Field(description="What people should know of it.", examples=["Ask the payments team first."]),
]
Config = Annotated[
    dict[str, Any],
    Field(
        description="Any JSON object. Its values are kept as they are, but not the order of its keys; integers have at "
        f"most 64 bits, decimals at most {DIGITS_MAX} characters when written without an exponent.",
        examples=[{"retries": 3, "timeout_seconds": 2.50, "features": {"express": True}}],
    ),
]


class ApplicationIn(StrictModel):
    """An application to add, or what it is to be from now on."""

    name: ApplicationName
    comments: Comments = None


class ConfigurationIn(StrictModel):
    """A configuration to add to an application."""

    application_id: Annotated[Ulid, Field(description="The application's id.", examples=[AN_APPLICATION])]
    name: ConfigurationName
    comments: Comments = None
    config: Config


@with_config(STRICT)
class ConfigurationPut(TypedDict):
    """What a configuration is to be from now on. It stays with its application."""

    application_id: NotRequired[
        Annotated[Ulid, Field(description="Left out, or what it is.", examples=[AN_APPLICATION])]
    ]
    name: ConfigurationName
    comments: NotRequired[Comments]
    config: Config


class ApplicationOut(TypedDict):
    """An application."""

    id: Annotated[Id, Field(description="The application's id.", examples=[AN_APPLICATION])]
    name: ApplicationName
    comments: Comments
    configuration_ids: Annotated[
        list[Id],
        Field(description="Of its configurations, in their order.", examples=[[A_CONFIGURATION]]),
    ]


class ConfigurationOut(TypedDict):
    """A configuration."""

    id: Annotated[Id, Field(description="The configuration's id.", examples=[A_CONFIGURATION])]
    application_id: Annotated[Id, Field(description="The application's id.", examples=[AN_APPLICATION])]
    name: ConfigurationName
    comments: Comments
    config: Config


def config_text(body: bytes) -> str:
    """The `config` of a body that was found valid, with every decimal as it was sent: a float would round it.

    Raises InvalidRequest.
    """
    return orjson.dumps(json.loads(body, parse_float=_exact)["config"]).decode()


def _exact(decimal: str) -> orjson.Fragment:
    """The number without an exponent: 1e20 would come back as an integer of over 64 bits. Raises InvalidRequest."""
    if "e" in decimal or "E" in decimal:
        decimal = _written_out(decimal)
    if len(decimal) > DIGITS_MAX:
        raise InvalidRequest(errors=[_TOO_LONG])
    return orjson.Fragment(decimal)


def _written_out(decimal: str) -> str:
    try:
        number = Decimal(decimal)
    except InvalidOperation:  # an exponent of 19 digits
        number = Decimal("Infinity")
    if not number:
        return "0.0"
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:  # before it is written: it may fill the memory
        raise InvalidRequest(errors=[_TOO_LONG])
    text = f"{number:f}"
    return text if "." in text else f"{text}.0"


_TOO_LONG = {
    "loc": ["body", "config"],
    "message": f"A decimal should have at most {DIGITS_MAX} characters when written without an exponent",
    "type": "decimal_too_long",
}
