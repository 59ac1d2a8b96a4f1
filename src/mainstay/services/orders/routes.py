"""Orders over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from mainstay.kernel.http.conditional import if_match
from mainstay.kernel.http.contract import Need, answers
from mainstay.kernel.http.paging import Cursor, Limit, position, respond_list
from mainstay.kernel.http.parameters import COMMA_SEPARATED, PlainDateTime, PlainUuid
from mainstay.kernel.http.rendering import respond_entity
from mainstay.kernel.http.schemas import page_of
from mainstay.kernel.http.tenant import tenant_of
from mainstay.kernel.http.unit import UnitRoute
from mainstay.services.orders.dependencies import Orders, Service
from mainstay.services.orders.domain import InvalidState, OrderNotFound, Status
from mainstay.services.orders.repository import OrderQuery
from mainstay.services.orders.schemas import AN_ORDER, Nothing, OrderConfirmation, OrderOut

router = APIRouter(prefix="/orders", tags=["orders"], route_class=UnitRoute)

OrderId = Annotated[PlainUuid, Path(description="The order's id.", examples=[AN_ORDER])]
NOTHING = Nothing()
A_TIME = "2026-11-21T09:30:00Z"


@router.post("", status_code=201, response_model=OrderOut)
@answers(tenant=True, idempotency=Need.REQUIRED, form_label=True, etag=True)
async def create_order(orders: Service, request: Request, _: Annotated[Nothing, Body()] = NOTHING) -> Response:
    """Make a draft."""
    order = await orders.create(tenant_of(request))
    return respond_entity(order, status=201, location=f"/orders/{order.id}")


@router.get("/{order_id}", response_model=OrderOut)
@answers(OrderNotFound, tenant=True, etag=True)
async def read_order(order_id: OrderId, orders: Orders, request: Request) -> Response:
    """Read one order."""
    return respond_entity(await orders.get(tenant_of(request), order_id))


@router.patch("/{order_id}/confirm", response_model=OrderOut)
@answers(OrderNotFound, InvalidState, tenant=True, if_match=Need.REQUIRED, etag=True)
async def confirm_order(order_id: OrderId, body: OrderConfirmation, orders: Service, request: Request) -> Response:
    """Give a draft its total, which makes it a confirmed order."""
    return respond_entity(await orders.confirm(tenant_of(request), order_id, if_match(request), body.totalCents))


@router.post("/{order_id}/close", response_model=OrderOut)
@answers(
    *(OrderNotFound, InvalidState),
    tenant=True,
    if_match=Need.OPTIONAL,
    idempotency=Need.OPTIONAL,
    form_label=True,
    etag=True,
)
async def close_order(
    order_id: OrderId, orders: Service, request: Request, _: Annotated[Nothing, Body()] = NOTHING
) -> Response:
    """Close a confirmed order. A second time it is answered as it is."""
    return respond_entity(await orders.close(tenant_of(request), order_id, if_match(request)))


@router.get("", response_model=page_of(OrderOut))
@answers(tenant=True, keyset=True)
async def list_orders(
    orders: Orders,
    request: Request,
    status: Annotated[
        Sequence[Status], Query(description="Any of these; repeated, or between commas."), COMMA_SEPARATED
    ] = (),
    created_from: Annotated[
        PlainDateTime | None, Query(alias="createdFrom", description="Made then or later.", examples=[A_TIME])
    ] = None,
    created_to: Annotated[
        PlainDateTime | None, Query(alias="createdTo", description="Made before.", examples=[A_TIME])
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Response:
    """List the tenant's orders, newest first, page by page."""
    tenant, statuses = tenant_of(request), sorted(set(status))
    scope = ("orders", tenant, statuses, created_from, created_to)
    query = OrderQuery(
        tenant_id=tenant,
        statuses=statuses,
        created_from=created_from,
        created_to=created_to,
        after=position(request, cursor, scope, _place),
        limit=limit,
    )
    return respond_list(request, await orders.find(query), scope)


def _place(created_at: str, order_id: str) -> tuple[datetime, UUID]:
    return datetime.fromisoformat(created_at), UUID(order_id)
