"""What becomes of those who send too many requests, whatever they ask for."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from mainstay.settings import SERVICES
from tests.conformance.conftest import Api, Document, checked_client
from tests.conformance.resources import RESOURCES, Resource
from tests.signed_in import SignedIn, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

READS, WRITES = 3, 4
SCOPES = [f"{service}:*" for service in SERVICES]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(program: Callable[..., FastAPI]) -> AsyncIterator[FastAPI]:
    """The program with tokens required and requests limited."""
    limits = f"read={READS}/hour,write={WRITES}/hour,auth=99999/hour"
    app = program(auth_mode="required", rate_limits=limits)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Document:
    """What it documents: 429 too, which is none of the other programs' answers."""
    return Document(app.openapi())


@pytest.fixture
def somebody(app: FastAPI, client: httpx.AsyncClient, kept_database_url: str, resource: Resource) -> Callable[..., Api]:
    """Calls the resource as one who may, and of whom nothing is counted yet."""
    known: Callable[..., SignedIn] = partial(sign_in, kept_database_url, app.state.users().keys)

    def somebody(scopes: list[str] = SCOPES) -> Api:
        who = known(role="admin", scopes=scopes, tenant="tenant-1")
        return Api(client, resource, who.headers)

    return somebody


@pytest_asyncio.fixture(loop_scope="session")
async def from_address(app: FastAPI, document: Document, resource: Resource) -> AsyncIterator[Callable[..., Api]]:
    """Calls the resource from an address of nobody else's."""
    async with checked_client(app, document, address=f"10.0.0.{RESOURCES.index(resource)}") as client:
        yield partial(Api, client, resource)


def refusal(answer: httpx.Response, group: str, amount: int) -> None:
    """Hold an answer to all that is promised to those who have to wait."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert 3500 < int(answer.headers["retry-after"]) <= 3600
    assert answer.headers["ratelimit-policy"] == f'"{group}";q={amount};w=3600'
    assert answer.headers["ratelimit"] == f'"{group}";r=0;t={answer.headers["retry-after"]}'


async def test_reads_are_let_through_to_the_limit_and_told_what_is_left(somebody: Callable[..., Api]) -> None:
    api = somebody()
    found = [await api.call("GET", api.readable) for _ in range(READS + 2)]
    assert 429 not in {answer.status_code for answer in found[:READS]}
    left = [answer.headers["ratelimit"].split(";")[:2] for answer in found[:READS]]
    assert left == [['"read"', f"r={READS - number}"] for number in range(1, READS + 1)]
    for answer in found[READS:]:
        refusal(answer, "read", READS)


async def test_a_write_that_is_one_too_many_changes_nothing(somebody: Callable[..., Api]) -> None:
    api, other = somebody(), somebody()
    path = await other.made()
    for _ in range(WRITES):
        assert (await api.change(f"/{api.resource.missing}", {"If-Match": "*"})).status_code == 404
    before = await other.tag(path)
    refusal(await api.change(path, {"If-Match": "*"}), "write", WRITES)
    assert await other.tag(path) == before


async def test_reads_and_writes_are_counted_apart_and_so_are_callers(somebody: Callable[..., Api]) -> None:
    api, other = somebody(), somebody()
    path = await other.made()
    statuses = [(await api.call("GET", path)).status_code for _ in range(READS + 1)]
    assert statuses == [*[200] * READS, 429]
    assert (await api.call("HEAD", path)).status_code == 429
    assert (await api.change(path, {"If-Match": "*"})).status_code == 200
    assert (await other.call("GET", path)).status_code == 200


async def test_who_is_turned_away_is_counted_too_by_the_address(
    somebody: Callable[..., Api], from_address: Callable[..., Api]
) -> None:
    stranger = from_address({})
    for _ in range(READS):
        assert (await stranger.call("GET", stranger.readable)).status_code == 401
    refusal(await stranger.call("GET", stranger.readable), "read", READS)
    guessing = from_address({"Authorization": "Bearer a.b.c"})
    refusal(await guessing.call("GET", guessing.readable), "read", READS)
    assert (await stranger.change(f"/{stranger.resource.missing}")).status_code == 401
    known = from_address(somebody().headers)
    assert (await known.call("GET", known.readable)).status_code != 429


async def test_who_may_not_is_counted_as_who_may(somebody: Callable[..., Api]) -> None:
    api = somebody(scopes=[])
    if api.resource.for_admins:
        pytest.skip("an admin may without a scope")
    statuses = [(await api.call("GET", api.readable)).status_code for _ in range(READS + 1)]
    assert statuses == [*[403] * READS, 429]


async def test_nobody_reads_the_body_of_who_has_to_wait(somebody: Callable[..., Api]) -> None:
    api = somebody()
    for _ in range(WRITES):
        await api.change(f"/{api.resource.missing}", {"If-Match": "*"})
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{"

    refusal(await api.change(f"/{api.resource.missing}", {"If-Match": "*"}, content=body()), "write", WRITES)
    assert read == 0


async def test_whoever_asks_how_the_program_is_is_not_counted(from_address: Callable[..., Api]) -> None:
    client = from_address({}).client
    for _ in range(READS + 1):
        for path in ("/health", "/healthz", "/readyz", "/metrics"):
            answer = await client.get(path)
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
