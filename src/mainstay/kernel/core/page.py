"""A page of a list by offset and limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Item = Mapping[str, Any]
"""What a list shows of an entity, by field. A list has no rule to ask the entity for, and 50 entities take as long to
make as the statement that finds them (docs/adr/0003-statements.md has the figures)."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the rows, and the number of all that the filters let through."""

    items: Sequence[T]
    total: int
