"""What a caller can do with orders."""

from uuid import UUID

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.unit import Unit
from mainstay.services.orders.domain import Order, OrderClosed, OrderConfirmed, OrderCreated
from mainstay.services.orders.repository import OrderRepository


class OrderService:
    """The writes; a read has no rule and goes from the route to the repository."""

    def __init__(self, orders: OrderRepository, unit: Unit) -> None:
        self._orders = orders
        self._unit = unit

    async def create(self, tenant_id: str) -> Order:
        """Make a draft."""
        order = Order.create(uuid7(), tenant_id, now())
        self._orders.add(order)
        self._unit.emit(OrderCreated.of(order))
        return order

    async def confirm(self, tenant_id: str, order_id: UUID, if_match: TagList, total_cents: int) -> Order:
        """Give a draft its total. Raises OrderNotFound, PreconditionFailed and InvalidState."""
        order = await self._orders.get(tenant_id, order_id)
        if_match.check(order.version)
        confirmed = order.confirm(total_cents, now())
        self._orders.save(confirmed)
        self._unit.emit(OrderConfirmed.of(confirmed))
        return confirmed

    async def close(self, tenant_id: str, order_id: UUID, if_match: TagList) -> Order:
        """Close a confirmed order, once: again, it is answered as it is and nothing is told.

        Raises OrderNotFound, PreconditionFailed and InvalidState.
        """
        order = await self._orders.get(tenant_id, order_id)
        if_match.check(order.version)
        closed = order.close(now())
        if closed is not order:
            self._orders.save(closed)
            self._unit.emit(OrderClosed.of(closed))
        return closed
