"""Commits and keys as a caller meets them: nothing is told before it is committed, and nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, bindparam, insert
from starlette.responses import Response

from mainstay.app import create_app
from mainstay.kernel.core.errors import Conflict
from mainstay.kernel.core.events import Event
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.http.application import create_application
from mainstay.kernel.http.contract import Need, answers
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.rendering import respond
from mainstay.kernel.http.unit import UnitRoute, begin
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.settings import Settings

TOM = {"name": "Tom", "species": "cat"}
ANY = {"If-Match": "*"}

Waiting = Callable[..., Awaitable[None]]


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


class Seen(NamedTuple):
    """What matters of an answer."""

    status: int
    body: bytes
    etag: str | None
    location: str | None


def seen(answer: httpx.Response) -> Seen:
    return Seen(answer.status_code, answer.content, tag(answer), answer.headers.get("location"))


def tag(answer: httpx.Response) -> str | None:
    """The ETag. Without a server in between its name is a bytes of our own, which httpx does not find."""
    found: str | None = httpx.Headers([(bytes(name), value) for name, value in answer.headers.raw]).get("etag")
    return found


async def rows(session: asyncpg.Connection, *tables: str) -> list[int]:
    return [await session.fetchval(f"SELECT count(*) FROM {table}") for table in tables or ("pets", "outbox")]


# Nothing is told before it is committed


async def test_no_byte_of_the_answer_is_sent_before_the_commit(
    app: FastAPI, session: asyncpg.Connection, waiting: Waiting
) -> None:
    sent: list[str] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            sent.append(message["type"])
            await send(message)

        await app(scope, receive, note)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(noting), base_url="http://mainstay") as client:
        lock = session.transaction()
        await lock.start()
        await session.execute("LOCK TABLE outbox")
        creating = asyncio.create_task(client.post("/pets", json=TOM))
        await waiting()
        assert sent == []
        await lock.rollback()
        assert (await creating).status_code == 201
    assert sent == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("table", ["outbox", "idempotency_keys", "pets"])
async def test_a_commit_that_fails_is_never_a_success(
    client: httpx.AsyncClient, session: asyncpg.Connection, table: str
) -> None:
    await session.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    answer = await client.post("/pets", json=TOM, headers=key("k"))
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    await session.execute(f"ALTER TABLE elsewhere RENAME TO {table}")
    assert await rows(session, "pets", "outbox", "idempotency_keys") == [0, 0, 0]
    assert (await client.post("/pets", json=TOM, headers=key("k"))).status_code == 201


async def test_a_commit_that_waits_too_long_is_unavailable_and_may_be_tried_again(
    client: httpx.AsyncClient, session: asyncpg.Connection
) -> None:
    for _ in range(2):
        await client.post("/pets", json=TOM)

    async def write() -> tuple[httpx.Response, ...]:
        return await asyncio.gather(
            client.post("/pets", json=TOM, headers=key("k")),
            client.patch("/pets/1", json={}, headers=ANY),
            client.delete("/pets/2"),
        )

    async with session.transaction():
        await session.execute("LOCK TABLE outbox")
        for answer in await write():
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "unavailable"
            assert int(answer.headers["retry-after"]) >= 1
    assert await rows(session) == [2, 2]
    assert [answer.status_code for answer in await write()] == [201, 200, 204]
    assert await rows(session) == [2, 5]


# Nothing is done twice


async def test_a_hundred_requests_with_one_key_make_one_pet(
    client: httpx.AsyncClient, session: asyncpg.Connection
) -> None:
    answered = await asyncio.gather(*(client.post("/pets", json=TOM, headers=key("k")) for _ in range(100)))
    assert len({seen(answer) for answer in answered}) == 1
    assert answered[0].status_code == 201
    assert sum("idempotency-replayed" not in answer.headers for answer in answered) == 1
    assert await rows(session, "pets", "outbox", "idempotency_keys") == [1, 1, 1]


async def test_a_hundred_requests_with_a_key_each_make_a_hundred_pets(
    client: httpx.AsyncClient, session: asyncpg.Connection
) -> None:
    answered = await asyncio.gather(*(client.post("/pets", json=TOM, headers=key(f"k{n}")) for n in range(100)))
    assert {answer.status_code for answer in answered} == {201}
    assert len({answer.json()["id"] for answer in answered}) == 100
    assert await rows(session, "pets", "outbox", "idempotency_keys") == [100, 100, 100]


async def test_one_key_with_two_bodies_carries_out_one_of_them(
    client: httpx.AsyncClient, session: asyncpg.Connection
) -> None:
    bodies = [{**TOM, "name": name} for name in ("Tom", "Tim") for _ in range(20)]
    answered = await asyncio.gather(*(client.post("/pets", json=body, headers=key("k")) for body in bodies))
    won = {answer.json()["name"] for answer in answered if answer.status_code == 201}
    assert len(won) == 1
    for body, answer in zip(bodies, answered, strict=True):
        assert answer.status_code == (201 if body["name"] in won else 422)
    assert await rows(session) == [1, 1]


async def test_a_retry_while_the_first_request_runs_is_told_so(
    client: httpx.AsyncClient, session: asyncpg.Connection
) -> None:
    async with session.transaction():
        await session.execute("INSERT INTO idempotency_keys VALUES ('', 'POST /pets', 'k', '', 201, '')")
        answer = await client.post("/pets", json=TOM, headers=key("k"))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "request_in_progress"
    assert int(answer.headers["retry-after"]) >= 1
    assert await rows(session) == [0, 0]


async def test_a_key_whose_row_is_purged_meanwhile_is_a_new_one(
    client: httpx.AsyncClient, session: asyncpg.Connection
) -> None:
    first = await client.post("/pets", json=TOM, headers=key("k"))
    await session.execute("DELETE FROM idempotency_keys")
    second = await client.post("/pets", json=TOM, headers=key("k"))
    assert second.json()["id"] > first.json()["id"]
    assert "idempotency-replayed" not in second.headers


# Races lost


async def test_writers_who_take_any_version_all_succeed(client: httpx.AsyncClient, session: asyncpg.Connection) -> None:
    await client.post("/pets", json=TOM)
    writers = 5
    answered = await asyncio.gather(
        *(client.patch("/pets/1", json={"age_years": n}, headers=ANY) for n in range(writers))
    )
    assert [answer.status_code for answer in answered] == [200] * writers
    assert sorted(answer.json()["version"] for answer in answered) == list(range(2, writers + 2))
    versions = [row[0] for row in await session.fetch("SELECT aggregateversion FROM outbox ORDER BY seq")]
    assert versions == list(range(1, writers + 2))
    last = next(answer for answer in answered if answer.json()["version"] == writers + 1)
    assert (await client.get("/pets/1")).content == last.content


async def test_a_crowd_that_takes_any_version_succeeds_or_is_told_to_try_again(
    client: httpx.AsyncClient, session: asyncpg.Connection
) -> None:
    await client.post("/pets", json=TOM)
    answered = await asyncio.gather(*(client.patch("/pets/1", json={}, headers=ANY) for _ in range(50)))
    succeeded = [answer.json()["version"] for answer in answered if answer.status_code == 200]
    assert {answer.status_code for answer in answered} <= {200, 503}
    assert sorted(succeeded) == list(range(2, len(succeeded) + 2))
    assert await rows(session) == [1, 1 + len(succeeded)]


@pytest.fixture
async def patient(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Calls a program whose time limits no busy machine meets."""
    app = create_app(settings.model_copy(update={"db_pool_timeout": 30.0, "db_statement_timeout": 30.0}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        yield client


async def test_of_a_hundred_writers_with_one_tag_one_succeeds(patient: httpx.AsyncClient) -> None:
    await patient.post("/pets", json=TOM)
    patches = (patient.patch("/pets/1", json={"age_years": n}, headers={"If-Match": '"1"'}) for n in range(100))
    answered = await asyncio.gather(*patches)
    assert sorted(answer.status_code for answer in answered) == [200] + [412] * 99
    assert {tag(answer) for answer in answered} == {'"2"'}


async def test_who_loses_against_a_deletion_is_told_that_there_is_nothing(
    client: httpx.AsyncClient, session: asyncpg.Connection, waiting: Waiting
) -> None:
    await client.post("/pets", json=TOM)
    transaction = session.transaction()
    await transaction.start()
    await session.execute("DELETE FROM pets")
    patching = asyncio.create_task(client.patch("/pets/1", json={}, headers=ANY))
    await waiting()
    await transaction.commit()
    assert (await patching).json()["error"]["code"] == "pet_not_found"
    assert await rows(session) == [0, 1]


# A retry whose own run fails

MARKS = Table("toy_marks", MetaData(), Column("id", BigInteger, primary_key=True), Column("name", Text))
ADD = insert(MARKS).values(id=bindparam("id"), name=bindparam("name"))


class MarkIn(BaseModel):
    """A mark to make."""

    name: str


class MarkTaken(Conflict):
    """There is a mark of this name."""


class MarkMade(Event):
    """A mark was made."""

    type = "mark.made"


@pytest.fixture
async def toy_marks(database_url: str, session: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """A service whose marks have a name each: looked up before (`/looked-up`), or left to the constraint."""
    await session.execute(
        "CREATE TABLE toy_marks (id bigint PRIMARY KEY DEFAULT 0, name text CONSTRAINT toy_marks_name_key UNIQUE)"
    )
    router = APIRouter(route_class=UnitRoute)
    database = Database(database_url)
    numbers = iter(range(1000))

    async def taken(_: Exception) -> MarkTaken:
        return MarkTaken()

    def make(request: Request, name: str) -> Response:
        unit, number = begin(request, PostgresUnit(database)), next(numbers)
        unit.write(ADD, {"id": number, "name": name}, {"toy_marks_name_key": taken})
        unit.emit(MarkMade(aggregate_id=str(number), aggregate_version=1, data={}))
        return respond({"id": number}, status=201, version=1, location=f"/toy_marks/{number}")

    @router.post("/looked-up")
    @answers(MarkTaken, public=True, idempotency=Need.OPTIONAL)
    async def looked_up(request: Request, body: MarkIn) -> Response:
        answer = make(request, body.name)
        if await database.fetch_text("SELECT count(*) FROM toy_marks WHERE name = $1", [body.name]):
            raise MarkTaken
        return answer

    @router.post("/constrained")
    @answers(MarkTaken, public=True, idempotency=Need.OPTIONAL)
    async def constrained(request: Request, body: MarkIn) -> Response:
        return make(request, body.name)

    app = create_application(
        title="toy_marks",
        routers=[router],
        limits=Limits(),
        access_log=AccessLog(json=False),
        show_cause=False,
        cors_origins=[],
    )
    async with database, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://marks") as client:
        yield client


BOTH_WAYS = pytest.mark.parametrize("path", ["/looked-up", "/constrained"])


@BOTH_WAYS
async def test_a_retry_gets_the_first_answer_though_its_own_run_fails(toy_marks: httpx.AsyncClient, path: str) -> None:
    first = await toy_marks.post(path, json={"name": "a"}, headers=key("k"))
    retry = await toy_marks.post(path, json={"name": "a"}, headers=key("k"))
    assert first.status_code == 201
    assert seen(retry) == seen(first)
    assert retry.headers["idempotency-replayed"] == "true"


@BOTH_WAYS
async def test_another_request_with_a_used_key_is_a_reuse_though_its_own_run_fails(
    toy_marks: httpx.AsyncClient, path: str
) -> None:
    await toy_marks.post(path, json={"name": "a"}, headers=key("k"))
    await toy_marks.post(path, json={"name": "b"}, headers=key("l"))
    answer = await toy_marks.post(path, json={"name": "b"}, headers=key("k"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_key_reused")


@BOTH_WAYS
async def test_a_failure_keeps_no_key(toy_marks: httpx.AsyncClient, session: asyncpg.Connection, path: str) -> None:
    await toy_marks.post(path, json={"name": "a"})
    for _ in range(2):
        answer = await toy_marks.post(path, json={"name": "a"}, headers=key("k"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "mark_taken")
    assert await rows(session, "idempotency_keys", "outbox") == [0, 1]
    assert (await toy_marks.post(path, json={"name": "b"}, headers=key("k"))).status_code == 201


@BOTH_WAYS
async def test_requests_at_once_with_one_key_get_one_answer_though_all_but_one_fail(
    toy_marks: httpx.AsyncClient, session: asyncpg.Connection, path: str
) -> None:
    answered = await asyncio.gather(*(toy_marks.post(path, json={"name": "a"}, headers=key("k")) for _ in range(50)))
    assert len({seen(answer) for answer in answered}) == 1
    assert answered[0].status_code == 201
    assert await rows(session, "toy_marks", "idempotency_keys", "outbox") == [1, 1, 1]
