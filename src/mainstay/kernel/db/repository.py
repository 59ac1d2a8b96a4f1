"""Tables of entities in versions: the statements on them, and a repository that sends these."""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property, partial
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from mainstay.kernel.core.cursor import KeysetPage
from mainstay.kernel.core.errors import Conflict, NotFound
from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.page import Item
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.statements import Statement, Values
from mainstay.kernel.db.unit import PostgresUnit, Violation

AnyEntity = TypeVar("AnyEntity")
Conflicts = tuple[tuple[str, type[Conflict]], ...]


class Table:
    """The statements on one table, each made once. Its columns are named as the entity's fields."""

    def __init__(self, row: Any, entity: type[Any], more: Sequence[str] = ()) -> None:
        """`row` is the table's model; `more` names columns beside the fields, which the entity has as properties."""
        self._row = row
        self.entity = entity
        self.fields: tuple[str, ...] = entity.__slots__
        self.key = tuple(column.name for column in row.__table__.primary_key)
        self._written = (*self.fields, *more)
        self.columns = [getattr(row, name) for name in self.fields]
        found = [getattr(row, name) == bindparam(name) for name in self.key]
        before = [getattr(row, name) == bindparam(f"{name}_") for name in self.key]
        changed = [name for name in self._written if name not in {*self.key, "created_at"}]
        self.one = select(*self.columns).where(*found)
        self.add = insert(row).values({name: bindparam(name) for name in self._written})
        self.save = (
            update(row)
            .where(*before, row.version == bindparam("version_before"))
            .values({name: bindparam(name) for name in changed})
        )
        self.remove = delete(row).where(*found, row.version == bindparam("version"))

    @cached_property
    def get(self) -> Statement:
        """The entity of a key."""
        return Statement(self.one)

    @cached_property
    def first_page(self) -> Statement:
        """Those made last: their ids begin with the time. Of one tenant, where its id begins the key."""
        return Statement(self._newest)

    @cached_property
    def next_page(self) -> Statement:
        """Those made before another."""
        return Statement(self._newest.where(self._row.id < bindparam("before")))

    @property
    def _newest(self) -> Any:
        tenant = [getattr(self._row, name) == bindparam(name) for name in self.key if name != "id"]
        return select(*self.columns).where(*tenant).order_by(self._row.id.desc()).limit(bindparam("limit"))

    def row(self, entity: Any) -> dict[str, Any]:
        """What `add` takes."""
        return {name: getattr(entity, name) for name in self._written}

    def next(self, entity: Any) -> dict[str, Any]:
        """What `save` takes: it writes over the version before this one, and over no other."""
        found = {f"{name}_": getattr(entity, name) for name in self.key}
        return {**self.row(entity), **found, "version_before": entity.version - 1}

    def last(self, entity: Any) -> Values:
        """What `remove` takes: it removes this version, and no other."""
        return {name: getattr(entity, name) for name in (*self.key, "version")}


@cache
def _violations(conflicts: Conflicts) -> Mapping[str, Violation]:
    """As the unit wants them."""
    return {name: partial(_conflict, kind) for name, kind in conflicts}


async def _conflict(kind: type[Conflict], error: Exception) -> Conflict:
    return kind(original_error=error)


class EntityRepository(Generic[AnyEntity]):
    """Entities in PostgreSQL. Reads at once; a write is handed to the unit of work, which commits it with its events.

    The key is the id, or, where tenants have theirs, tenant and id.
    """

    table: ClassVar[Table]
    not_found: ClassVar[type[NotFound]]
    conflicts: ClassVar[Conflicts] = ()
    """The names of constraints, each with the error that its violation stands for."""

    def __init__(self, database: Database, unit: PostgresUnit) -> None:
        self._database = database
        self._unit = unit

    async def next_id(self) -> Any:
        """An id that nothing has, had or will be given again; those made later sort behind it."""
        return uuid7()

    async def get(self, key: Any) -> AnyEntity:
        """The entity. Raises the service's NotFound."""
        values = dict(zip(self.table.key, key, strict=True)) if isinstance(key, tuple) else {"id": key}
        row = await self._database.fetch_one(self.table.get, values)
        if row is None:
            raise self.not_found(id=values["id"])
        entity: AnyEntity = self.table.entity(*row)
        return entity

    async def newest(self, *, before: UUID | None, limit: int, tenant_id: str | None = None) -> KeysetPage[Item]:
        """A page, the newest first; `before` is the id that the page before ended with."""
        statement = self.table.first_page if before is None else self.table.next_page
        values = {"before": before, "limit": limit + 1, "tenant_id": tenant_id}  # one more: is there a next page?
        rows = await self._database.fetch_all(statement, values)
        items = [dict(zip(self.table.fields, row, strict=True)) for row in rows[:limit]]
        return KeysetPage(items, (items[-1]["id"],) if len(rows) > limit else None)

    def add(self, entity: AnyEntity) -> None:
        """Write the first version; the commit raises the conflicts."""
        self._unit.write(self.table.add, self.table.row(entity), _violations(self.conflicts))

    def save(self, entity: AnyEntity) -> None:
        """Write the next version; the commit raises the conflicts, and LostRace where another change was faster."""
        self._unit.write(self.table.save, self.table.next(entity), _violations(self.conflicts))

    def remove(self, entity: AnyEntity) -> None:
        """Remove it; the commit raises LostRace where the stored version is another."""
        self._unit.write(self.table.remove, self.table.last(entity))
