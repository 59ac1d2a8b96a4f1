"""Which storage and which service a request gets."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from mainstay.kernel.core.memory import MemoryUnit
from mainstay.kernel.core.unit import Unit
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.http.unit import begin
from mainstay.services.pets.memory import MemoryPetRepository, MemoryPets
from mainstay.services.pets.postgres import PostgresPetRepository
from mainstay.services.pets.repository import PetRepository
from mainstay.services.pets.service import PetService

Storage = Callable[[], tuple[PetRepository, Unit]]
"""Makes, for one request, a repository and the unit of work that it writes into. The app keeps it in its state."""


def postgres_storage(database: Database) -> Storage:
    """Pets in PostgreSQL."""

    def open_unit() -> tuple[PetRepository, Unit]:
        unit = PostgresUnit(database)
        return PostgresPetRepository(database, unit), unit

    return open_unit


def memory_storage(*, keep_keys: float) -> Storage:
    """Pets in this process, for as long as it lives; `keep_keys` in seconds."""
    store = MemoryPets(keep_keys=keep_keys)

    def open_unit() -> tuple[PetRepository, Unit]:
        unit = MemoryUnit(store)
        return MemoryPetRepository(store, unit), unit

    return open_unit


async def pet_repository(request: Request) -> PetRepository:
    """For the reads."""
    storage: Storage = request.app.state.pets
    repository, _ = storage()
    return repository


async def pet_service(request: Request) -> PetService:
    """For the writes."""
    storage: Storage = request.app.state.pets
    repository, unit = storage()
    return PetService(repository, begin(request, unit))


Pets = Annotated[PetRepository, Depends(pet_repository)]
Service = Annotated[PetService, Depends(pet_service)]
