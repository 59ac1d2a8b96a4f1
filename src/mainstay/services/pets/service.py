"""What a caller can do with pets."""

from mainstay.kernel.core.service import EntityService
from mainstay.services.pets.domain import Pet, PetCreated, PetDeleted, PetUpdated


class PetService(EntityService[Pet]):
    """The writes; a read has no rule and goes from the route to the repository."""

    entity, created, updated, deleted = Pet, PetCreated, PetUpdated, PetDeleted
