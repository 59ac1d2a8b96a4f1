"""Pets in the process's memory: gone at restart."""

from mainstay.kernel.core.memory import MemoryStore, MemoryUnit
from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.core.unit import LostRace
from mainstay.services.pets.domain import Pet, PetNotFound, species_key
from mainstay.services.pets.repository import PetQuery, PetRepository, pet_item


class MemoryPets(MemoryStore):
    """The rows, guarded by the store's lock."""

    def __init__(self, *, keep_keys: float) -> None:
        super().__init__(keep_keys=keep_keys)
        self.rows: dict[int, Pet] = {}
        self.last_id = 0


class MemoryPetRepository(PetRepository):
    """See PetRepository."""

    def __init__(self, store: MemoryPets, unit: MemoryUnit) -> None:
        self._store = store
        self._unit = unit

    async def next_id(self) -> int:
        """See PetRepository."""
        with self._store.lock:
            self._store.last_id += 1
            return self._store.last_id

    async def get(self, pet_id: int) -> Pet:
        """See PetRepository."""
        with self._store.lock:
            pet = self._store.rows.get(pet_id)
        if pet is None:
            raise PetNotFound(id=pet_id)
        return pet

    async def find(self, query: PetQuery) -> Page[Item]:
        """See PetRepository."""
        with self._store.lock:
            pets = [pet for pet in self._store.rows.values() if _matches(pet, query)]
        pets.sort(key=lambda pet: pet.id)
        # sorts are stable, also when reversed: ties keep the order of their ids
        pets.sort(key=lambda pet: getattr(pet, query.sort.lstrip("-")), reverse=query.sort.startswith("-"))
        page = pets[query.offset : query.offset + query.limit]
        return Page([pet_item(pet) for pet in page], len(pets))

    def add(self, pet: Pet) -> None:
        """See PetRepository."""
        self._unit.write(lambda: self._put(pet))

    def save(self, pet: Pet) -> None:
        """See PetRepository."""
        self._unit.write(lambda: self._replace(pet))

    def remove(self, pet: Pet) -> None:
        """See PetRepository."""
        self._unit.write(lambda: self._pop(pet))

    def _put(self, pet: Pet) -> None:
        self._store.rows[pet.id] = pet

    def _replace(self, pet: Pet) -> None:
        self._require(pet.id, pet.version - 1)
        self._put(pet)

    def _pop(self, pet: Pet) -> None:
        self._require(pet.id, pet.version)
        del self._store.rows[pet.id]

    def _require(self, pet_id: int, version: int) -> None:
        stored = self._store.rows.get(pet_id)
        if stored is None or stored.version != version:
            raise LostRace


def _matches(pet: Pet, query: PetQuery) -> bool:
    return (query.status is None or pet.status == query.status) and (
        query.species is None or species_key(pet.species) == species_key(query.species)
    )
