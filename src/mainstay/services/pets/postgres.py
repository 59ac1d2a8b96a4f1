"""Pets in PostgreSQL."""

import functools

from sqlalchemy import ColumnElement, bindparam, func, select

from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.db.repository import EntityRepository, Table
from mainstay.kernel.db.statements import Statement
from mainstay.services.pets.domain import Pet, PetNotFound, species_key
from mainstay.services.pets.models import PET_IDS, PetRow
from mainstay.services.pets.repository import ITEM_FIELDS, PetQuery, PetRepository, Sort

_NEXT_ID = Statement(select(PET_IDS.next_value()))


class PostgresPetRepository(EntityRepository[Pet], PetRepository):
    """See PetRepository."""

    table = Table(PetRow, Pet, more=("species_key",))
    not_found = PetNotFound

    async def next_id(self) -> int:
        """See PetRepository. From a sequence, so that a lost race or a failed commit leaves a hole, never a repeat."""
        return int(await self._database.fetch_value(_NEXT_ID))

    async def find(self, query: PetQuery) -> Page[Item]:
        """See PetRepository. The total comes with the page's rows, so that both are of one moment."""
        by_species, by_status = query.species is not None, query.status is not None
        values = {
            "species_key": species_key(query.species or ""),
            "status": query.status,
            "limit": query.limit,
            "offset": query.offset,
        }
        find = _find(query.sort, by_species=by_species, by_status=by_status)
        rows = await self._database.fetch_all(find, values)
        if rows:
            return Page([dict(zip(ITEM_FIELDS, row, strict=False)) for row in rows], rows[0][-1])
        count = _count(by_species=by_species, by_status=by_status)
        return Page([], await self._database.fetch_value(count, values))


@functools.cache
def _find(sort: Sort, *, by_species: bool, by_status: bool) -> Statement:
    filters = _filters(by_species=by_species, by_status=by_status)
    total = select(func.count()).select_from(PetRow).where(*filters).scalar_subquery()
    column = PetRow.name if sort.endswith("name") else PetRow.created_at
    order = (column.desc() if sort.startswith("-") else column, PetRow.id)
    page = select(*(getattr(PetRow, name) for name in ITEM_FIELDS), total).where(*filters).order_by(*order)
    return Statement(page.limit(bindparam("limit")).offset(bindparam("offset")))


@functools.cache
def _count(*, by_species: bool, by_status: bool) -> Statement:
    """For a page that is empty: then no row carries the total."""
    filters = _filters(by_species=by_species, by_status=by_status)
    return Statement(select(func.count()).select_from(PetRow).where(*filters))


def _filters(*, by_species: bool, by_status: bool) -> list[ColumnElement[bool]]:
    filters: list[ColumnElement[bool]] = []
    if by_species:
        filters.append(PetRow.species_key == bindparam("species_key"))
    if by_status:
        filters.append(PetRow.status == bindparam("status"))
    return filters
