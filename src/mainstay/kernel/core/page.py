"""A page of a list by offset and limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the rows, and the number of all that the filters let through."""

    items: Sequence[T]
    total: int
