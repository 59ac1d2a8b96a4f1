"""Orders in PostgreSQL. Every statement names the tenant."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, select, tuple_, union_all

from mainstay.kernel.core.cursor import KeysetPage
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.repository import Table
from mainstay.kernel.db.statements import Statement
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.orders.domain import Order, OrderNotFound, Status, Told, told
from mainstay.services.orders.models import OrderRow

_ORDERS = Table(OrderRow, Order)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """Which of a tenant's orders, newest first."""

    tenant_id: str
    statuses: Sequence[Status] = ()
    """Any of these; none given means any at all."""
    created_from: datetime | None = None
    created_to: datetime | None = None
    """Not that moment itself."""
    after: tuple[datetime, UUID] | None = None
    """Creation and id of the last order on the page before."""
    limit: int


class OrderRepository:
    """Reads at once; a write is handed to the unit of work, which commits it with its events."""

    def __init__(self, database: Database, unit: PostgresUnit) -> None:
        self._database = database
        self._unit = unit

    async def get(self, tenant_id: str, order_id: UUID) -> Order:
        """The tenant's order. Raises OrderNotFound, also where it is another tenant's."""
        row = await self._database.fetch_one(_ORDERS.get, {"tenant_id": tenant_id, "id": order_id})
        if row is None:
            raise OrderNotFound(id=order_id)
        return Order(*row)

    async def find(self, query: OrderQuery) -> KeysetPage[Told]:
        """A page: as many orders as asked for, and one more read, to know whether there is a page after it."""
        created_before, id_before = query.after or (None, None)
        values = {
            "tenant_id": query.tenant_id,
            "created_from": query.created_from,
            "created_to": query.created_to,
            "created_before": created_before,
            "id_before": id_before,
            "limit": query.limit + 1,
            **{f"status{number}": status for number, status in enumerate(query.statuses)},
        }
        rows = await self._database.fetch_all(_page(ListKind.of(query)), values)
        shown = [told(row) for row in rows[: query.limit]]
        if len(rows) <= query.limit:
            return KeysetPage(shown, None)
        return KeysetPage(shown, (shown[-1]["createdAt"], shown[-1]["id"]))

    def add(self, order: Order) -> None:
        """Write a draft."""
        self._unit.write(_ORDERS.add, _ORDERS.row(order))

    def save(self, order: Order) -> None:
        """Write the next version of an order; the commit raises LostRace where the stored one is not the one before."""
        self._unit.write(_ORDERS.save, _ORDERS.next(order))


@dataclass(frozen=True, slots=True)
class ListKind:
    """What the text of a list's statement depends on."""

    statuses: int
    created_from: bool
    created_to: bool
    after: bool

    @classmethod
    def of(cls, query: OrderQuery) -> "ListKind":
        """The kind of list that a query asks for."""
        return cls(
            statuses=len(query.statuses),
            created_from=query.created_from is not None,
            created_to=query.created_to is not None,
            after=query.after is not None,
        )


@functools.cache
def _page(kind: ListKind) -> Statement:
    """Read off an index, whatever the filters and however far back.

    Several statuses are several lists, each read off its index as far as a page can reach: filtered out of the list of
    all, a rare one would cost a walk through the others.
    """
    filters = list(_filters(kind))
    if not kind.statuses:
        return Statement(_newest_first(select(*_ORDERS.columns).where(*filters)))
    lists = [
        _newest_first(select(*_ORDERS.columns).where(*filters, OrderRow.status == bindparam(f"status{number}")))
        for number in range(kind.statuses)
    ]
    if len(lists) == 1:
        return Statement(lists[0])
    merged = union_all(*(list_.subquery().select() for list_ in lists)).subquery()
    return Statement(select(merged).order_by(merged.c.created_at.desc(), merged.c.id.desc()).limit(bindparam("limit")))


def _newest_first(orders: Select[Any]) -> Select[Any]:
    return orders.order_by(OrderRow.created_at.desc(), OrderRow.id.desc()).limit(bindparam("limit"))


def _filters(kind: ListKind) -> Iterator[ColumnElement[bool]]:
    yield OrderRow.tenant_id == bindparam("tenant_id")
    if kind.created_from:
        yield OrderRow.created_at >= bindparam("created_from")
    # What comes after a row of the list is before its end. With both bounds PostgreSQL 18 would begin at the end.
    if kind.created_to and not kind.after:
        yield OrderRow.created_at < bindparam("created_to")
    if kind.after:
        yield tuple_(OrderRow.created_at, OrderRow.id) < tuple_(bindparam("created_before"), bindparam("id_before"))
