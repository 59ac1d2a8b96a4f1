"""Where pets are kept, whatever keeps them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from mainstay.kernel.core.page import Item, Page
from mainstay.services.pets.domain import Pet, Status

Sort = Literal["name", "-name", "created_at", "-created_at"]

ITEM_FIELDS = ("id", "name", "species", "age_years", "status", "version")
"""What a list shows of a pet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PetQuery:
    """Which pets, in which order; ties go by id."""

    species: str | None = None
    """Equal, upper and lower case alike."""
    status: Status | None = None
    sort: Sort = "name"
    limit: int
    offset: int


def pet_item(pet: Pet) -> Item:
    """What a list shows of this pet."""
    return {name: getattr(pet, name) for name in ITEM_FIELDS}


class PetRepository(ABC):
    """Reads at once; a write is handed to the unit of work, which commits it with its events."""

    @abstractmethod
    async def next_id(self) -> int:
        """An id that no pet has, had or will be given again."""

    @abstractmethod
    async def get(self, pet_id: int) -> Pet:
        """The pet. Raises PetNotFound."""

    @abstractmethod
    async def find(self, query: PetQuery) -> Page[Item]:
        """A page of the pets that the query names, and how many those are in all."""

    @abstractmethod
    def add(self, pet: Pet) -> None:
        """Write the first version of a pet."""

    @abstractmethod
    def save(self, pet: Pet) -> None:
        """Write the next version of a pet; the commit raises LostRace where the stored one is not the one before."""

    @abstractmethod
    def remove(self, pet: Pet) -> None:
        """Remove a pet; the commit raises LostRace where the stored version is another."""
