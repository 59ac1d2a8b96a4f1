"""The OpenAPI document tells the truth: what it documents can be had.

That what is answered is documented is looked at in each answer that this folder's tests meet (conftest.py).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.http.limits import Limits
from tests.conftest import SetState
from tests.signed_in import SignedIn

if TYPE_CHECKING:
    from tests.conformance.conftest import Api, Document

pytestmark = pytest.mark.asyncio(loop_scope="session")

Break = Callable[[Exception | None], None]
JSON, PROBLEM = "application/json", "application/problem+json"
TAKE_KEY = """
    INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body) VALUES ($1, $2, $3, '', 201, '')"""


@dataclass
class Call:
    """A call that succeeds, unless something is changed on it."""

    method: str
    one: str
    """The path of the resource, empty for the collection."""
    below: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    query: str = ""
    stream: Callable[[], AsyncIterator[bytes]] | None = None
    who: dict[str, str] | None = None
    """Sent in place of what says that the caller may."""

    async def send(self, api: "Api", accept: str = JSON) -> httpx.Response:
        path = self.one + self.below + self.query
        body = {"json": self.json} if self.stream is None else {"content": self.stream()}
        api = api if self.who is None else api.by(self.who)
        return await api.call(self.method, path, {"Accept": accept, **self.headers}, **body)


async def endless() -> AsyncIterator[bytes]:
    """A body that never ends."""
    yield b"{"
    await asyncio.Event().wait()


def fail_as_400(call: Call, _: "Api") -> None:
    call.query = "?%00"


def fail_as_401(call: Call, _: "Api") -> None:
    call.who = {"Authorization": "Bearer none"}


def fail_as_404(call: Call, api: "Api") -> None:
    call.one = f"/{api.resource.missing}"


def fail_as_408(call: Call, _: "Api") -> None:
    call.stream = endless


def fail_as_412(call: Call, _: "Api") -> None:
    call.headers["If-Match"] = '"other"'


def fail_as_415(call: Call, _: "Api") -> None:
    call.headers["Content-Type"] = "text/plain"


def fail_as_422(call: Call, _: "Api") -> None:
    call.query = "?unknown=1"


def fail_as_428(call: Call, _: "Api") -> None:
    del call.headers["If-Match"]


def answer_as_304(call: Call, _: "Api") -> None:
    call.headers["If-None-Match"] = "*"


def leave(_: Call, __: "Api") -> None:
    """Nothing is wrong with the call: it succeeds, or the surroundings see to it."""


Surroundings = Callable[[int, list[Call]], AbstractAsyncContextManager[None]]

MADE_SO = {
    200: leave,
    201: leave,
    204: leave,
    304: answer_as_304,
    400: fail_as_400,
    401: fail_as_401,
    403: leave,
    404: fail_as_404,
    408: fail_as_408,
    409: leave,
    412: fail_as_412,
    413: leave,
    415: fail_as_415,
    422: fail_as_422,
    428: fail_as_428,
    500: leave,
    503: leave,
}
"""What is done to a call that would succeed, to get each status."""


def own_operations(api: "Api", document: "Document") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path below the collection, and operation of all that this resource has."""
    collection = api.resource.collection
    for method, path, operation in document.operations():
        if path == collection or path.startswith(f"{collection}/{{"):
            yield method, path.removeprefix(collection), operation


def header_names(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"}


async def succeeding(api: "Api", method: str, path: str, operation: dict[str, Any]) -> Call:
    """A call of the operation, on a resource of its own where it is on one."""
    call = Call(method, await api.made() if path else "", path.partition("}")[2])
    if call.below and call.below == api.resource.after_change:
        await api.change(call.one, {"If-Match": "*"})
    if "If-Match" in header_names(operation):
        call.headers["If-Match"] = "*"
    if "requestBody" in operation:
        call.json = api.changes() if (method, call.below) == api.resource.changed_by else api.body()
    if "Idempotency-Key" in header_names(operation):
        call.headers["Idempotency-Key"] = secrets.token_hex(8)
    return call


async def clash(api: "Api", call: Call) -> None:
    """Another resource has what may be there once; or it is not any more what the call is for."""
    if not api.resource.unique:
        await call.send(api)
        return
    other = api.body()
    await api.create(json=other)
    call.json = {**call.json, api.resource.unique: other[api.resource.unique]}


@asynccontextmanager
async def conflicts(url: str, api: "Api", calls: list[Call]) -> AsyncIterator[None]:
    """The first requests with the calls' keys are still being answered; the calls without a key clash otherwise."""
    async with AsyncExitStack() as stack:
        connection = await asyncpg.connect(url)
        stack.push_async_callback(connection.close)
        transaction = connection.transaction()
        await transaction.start()
        stack.push_async_callback(transaction.rollback)
        for call in calls:
            if "Idempotency-Key" not in call.headers:
                await clash(api, call)
                continue
            tenant = api.resource.headers.get("X-Tenant-Id", "")
            scope = f"{call.method} {api.resource.collection}{call.one}{call.below}"
            await connection.execute(TAKE_KEY, tenant, scope, call.headers["Idempotency-Key"])
        yield


@pytest.fixture
def surroundings(
    api: "Api",
    app: FastAPI,
    kept_database_url: str,
    set_state: SetState,
    broken: Break,
    signed_in: Callable[..., SignedIn],
) -> Surroundings:
    """What has to be, beside the call, for a status to be answered."""

    def prepare(status: int, calls: list[Call]) -> AbstractAsyncContextManager[None]:
        if status == 403:
            stranger = signed_in()
            for call in calls:
                call.who = stranger.headers
        if status == 408:
            set_state(app, "limits", Limits(body_timeout=0.01))
        if status == 413:
            set_state(app, "limits", Limits(max_body_bytes=1))
        if status == 500:
            broken(RuntimeError())
        if status == 503:
            broken(Unavailable())
        return conflicts(kept_database_url, api, calls) if status == 409 else nullcontext()

    return prepare


@pytest.mark.parametrize("status", MADE_SO)
async def test_every_documented_answer_can_be_had_in_every_documented_form(
    api: "Api", document: "Document", surroundings: Surroundings, status: int
) -> None:
    operations = [own for own in own_operations(api, document) if str(status) in own[2]["responses"]]
    calls = [await succeeding(api, *own) for own in operations]
    async with surroundings(status, calls):
        for call, (_, _, operation) in zip(calls, operations, strict=True):
            MADE_SO[status](call, api)
            answers = [await call.send(api, accept) for accept in ((JSON, PROBLEM) if status >= 400 else (JSON,))]
            assert {answer.status_code for answer in answers} == {status}, operation["operationId"]
            met = {answer.headers.get("content-type") for answer in answers}
            assert met == set(operation["responses"][str(status)].get("content", [None])), operation["operationId"]


async def test_no_other_answer_is_documented(api: "Api", document: "Document") -> None:
    documented = {int(status) for *_, operation in own_operations(api, document) for status in operation["responses"]}
    assert documented <= set(MADE_SO)


def example(schema: dict[str, Any], document: "Document") -> Any:
    """A value as the documentation page shows it: the schema's own example, else one put together of its fields'."""
    if "$ref" in schema:
        return example(document.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "examples" in schema:
        return schema["examples"][0]
    assert schema.get("type") == "object", f"{schema.get('title')} has no example"
    return {name: example(field, document) for name, field in schema.get("properties", {}).items()}


async def test_the_example_of_every_body_is_accepted(api: "Api", document: "Document") -> None:
    with_body = [own for own in own_operations(api, document) if "requestBody" in own[2]]
    assert with_body
    for own in with_body:
        call = await succeeding(api, *own)
        call.json = example(own[2]["requestBody"]["content"][JSON]["schema"], document)
        assert call.json or not api.body()
        if api.resource.unique:
            found = call.json.get(api.resource.unique)  # what an earlier example has made stays
            call.json |= {} if found is None else {api.resource.unique: secrets.token_hex(4) + found}
        if not api.resource.key_required:
            call.headers.pop("Idempotency-Key", None)
        answer = await call.send(api)
        assert answer.status_code in {200, 201}, (own[2]["operationId"], call.json, answer.text)


async def test_the_headers_that_are_read_are_documented(api: "Api", document: "Document") -> None:
    found = {
        (method, parameter["name"]): parameter["required"]
        for method, path, operation in own_operations(api, document)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "header" and path.count("/") <= 1
    }
    resource = api.resource
    assert found.get((resource.changed_by[0], "If-Match")) in {resource.if_match_required, None}
    assert found.get(("POST", "Idempotency-Key")) == (resource.key_required if resource.keyed else None)
    assert found["GET", "If-None-Match"] is False


async def test_the_bounds_of_pages_are_documented(api: "Api", document: "Document") -> None:
    if not api.resource.paged:
        pytest.skip("it is not read in pages")
    operation = document.operation("GET", api.resource.collection)
    assert operation is not None
    schemas = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    limit = {name: schemas["limit"][name] for name in ("type", "minimum", "maximum", "default")}
    assert limit == {
        "type": "integer",
        "minimum": 1,
        "maximum": api.resource.max_limit,
        "default": api.resource.default_limit,
    }
    if api.resource.offset:
        assert (schemas["offset"]["minimum"], schemas["offset"]["default"]) == (0, 0)


async def test_operations_have_names_of_their_own_and_say_what_they_do(document: "Document") -> None:
    operations = [operation for *_, operation in document.operations()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1
