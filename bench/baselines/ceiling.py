"""The ceiling: the least that Python, Starlette and asyncpg can do and still give the same answers.

No validation beyond JSON, no logging, no error handling; a write is one statement, and so are its key and its event.
Nobody should write a service like this one: it is here to show what everything else costs.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.baselines.cursor import make_cursor, read_cursor
from mainstay.kernel.core.ids import uuid7

ORDER = """
SELECT id, tenant_id AS "tenantId", status, total_cents AS "totalCents", version, created_at AS "createdAt",
    updated_at AS "updatedAt", confirmed_at AS "confirmedAt", closed_at AS "closedAt"
FROM orders WHERE tenant_id = $1 AND id = $2
"""

ORDERS = """
SELECT id, tenant_id AS "tenantId", status, total_cents AS "totalCents", version, created_at AS "createdAt",
    updated_at AS "updatedAt", confirmed_at AS "confirmedAt", closed_at AS "closedAt"
FROM orders WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""

ORDERS_AFTER = ORDERS.replace("ORDER BY", "AND (created_at, id) < ($3, $4) ORDER BY")

CREATE = """
WITH change AS (
    INSERT INTO orders (tenant_id, id, status, version, created_at, updated_at)
    VALUES ($1, $2, 'draft', 1, $3, $3) RETURNING 1
), key AS (
    INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body, etag, location)
    SELECT $1, 'POST /orders', $4, $5, 201, $6, '"1"', '/orders/' || $2::uuid FROM change RETURNING 1
), events AS (
    INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
    SELECT $1, $7, 'order', $2::uuid::text, 1, 'order.created', $8, $3 FROM key RETURNING 1
) SELECT count(*) FROM events
"""

CONFIRM = """
WITH change AS (
    UPDATE orders SET status = 'confirmed', total_cents = $4, version = $3 + 1, updated_at = $5, confirmed_at = $5
    WHERE tenant_id = $1 AND id = $2 AND version = $3 RETURNING 1
), events AS (
    INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
    SELECT $1, $6, 'order', $2::uuid::text, $3 + 1, 'order.confirmed', $7, $5 FROM change RETURNING 1
) SELECT count(*) FROM events
"""

PET = "SELECT id, name, species, age_years, status, version FROM pets WHERE id = $1"

TASK = """
SELECT id, title, description, status, priority, assignee, due_date, created_at, updated_at, completed_at, version
FROM tasks WHERE id = $1
"""

TASKS = """
SELECT (SELECT count(*) FROM tasks WHERE status = ANY($1) AND assignee = $2),
    id, title, description, status, priority, assignee, due_date, created_at, updated_at, completed_at, version
FROM tasks WHERE status = ANY($1) AND assignee = $2 ORDER BY priority DESC, created_at, id LIMIT $3 OFFSET $4
"""

CONFIGURATION = """
SELECT id, application_id, name, comments, config::text AS config FROM configurations WHERE id = $1
"""


def answer(body: bytes, status: int = 200, **headers: str) -> Response:
    """JSON that is bytes already."""
    return Response(body, status, headers, media_type="application/json")


def etag(version: int) -> str:
    """The tag of a version."""
    return f'"{version}"'


def dumps(content: object) -> bytes:
    """JSON; asyncpg's UUIDs are a class that orjson does not know."""
    return orjson.dumps(content, str, orjson.OPT_UTC_Z)


async def read_order(request: Request) -> Response:
    """GET /orders/{id}."""
    row = await request.app.state.pool.fetchrow(ORDER, request.headers["x-tenant-id"], request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    return answer(dumps(dict(row)), etag=etag(row[4]))


async def list_orders(request: Request) -> Response:
    """GET /orders?limit=…&cursor=…: a tenant's, newest first; one more is read to know whether there are more."""
    pool, tenant, query = request.app.state.pool, request.headers["x-tenant-id"], request.query_params
    limit = int(query.get("limit", 20))
    if cursor := query.get("cursor"):
        rows = await pool.fetch(ORDERS_AFTER, tenant, limit + 1, *read_cursor(tenant, cursor))
    else:
        rows = await pool.fetch(ORDERS, tenant, limit + 1)
    items = [dict(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return answer(dumps({"items": items, "nextCursor": None}))
    following = make_cursor(tenant, items[-1]["createdAt"], items[-1]["id"])
    link = f'</orders?limit={limit}&cursor={following}>; rel="next"'
    return answer(dumps({"items": items, "nextCursor": following}), link=link)


async def create_order(request: Request) -> Response:
    """POST /orders with an Idempotency-Key: the draft, the key with its answer, and the event, in one statement."""
    sent, tenant = await request.body(), request.headers["x-tenant-id"]
    order_id, now = uuid7(), datetime.now(UTC)
    order = {
        "id": order_id,
        "tenantId": tenant,
        "status": "draft",
        "totalCents": None,
        "version": 1,
        "createdAt": now,
        "updatedAt": now,
        "confirmedAt": None,
        "closedAt": None,
    }
    body, fingerprint = dumps(order), hashlib.sha256(sent).digest()
    key = request.headers["idempotency-key"]
    await request.app.state.pool.fetchval(CREATE, tenant, order_id, now, key, fingerprint, body, uuid7(), body.decode())
    return answer(body, 201, etag='"1"', location=f"/orders/{order_id}")


async def confirm_order(request: Request) -> Response:
    """PATCH /orders/{id}/confirm with If-Match: read, decide, compare-and-set with the event."""
    total = orjson.loads(await request.body())["totalCents"]
    pool, tenant = request.app.state.pool, request.headers["x-tenant-id"]
    row = await pool.fetchrow(ORDER, tenant, request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    version = row[4]
    if request.headers["if-match"] not in {etag(version), "*"}:
        return Response(status_code=412)
    if row[2] != "draft":
        return Response(status_code=409)
    now = datetime.now(UTC)
    confirmed = {"status": "confirmed", "totalCents": total, "version": version + 1}
    body = dumps({**row, **confirmed, "updatedAt": now, "confirmedAt": now})
    if not await pool.fetchval(CONFIRM, tenant, row[0], version, total, now, uuid7(), body.decode()):
        return Response(status_code=412)
    return answer(body, etag=etag(version + 1))


async def read_pet(request: Request) -> Response:
    """GET /pets/{id}."""
    row = await request.app.state.pool.fetchrow(PET, request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    return answer(orjson.dumps(dict(row)), etag=etag(row[5]))


async def read_task(request: Request) -> Response:
    """GET /v1/tasks/{id}."""
    row = await request.app.state.pool.fetchrow(TASK, request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    return answer(dumps(dict(row)), etag=etag(row[10]))


async def list_tasks(request: Request) -> Response:
    """GET /v1/tasks?status=…&assignee=…&limit=…: someone's, the most urgent first."""
    query = request.query_params
    limit, offset = int(query.get("limit", 20)), int(query.get("offset", 0))
    rows = await request.app.state.pool.fetch(TASKS, query["status"].split(","), query["assignee"], limit, offset)
    items = [
        {
            "id": id_,
            "title": title,
            "description": description,
            "status": status,
            "priority": priority,
            "assignee": assignee,
            "due_date": due,
            "created_at": created,
            "updated_at": updated,
            "completed_at": completed,
            "version": version,
        }
        for _, id_, title, description, status, priority, assignee, due, created, updated, completed, version in rows
    ]
    page = {"items": items, "total": rows[0][0] if rows else 0, "limit": limit, "offset": offset}
    return answer(dumps(page))


async def read_configuration(request: Request) -> Response:
    """GET /api/v1/configurations/{id}: its tag is a hash of what is sent."""
    row = await request.app.state.pool.fetchrow(CONFIGURATION, request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    body = orjson.dumps({**row, "config": orjson.Fragment(row[4])})
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    if request.headers.get("if-none-match") in {tag, "*"}:
        return Response(status_code=304, headers={"etag": tag})
    return answer(body, etag=tag)


async def no_reset(_: object) -> None:
    """Nothing of a statement stays on its connection, so the pool's own reset would be a round trip for nothing."""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Hold the pool."""
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"],
        min_size=10,
        max_size=10,
        max_queries=2**31,
        max_inactive_connection_lifetime=0,
        reset=no_reset,
    ) as pool:
        app.state.pool = pool
        yield


def create_app() -> Starlette:
    """The application."""
    return Starlette(
        routes=[
            Route("/orders/{id}", read_order, methods=["GET"]),
            Route("/orders", list_orders, methods=["GET"]),
            Route("/orders", create_order, methods=["POST"]),
            Route("/orders/{id}/confirm", confirm_order, methods=["PATCH"]),
            Route("/pets/{id:int}", read_pet, methods=["GET"]),
            Route("/v1/tasks/{id:int}", read_task, methods=["GET"]),
            Route("/v1/tasks", list_tasks, methods=["GET"]),
            Route("/api/v1/configurations/{id}", read_configuration, methods=["GET"]),
        ],
        lifespan=lifespan,
    )
