"""What a request for pets is given, and where pets are kept but in PostgreSQL."""

from typing import Annotated

from fastapi import Depends

from mainstay.kernel.core.memory import MemoryUnit
from mainstay.kernel.core.unit import Unit
from mainstay.kernel.http.storage import Providers, Storage
from mainstay.services.pets.memory import MemoryPetRepository, MemoryPets
from mainstay.services.pets.repository import PetRepository
from mainstay.services.pets.service import PetService


def memory_storage(*, keep_keys: float) -> Storage[PetRepository]:
    """Pets in this process, for as long as it lives; `keep_keys` in seconds."""
    store = MemoryPets(keep_keys=keep_keys)

    def open_unit() -> tuple[PetRepository, Unit]:
        unit = MemoryUnit(store)
        return MemoryPetRepository(store, unit), unit

    return open_unit


_pets = Providers("pets", PetService)

Pets = Annotated[PetRepository, Depends(_pets.repository)]
Service = Annotated[PetService, Depends(_pets.service)]
