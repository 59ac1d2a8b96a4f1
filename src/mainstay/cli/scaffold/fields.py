"""The fields of a new service: what they are called, and what each type is in every layer."""

import builtins
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from mainstay.kernel.core.entity import Entity
from mainstay.kernel.db.models import Base, TenantRow

NAME_MAX = 28
"""Characters; see `naming.NAME_MAX`."""

_SPELLING = re.compile(r"([^:]*):([^:?]*)(\??)")
_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
_OURS = {"id", "version", "created_at", "updated_at", "tenant_id"}
_INHERITED = {name for base in (Entity, BaseModel, Base, TenantRow) for name in dir(base)} - _OURS


class FieldError(ValueError):
    """This cannot be a field. The message says why."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type of fields."""

    python: str
    """In the domain and in the model."""
    wire: str
    """In a body."""
    column: str
    """In the migration."""
    json: str
    """An example, as Python writes what JSON holds."""
    value: str
    """The same in the domain."""
    good: Sequence[str]
    """More that a body may hold."""
    bad: Sequence[str]
    """What no body may hold."""


_NO_TEXT = ("7", "True", "[]", "{}")
_NO_WORD = ('""', '"now"', "7", "True", "[]", "{}")
TYPES = {
    "str": Type(
        *("str", "Line", "sa.Text", '"some text"', '"some text"'),
        good=('"x"', '"x" * 200', '"äöü 😀"'),
        bad=('""', '"x" * 201', *_NO_TEXT),
    ),
    "text": Type(
        *("str", "LongText", "sa.Text", '"some text"', '"some text"'),
        good=('""', '"x" * 10_000'),
        bad=('"x" * 10_001', *_NO_TEXT),
    ),
    "int": Type(
        *("int", "int", "sa.BigInteger", "1", "1"),
        good=("0", "-(2**63)", "2**63 - 1"),
        bad=('"1"', "1.5", "1.0", "True", "[]", "{}"),
    ),
    "bool": Type(
        *("bool", "bool", "sa.Boolean", "True", "True"), good=("False",), bad=("0", "1", '"true"', "[]", "{}")
    ),
    "date": Type(
        *("date", "PlainDate", "sa.Date", '"2026-11-21"', "date(2026, 11, 21)"),
        good=('"0001-01-01"', '"9999-12-31"', '"2024-02-29"'),
        bad=('"2026-02-29"', '"20261121"', '"2026-11-21T00:00:00Z"', *_NO_WORD),
    ),
    "datetime": Type(
        *("datetime", "PlainDateTime", "sa.DateTime(timezone=True)", '"2026-11-21T09:30:00Z"'),
        "datetime(2026, 11, 21, 9, 30, tzinfo=UTC)",
        good=('"2026-11-21T10:30:00.123456+01:00"',),
        bad=('"2026-11-21T09:30:00"', '"2026-11-21"', '"2026-11-21T25:00:00Z"', *_NO_WORD),
    ),
    "decimal": Type(
        *("Decimal", "PlainDecimal", "sa.Numeric", '"12.50"', 'Decimal("12.50")'),
        good=('"0"', '"-0.000001"', '"99999999999999.999999"'),
        bad=("12.5", '"1e3"', '"NaN"', '"100000000000000"', '"0.0000001"', *_NO_WORD),
    ),
    "uuid": Type(
        *("UUID", "PlainUuid", "sa.Uuid", '"019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6b"'),
        'UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6b")',
        good=('"00000000-0000-0000-0000-000000000000"',),
        bad=('"019a9f2e7c1b7cc2a5b01f2e3d4c5b6b"', *_NO_WORD),
    ),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `due:date`, or `due:date?` where it may be null and left out."""

    name: str
    kind: str
    optional: bool

    @property
    def type(self) -> Type:
        """What it holds."""
        return TYPES[self.kind]

    @property
    def words(self) -> str:
        """Its name, as people say it."""
        return self.name.replace("_", " ").capitalize()

    def __str__(self) -> str:
        """As it is spelled on the command line."""
        return f"{self.name}:{self.kind}{'?' if self.optional else ''}"


def parse(spellings: Sequence[str], unique: str | None = None) -> list[Field]:
    """The fields, and whether `unique` is one of them that can be. Raises FieldError."""
    fields = [_field(spelling) for spelling in spellings]
    if not fields:
        raise FieldError("give it a field at least: --field number:str")
    found = [field.name for field in fields]
    for name in found:
        if found.count(name) > 1:
            raise FieldError(f"{name} is there twice")
    if unique is not None and (unique, "str") not in {(field.name, field.kind) for field in fields}:
        raise FieldError(f"--unique {unique}: there is no field of type str with this name")
    return fields


def _field(spelling: str) -> Field:
    match = _SPELLING.fullmatch(spelling)
    if not match:
        raise FieldError(f"{spelling!r} is no field: write name:type, or name:type? for one that may be left out")
    name, kind, mark = match.groups()
    if not _NAME.fullmatch(name) or len(name) > NAME_MAX:
        raise FieldError(
            f"{name!r} is no name of a field: 1 to {NAME_MAX} small letters and digits, with underscores between"
        )
    if name in _OURS:
        raise FieldError(f"{name} is there already: every service has it")
    if keyword.iskeyword(name) or hasattr(builtins, name) or name in _INHERITED or name in TYPES:
        raise FieldError(f"{name} means something in Python, or to a class that it would stand in: choose another name")
    if kind not in TYPES:
        raise FieldError(f"{name}: there is no type {kind!r}; there are {', '.join(TYPES)}")
    return Field(name, kind, optional=bool(mark))
