"""Litestar as its full-stack template has it: Advanced Alchemy's models and plugin, msgspec's structs for the answers.

Runs in an environment of its own: see bench/environment.
"""

import hashlib
import os
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from advanced_alchemy.extensions.litestar import AsyncSessionConfig, SQLAlchemyAsyncConfig, SQLAlchemyPlugin
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import Parameter
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from bench.baselines.cursor import make_cursor, read_cursor
from bench.baselines.models import IdempotencyKey, Order, Outbox

Tenant = Annotated[str, Parameter(header="X-Tenant-Id", pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class OrderOut(msgspec.Struct, rename="camel"):
    """What a caller gets."""

    id: UUID
    tenant_id: str
    status: str
    total_cents: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    confirmed_at: datetime | None
    closed_at: datetime | None


class OrderPage(msgspec.Struct, rename="camel"):
    """A page of orders."""

    items: list[OrderOut]
    next_cursor: str | None


def out(order: Order) -> OrderOut:
    """As callers see it."""
    return msgspec.convert(order, OrderOut, from_attributes=True)


@get("/orders/{order_id:uuid}")
async def read_order(order_id: UUID, tenant: Tenant, db_session: AsyncSession) -> Response[OrderOut]:
    """GET /orders/{id}."""
    order = await db_session.scalar(select(Order).where(Order.tenant_id == tenant, Order.id == order_id))
    if order is None:
        raise NotFoundException
    return Response(out(order), headers={"ETag": f'"{order.version}"'})


@get("/orders")
async def list_orders(
    tenant: Tenant,
    db_session: AsyncSession,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Response[OrderPage]:
    """GET /orders?limit=…&cursor=…: a tenant's, newest first; one more is read to know whether there are more."""
    asked = select(Order).where(Order.tenant_id == tenant)
    if cursor is not None:
        asked = asked.where(tuple_(Order.created_at, Order.id) < read_cursor(tenant, cursor))
    newest_first = asked.order_by(Order.created_at.desc(), Order.id.desc()).limit(limit + 1)
    orders = (await db_session.scalars(newest_first)).all()
    page = OrderPage([out(order) for order in orders[:limit]], None)
    if len(orders) <= limit:
        return Response(page)
    page.next_cursor = make_cursor(tenant, page.items[-1].created_at, page.items[-1].id)
    return Response(page, headers={"Link": f'</orders?limit={limit}&cursor={page.next_cursor}>; rel="next"'})


@post("/orders")
async def create_order(
    tenant: Tenant,
    db_session: AsyncSession,
    request: Request[Any, Any, Any],
    idempotency_key: Annotated[str, Parameter(header="Idempotency-Key")],
) -> Response[OrderOut]:
    """POST /orders: look the key up, then write order, key and event in one transaction."""
    scope = "POST /orders"
    if await db_session.get(IdempotencyKey, (tenant, scope, idempotency_key)):
        raise ClientException(status_code=409)  # a replay; never measured
    now = datetime.now(UTC)
    order = Order(tenant_id=tenant, created_at=now, updated_at=now)
    db_session.add(order)
    await db_session.flush()  # what it fills in is in the stored answer and in the event
    shown, tag, location = out(order), f'"{order.version}"', f"/orders/{order.id}"
    db_session.add(
        IdempotencyKey(
            tenant_id=tenant,
            scope=scope,
            key=idempotency_key,
            fingerprint=hashlib.sha256(await request.body()).digest(),
            status=201,
            body=msgspec.json.encode(shown),
            etag=tag,
            location=location,
        )
    )
    db_session.add(
        Outbox(
            tenant_id=tenant,
            aggregatetype="order",
            aggregateid=str(order.id),
            aggregateversion=order.version,
            type="order.created",
            payload=msgspec.to_builtins(shown),
            created_at=now,
        )
    )
    await db_session.commit()
    return Response(shown, status_code=201, headers={"ETag": tag, "Location": location})


def create_app() -> Litestar:
    """The application."""
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    database = SQLAlchemyAsyncConfig(
        engine_instance=create_async_engine(url, pool_size=5, max_overflow=0),
        session_config=AsyncSessionConfig(expire_on_commit=False),
    )
    return Litestar([read_order, list_orders, create_order], plugins=[SQLAlchemyPlugin(database)])
