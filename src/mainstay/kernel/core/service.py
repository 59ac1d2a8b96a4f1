"""The use cases of an entity that has no rules of its own yet: made, changed, removed, and each of it told."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.entity import Entity, EntityEvent
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.core.unit import Unit

AnyEntity = TypeVar("AnyEntity", bound=Entity)


class Repository(Protocol[AnyEntity]):
    """Reads at once; a write is handed to the unit of work, which commits it with its events."""

    async def next_id(self) -> object:
        """An id that no entity has, had or will be given again."""

    async def get(self, key: Any, /) -> AnyEntity:
        """The entity. Raises the service's NotFound."""

    def add(self, entity: AnyEntity, /) -> None:
        """Write the first version."""

    def save(self, entity: AnyEntity, /) -> None:
        """Write the next version; the commit raises LostRace where the stored one is not the one before."""

    def remove(self, entity: AnyEntity, /) -> None:
        """Remove it; the commit raises LostRace where the stored version is another."""


class EntityService(Generic[AnyEntity]):
    """The writes; a read has no rule and goes from the route to the repository.

    A use case that gets a rule is written anew in the service's own class, as those of tasks are.
    """

    entity: ClassVar[type[Any]]
    created: ClassVar[type[EntityEvent]]
    updated: ClassVar[type[EntityEvent]]
    deleted: ClassVar[type[EntityEvent]]

    def __init__(self, repository: Repository[AnyEntity], unit: Unit) -> None:
        self._repository = repository
        self._unit = unit

    async def create(self, fields: Mapping[str, Any]) -> AnyEntity:
        """Add an entity. The commit raises what the repository names for a value that is there once."""
        entity: AnyEntity = self.entity.create(await self._repository.next_id(), fields, now())
        self._repository.add(entity)
        self._unit.emit(self.created.of(entity))
        return entity

    async def change(self, key: Any, if_match: TagList, fields: Mapping[str, Any]) -> AnyEntity:
        """Change some or all fields of an entity. Raises the service's NotFound, and PreconditionFailed."""
        entity = await self._repository.get(key)
        if_match.check(entity.version)
        changed = entity.change(fields, now())
        self._repository.save(changed)
        self._unit.emit(self.updated.of(changed))
        return changed

    async def delete(self, key: Any, if_match: TagList) -> None:
        """Remove an entity. Raises the service's NotFound, and PreconditionFailed."""
        entity = await self._repository.get(key)
        if_match.check(entity.version)
        self._repository.remove(entity)
        self._unit.emit(self.deleted.of(entity.removed(now())))
