"""The application: a session for each request, a function for each call."""

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm.exc import StaleDataError

from bench.baselines.cursor import make_cursor, read_cursor
from bench.baselines.models import Configuration, IdempotencyKey, Order, Outbox, Pet, Task
from bench.baselines.template.schemas import (
    ConfigurationOut,
    OrderConfirm,
    OrderCreate,
    OrderOut,
    OrderPage,
    PetOut,
    TaskOut,
    TaskPage,
)


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for the request."""
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]


Tenant = Annotated[str, Header(alias="X-Tenant-Id", pattern=r"^[A-Za-z0-9._-]{1,64}$")]


async def read_order(order_id: UUID, tenant: Tenant, session: Session, response: Response) -> Order:
    """GET /orders/{id}."""
    order = await session.scalar(select(Order).where(Order.tenant_id == tenant, Order.id == order_id))
    if order is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{order.version}"'
    return order


async def list_orders(
    tenant: Tenant,
    session: Session,
    response: Response,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> OrderPage:
    """GET /orders?limit=…&cursor=…: a tenant's, newest first; one more is read to know whether there are more."""
    asked = select(Order).where(Order.tenant_id == tenant)
    if cursor is not None:
        asked = asked.where(tuple_(Order.created_at, Order.id) < read_cursor(tenant, cursor))
    newest_first = asked.order_by(Order.created_at.desc(), Order.id.desc()).limit(limit + 1)
    orders = (await session.scalars(newest_first)).all()
    page = OrderPage(items=[OrderOut.model_validate(order) for order in orders[:limit]], next_cursor=None)
    if len(orders) > limit:
        page.next_cursor = make_cursor(tenant, page.items[-1].created_at, page.items[-1].id)
        response.headers["Link"] = f'</orders?limit={limit}&cursor={page.next_cursor}>; rel="next"'
    return page


async def create_order(
    order_in: OrderCreate,
    tenant: Tenant,
    session: Session,
    response: Response,
    idempotency_key: Annotated[str, Header()],
) -> Order:
    """POST /orders with an Idempotency-Key: look the key up, then write order, key and event in one transaction."""
    scope = "POST /orders"
    if await session.get(IdempotencyKey, (tenant, scope, idempotency_key)):
        raise HTTPException(409)  # a replay; never measured
    now = datetime.now(UTC)
    order = Order(tenant_id=tenant, created_at=now, updated_at=now)
    session.add(order)
    await session.flush()  # what it fills in is in the stored answer and in the event
    tag, location = f'"{order.version}"', f"/orders/{order.id}"
    session.add(
        IdempotencyKey(
            tenant_id=tenant,
            scope=scope,
            key=idempotency_key,
            fingerprint=hashlib.sha256(order_in.model_dump_json().encode()).digest(),
            status=201,
            body=OrderOut.model_validate(order).model_dump_json(by_alias=True).encode(),
            etag=tag,
            location=location,
        )
    )
    session.add(event_of(order, "order.created", order.version))
    await session.commit()
    response.headers["ETag"] = tag
    response.headers["Location"] = location
    return order


async def confirm_order(  # noqa: PLR0913, PLR0917 - a parameter for each thing that it is given
    order_id: UUID,
    body: OrderConfirm,
    tenant: Tenant,
    session: Session,
    response: Response,
    if_match: Annotated[str, Header()],
) -> Order:
    """PATCH /orders/{id}/confirm with If-Match: read, decide, compare-and-set with the event in one transaction."""
    order = await session.scalar(select(Order).where(Order.tenant_id == tenant, Order.id == order_id))
    if order is None:
        raise HTTPException(404)
    if if_match not in {f'"{order.version}"', "*"}:
        raise HTTPException(412)
    if order.status != "draft":
        raise HTTPException(409)
    order.status, order.total_cents = "confirmed", body.total_cents
    order.confirmed_at = order.updated_at = datetime.now(UTC)
    session.add(event_of(order, "order.confirmed", order.version + 1))
    try:
        await session.commit()
    except StaleDataError as error:
        raise HTTPException(412) from error
    response.headers["ETag"] = f'"{order.version}"'
    return order


def event_of(order: Order, type_: str, version: int) -> Outbox:
    """The event that says what the order is now."""
    return Outbox(
        tenant_id=order.tenant_id,
        aggregatetype="order",
        aggregateid=str(order.id),
        aggregateversion=version,
        type=type_,
        payload=OrderOut.model_validate(order).model_dump(mode="json", by_alias=True) | {"version": version},
        created_at=order.updated_at,
    )


async def read_pet(pet_id: int, session: Session, response: Response) -> Pet:
    """GET /pets/{id}."""
    pet = await session.scalar(select(Pet).where(Pet.id == pet_id))
    if pet is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{pet.version}"'
    return pet


async def read_task(task_id: int, session: Session, response: Response) -> Task:
    """GET /v1/tasks/{id}."""
    task = await session.scalar(select(Task).where(Task.id == task_id))
    if task is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{task.version}"'
    return task


async def list_tasks(
    session: Session,
    status: str,
    assignee: str,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> TaskPage:
    """GET /v1/tasks?status=…&assignee=…&limit=…: someone's, the most urgent first."""
    asked = Task.status.in_(status.split(",")), Task.assignee == assignee
    total = await session.scalar(select(func.count()).select_from(Task).where(*asked))
    order = Task.priority.desc(), Task.created_at, Task.id
    tasks = (await session.scalars(select(Task).where(*asked).order_by(*order).limit(limit).offset(offset))).all()
    items = [TaskOut.model_validate(task) for task in tasks]
    return TaskPage(items=items, total=total or 0, limit=limit, offset=offset)


async def read_configuration(
    configuration_id: str, session: Session, response: Response, if_none_match: Annotated[str | None, Header()] = None
) -> Any:
    """GET /api/v1/configurations/{id}: its tag is a hash of its content."""
    found = await session.scalar(select(Configuration).where(Configuration.id == configuration_id))
    if found is None:
        raise HTTPException(404)
    out = ConfigurationOut.model_validate(found)
    tag = f'"{hashlib.blake2b(out.model_dump_json().encode(), digest_size=16).hexdigest()}"'
    if if_none_match in {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return out


def create_app() -> FastAPI:
    """The application."""
    app = FastAPI()
    engine = create_async_engine(
        os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=5, max_overflow=0
    )
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.get("/orders/{order_id}", response_model=OrderOut)(read_order)
    app.get("/orders", response_model=OrderPage)(list_orders)
    app.post("/orders", response_model=OrderOut, status_code=201)(create_order)
    app.patch("/orders/{order_id}/confirm", response_model=OrderOut)(confirm_order)
    app.get("/pets/{pet_id}", response_model=PetOut)(read_pet)
    app.get("/v1/tasks/{task_id}", response_model=TaskOut)(read_task)
    app.get("/v1/tasks", response_model=TaskPage)(list_tasks)
    app.get("/api/v1/configurations/{configuration_id}", response_model=ConfigurationOut)(read_configuration)
    return app
