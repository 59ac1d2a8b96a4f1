"""What a pet is and what may happen to it. Pure: no SQL, no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self, get_args

from mainstay.kernel.core.errors import NotFound
from mainstay.kernel.core.events import Event

Status = Literal["available", "pending", "sold"]
STATUSES: tuple[Status, ...] = get_args(Status)
TEXT_MAX = 64
"""Characters in a name or a species."""
AGE_MAX = 100
"""Years: the oldest pets on record are tortoises, which owners give away before that."""


class PetNotFound(NotFound):
    """There is no pet with this id."""

    message = "There is no pet with this id."


@dataclass(frozen=True, slots=True)
class Pet:
    """One pet in one version. Every change makes the next version and leaves this one as it is."""

    id: int
    name: str
    species: str
    age_years: int | None
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def create(cls, pet_id: int, fields: Mapping[str, Any], at: datetime) -> Self:
        """The first version of a pet."""
        return cls(id=pet_id, version=1, created_at=at, updated_at=at, **fields)

    def change(self, fields: Mapping[str, Any], at: datetime) -> Self:
        """The next version, with the given fields changed; none given is a change too."""
        return replace(self, version=self.version + 1, updated_at=at, **fields)


def species_key(species: str) -> str:
    """What species are compared by, so that `Cat` and `cat` are one, in every storage alike."""
    return species.casefold()


class PetEvent(Event):
    """Something happened to a pet. The payload is the whole pet after it."""

    @classmethod
    def of(cls, pet: Pet) -> Self:
        """The event for this version of the pet."""
        data = {name: getattr(pet, name) for name in Pet.__slots__}
        return cls(aggregate_id=str(pet.id), aggregate_version=pet.version, data=data)


class PetCreated(PetEvent):
    """A pet was added."""

    type = "pet.created"


class PetUpdated(PetEvent):
    """A pet was changed."""

    type = "pet.updated"


class PetDeleted(PetEvent):
    """A pet was removed. The payload is what it was, the version one more than its last."""

    type = "pet.deleted"
