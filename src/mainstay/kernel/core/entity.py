"""What services keep: entities in versions, and the events that tell of them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self

from mainstay.kernel.core.events import Event


class Entity:
    """One thing in one version, to be subclassed as a frozen dataclass with slots and with the fields named here.

    Every change makes the next version and leaves this one as it is.
    """

    __slots__: ClassVar[tuple[str, ...]] = ()
    id: Any
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def create(cls, entity_id: object, fields: Mapping[str, Any], at: datetime) -> Self:
        """The first version. Raises TypeError where the fields are not those of the entity."""
        make: Callable[..., Self] = cls
        return make(id=entity_id, version=1, created_at=at, updated_at=at, **fields)

    def change(self, fields: Mapping[str, Any], at: datetime) -> Self:
        """The next version, with the given fields changed; none given is a change too."""
        make: Callable[..., Self] = type(self)
        return make(**{**self.told(), "version": self.version + 1, "updated_at": at, **fields})

    def removed(self, at: datetime) -> Self:
        """What is told when it is gone: as it was, with one version more than its last."""
        return self.change({}, at)

    def told(self) -> Mapping[str, Any]:
        """The whole of it, by field and in their order."""
        return {name: getattr(self, name) for name in self.__slots__}


class Versioned(Protocol):
    """What an event can tell of."""

    @property
    def id(self) -> object:
        """Which it is."""

    @property
    def version(self) -> int:
        """One more with each change."""

    def told(self) -> Mapping[str, Any]:
        """What the world may know of it."""


class EntityEvent(Event):
    """Something happened to an entity. The payload is the whole of it after that."""

    @classmethod
    def of(cls, entity: Versioned) -> Self:
        """The event for this version; an entity that is a tenant's says whose."""
        return cls(
            tenant=getattr(entity, "tenant_id", ""),
            aggregate_id=str(entity.id),
            aggregate_version=entity.version,
            data=entity.told(),
        )
