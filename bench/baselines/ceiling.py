"""The ceiling: the least that Python, Starlette and asyncpg can do and still give the same answers.

No validation beyond JSON, no logging, no error handling; one statement for everything that a POST writes, the answer's
bytes put together inside it because only the statement knows the new id. Nobody should write a service like this one:
it is here to show what everything else costs.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

READ = "SELECT id, name, species, age_years, status, version FROM pets WHERE id = $1"

LIST = """
SELECT (SELECT count(*) FROM pets WHERE species_key = $1), id, name, species, age_years, status, version
FROM pets WHERE species_key = $1 ORDER BY name, id LIMIT $2 OFFSET $3
"""

TASKS = """
SELECT (SELECT count(*) FROM tasks WHERE status = ANY($1) AND assignee = $2),
    id, title, description, status, priority, assignee, due_date, created_at, updated_at, completed_at, version
FROM tasks WHERE status = ANY($1) AND assignee = $2 ORDER BY priority DESC, created_at, id LIMIT $3 OFFSET $4
"""

CONFIGURATION = """
SELECT id, application_id, name, comments, config::text AS config FROM configurations WHERE id = $1
"""

ADD = """
WITH new AS (
    INSERT INTO pets (name, species, species_key, age_years, status, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, 1, $6, $6) RETURNING id
), key AS (
    INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body, etag, location)
    SELECT '', 'POST /pets', $7, $8, 201, convert_to('{"id":' || id || $9::text, 'UTF8'), '"1"', '/pets/' || id FROM new
), events AS (
    INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
    SELECT '', gen_random_uuid(), 'pet', id, 1, 'pet.created', ('{"id":' || id || $10::text)::jsonb, $6 FROM new
) SELECT id FROM new
"""

READ_WHOLE = "SELECT id, name, species, age_years, status, version, created_at FROM pets WHERE id = $1"

SAVE = """
WITH change AS (
    UPDATE pets SET name = $3, species = $4, species_key = $5, age_years = $6, status = $7, version = version + 1,
        updated_at = $8
    WHERE id = $1 AND version = $2 RETURNING id, version
), events AS (
    INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
    SELECT '', gen_random_uuid(), 'pet', id, version, 'pet.updated', $9::jsonb, $8 FROM change RETURNING 1
) SELECT count(*) FROM events
"""

Pet = dict[str, Any]
Pool = Any  # asyncpg's own types say less than its documentation


def answer(body: bytes, status: int = 200, **headers: str) -> Response:
    """JSON that is bytes already."""
    return Response(body, status, headers, media_type="application/json")


def etag(version: int) -> str:
    """The tag of a version."""
    return f'"{version}"'


async def read_pet(request: Request) -> Response:
    """GET /pets/{id}."""
    row = await request.app.state.pool.fetchrow(READ, request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    return answer(orjson.dumps(dict(row)), etag=etag(row[5]))


async def list_pets(request: Request) -> Response:
    """GET /pets?species=…&limit=…: one species, by name."""
    query = request.query_params
    limit, offset = int(query.get("limit", 50)), int(query.get("offset", 0))
    rows = await request.app.state.pool.fetch(LIST, query["species"].lower(), limit, offset)
    items = [
        {"id": id_, "name": name, "species": species, "age_years": age, "status": status, "version": version}
        for _, id_, name, species, age, status, version in rows
    ]
    meta = {"total": rows[0][0] if rows else 0, "limit": limit, "offset": offset}
    return answer(orjson.dumps({"items": items, "_meta": meta}))


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
    return answer(orjson.dumps(page))


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


async def create_pet(request: Request) -> Response:
    """POST /pets with an Idempotency-Key: the pet, the key with its answer, and the event, in one statement."""
    sent = await request.body()
    fields = orjson.loads(sent)
    name, species = fields["name"], fields["species"]
    age, status = fields.get("age_years"), fields.get("status", "available")
    now = datetime.now(UTC)
    pet: Pet = {"name": name, "species": species, "age_years": age, "status": status, "version": 1}
    body = after_id(pet)
    pet_id = await request.app.state.pool.fetchval(
        ADD,
        name,
        species,
        species.lower(),
        age,
        status,
        now,
        request.headers["idempotency-key"],
        hashlib.sha256(sent).digest(),
        body,
        after_id({**pet, "created_at": now, "updated_at": now}),
    )
    return answer(f'{{"id":{pet_id}{body}'.encode(), 201, etag='"1"', location=f"/pets/{pet_id}")


def after_id(rest: Pet) -> str:
    """The JSON of a pet from behind its id on."""
    return "," + orjson.dumps(rest)[1:].decode()


async def update_pet(request: Request) -> Response:
    """PATCH /pets/{id} with If-Match: read, decide, compare-and-set with the event."""
    fields = orjson.loads(await request.body())
    pool = request.app.state.pool
    row = await pool.fetchrow(READ_WHOLE, request.path_params["id"])
    if row is None:
        return Response(status_code=404)
    if request.headers["if-match"] not in {etag(row[5]), "*"}:
        return Response(status_code=412)
    now = datetime.now(UTC)
    pet: Pet = {**row, **fields, "version": row[5] + 1, "updated_at": now}
    event = orjson.dumps(pet).decode()
    if not await pool.fetchval(
        SAVE,
        pet["id"],
        row[5],
        pet["name"],
        pet["species"],
        pet["species"].lower(),
        pet["age_years"],
        pet["status"],
        now,
        event,
    ):
        return Response(status_code=412)
    del pet["created_at"], pet["updated_at"]
    return answer(orjson.dumps(pet), etag=etag(pet["version"]))


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
            Route("/pets/{id:int}", read_pet, methods=["GET"]),
            Route("/pets", list_pets, methods=["GET"]),
            Route("/pets", create_pet, methods=["POST"]),
            Route("/pets/{id:int}", update_pet, methods=["PATCH"]),
            Route("/api/v1/configurations/{id}", read_configuration, methods=["GET"]),
            Route("/v1/tasks", list_tasks, methods=["GET"]),
        ],
        lifespan=lifespan,
    )
