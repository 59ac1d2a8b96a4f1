"""What a caller can do with pets."""

from collections.abc import Mapping
from typing import Any

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.core.unit import Unit
from mainstay.services.pets.domain import Pet, PetCreated, PetDeleted, PetUpdated
from mainstay.services.pets.repository import PetRepository


class PetService:
    """The writes; a read has no rule and goes from the route to the repository."""

    def __init__(self, pets: PetRepository, unit: Unit) -> None:
        self._pets = pets
        self._unit = unit

    async def create(self, fields: Mapping[str, Any]) -> Pet:
        """Add a pet."""
        pet = Pet.create(await self._pets.next_id(), fields, now())
        self._pets.add(pet)
        self._unit.emit(PetCreated.of(pet))
        return pet

    async def change(self, pet_id: int, if_match: TagList, fields: Mapping[str, Any]) -> Pet:
        """Change some or all fields of a pet. Raises PetNotFound and PreconditionFailed."""
        pet = await self._pets.get(pet_id)
        if_match.check(pet.version)
        changed = pet.change(fields, now())
        self._pets.save(changed)
        self._unit.emit(PetUpdated.of(changed))
        return changed

    async def delete(self, pet_id: int, if_match: TagList) -> None:
        """Remove a pet. Raises PetNotFound and PreconditionFailed."""
        pet = await self._pets.get(pet_id)
        if_match.check(pet.version)
        self._pets.remove(pet)
        self._unit.emit(PetDeleted.of(pet.change({}, now())))
