"""What a pet is and what may happen to it. Pure: no SQL, no HTTP."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from mainstay.kernel.core.entity import Entity, EntityEvent
from mainstay.kernel.core.errors import NotFound

Status = Literal["available", "pending", "sold"]
STATUSES: tuple[Status, ...] = get_args(Status)
TEXT_MAX = 64
"""Characters in a name or a species."""
AGE_MAX = 100
"""Years: the oldest pets on record are tortoises, which owners give away before that."""


class PetNotFound(NotFound):
    """There is no pet with this id."""


@dataclass(frozen=True, slots=True)
class Pet(Entity):
    """One pet in one version. Every change makes the next version and leaves this one as it is."""

    id: int
    name: str
    species: str
    age_years: int | None
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def species_key(self) -> str:
        """See `species_key`."""
        return species_key(self.species)


def species_key(species: str) -> str:
    """What species are compared by, so that `Cat` and `cat` are one, in every storage alike."""
    return species.casefold()


class PetCreated(EntityEvent):
    """A pet was added."""


class PetUpdated(EntityEvent):
    """A pet was changed."""


class PetDeleted(EntityEvent):
    """A pet was removed. The payload is what it was, the version one more than its last."""
