"""The resources that the platform's rules are held against, and what is looked at in every answer whatever the test.

A resource joins with a row in RESOURCES.
"""

import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from mainstay.app import create_app
from mainstay.settings import load_settings

Json = Mapping[str, Any]
Headers = Mapping[str, str] | Sequence[tuple[str, str]]

DOCUMENTED_HEADERS = {"ETag", "Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed"}
AN_APPLICATION = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA"
LOCK_SECONDS = 0.05
"""Nothing here waits for a lock but the one test that wants to see the wait end."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """In what one resource differs from the others."""

    name: str
    storage: str = ""
    """What its storage is called in the app's state, where that is not its name."""
    given: Sequence[str] = ()
    """Statements that make what its bodies refer to."""
    collection: str
    body: Callable[[str], Json]
    """What POST takes; another text makes another resource."""
    change: Callable[[str], Json]
    """What changes it; another text changes it into something else."""
    invalid: Json
    """A body that neither POST nor the change takes."""
    not_found: str
    """The code of the error."""
    missing: str
    """An id that nothing has."""
    allow: str
    """The methods of one resource."""
    allow_on_collection: str
    changed_by: tuple[str, str] = ("PATCH", "")
    """Method, and path below the resource."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every call."""
    after_change: str = ""
    """The path below the resource of a call that only a changed one takes."""
    if_match_required: bool = False
    keyed: bool = True
    """Whether POST takes an Idempotency-Key."""
    key_required: bool = False
    unique: str = ""
    """The field that no two resources share, if there is one."""
    invalid_status: int = 422
    default_limit: int = 0
    """Of a page; 0 where there are no pages."""
    max_limit: int = 0
    offset: bool = True
    """Whether pages go by offset."""

    @property
    def listed(self) -> bool:
        """Whether its collection can be read."""
        return "GET" in self.allow_on_collection

    @property
    def paged(self) -> bool:
        """Whether the collection is read in pages: one that is not is streamed, and takes no parameters."""
        return self.default_limit > 0


RESOURCES = [
    Resource(
        name="pets",
        collection="/pets",
        body=lambda text: {"name": f"Mittens {text}", "species": "cat", "age_years": 2},
        change=lambda _: {"status": "sold"},
        invalid={"name": ""},
        not_found="pet_not_found",
        missing="9223372036854775807",
        allow="DELETE, GET, HEAD, PATCH, PUT",
        allow_on_collection="GET, HEAD, POST",
        if_match_required=True,
        default_limit=50,
        max_limit=200,
    ),
    Resource(
        name="tasks",
        collection="/v1/tasks",
        body=lambda text: {"title": f"Fix bug {text}", "priority": 4},
        change=lambda _: {"status": "completed"},
        invalid={"title": ""},
        not_found="task_not_found",
        missing="9223372036854775807",
        allow="DELETE, GET, HEAD, PATCH, PUT",
        allow_on_collection="GET, HEAD, POST",
        unique="title",
        default_limit=20,
        max_limit=100,
    ),
    Resource(
        name="orders",
        collection="/orders",
        headers={"X-Tenant-Id": "tenant-1"},
        body=lambda _: {},
        change=lambda _: {"totalCents": 5000},
        changed_by=("PATCH", "/confirm"),
        after_change="/close",
        invalid={"unknown": 1},
        not_found="order_not_found",
        missing="ffffffff-ffff-7fff-bfff-ffffffffffff",
        allow="GET, HEAD",
        allow_on_collection="GET, HEAD, POST",
        if_match_required=True,
        key_required=True,
        default_limit=20,
        max_limit=100,
        offset=False,
    ),
    Resource(
        name="applications",
        storage="configs",
        collection="/api/v1/applications",
        body=lambda text: {"name": f"checkout {text}", "comments": "new"},
        change=lambda text: {"name": f"checkout, changed {text}"},
        changed_by=("PUT", ""),
        invalid={"name": ""},
        invalid_status=400,
        unique="name",
        not_found="application_not_found",
        missing="7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        allow="GET, HEAD, PUT",
        allow_on_collection="GET, HEAD, POST",
        keyed=False,
    ),
    Resource(
        name="configurations",
        storage="configs",
        collection="/api/v1/configurations",
        given=[f"INSERT INTO applications (id, name) VALUES ('{AN_APPLICATION}', 'an application')"],
        body=lambda text: {"application_id": AN_APPLICATION, "name": f"production {text}", "config": {"a": [1, 2.5]}},
        change=lambda text: {"name": f"production, changed {text}", "config": {"b": None}},
        changed_by=("PUT", ""),
        invalid={"name": ""},
        invalid_status=400,
        unique="name",
        not_found="configuration_not_found",
        missing="7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        allow="GET, HEAD, PUT",
        allow_on_collection="POST",
        keyed=False,
    ),
]


class Api:
    """One resource over HTTP. A path is what follows the collection: "" or "/7"."""

    def __init__(self, client: httpx.AsyncClient, resource: Resource) -> None:
        self._client = client
        self.resource = resource

    @property
    def readable(self) -> str:
        """A path that GET knows: the collection's, or where that cannot be read, one resource's that is not there."""
        return "" if self.resource.listed else f"/{self.resource.missing}"

    async def call(self, method: str, path: str = "", headers: Headers = (), **content: Any) -> httpx.Response:
        """Any call."""
        sent = [*self.resource.headers.items(), *(headers.items() if isinstance(headers, Mapping) else headers)]
        return await self._client.request(method, self.resource.collection + path, headers=sent, **content)

    def body(self) -> Json:
        """What POST takes, each time another."""
        return self.resource.body(secrets.token_hex(4))

    def changes(self) -> Json:
        """What changes a resource, each time in another way."""
        return self.resource.change(secrets.token_hex(4))

    async def create(self, headers: Headers = (), **content: Any) -> httpx.Response:
        """POST, a new body where none is given, and a new key where one is required and none is given."""
        sent = list(headers.items() if isinstance(headers, Mapping) else headers)
        if self.resource.key_required and "Idempotency-Key" not in dict(sent):
            sent.append(("Idempotency-Key", secrets.token_hex(8)))
        return await self.call("POST", "", sent, **(content or {"json": self.body()}))

    async def made(self) -> str:
        """The path of a new resource."""
        response = await self.create()
        assert response.status_code == 201, response.text
        return str(response.headers["location"]).removeprefix(self.resource.collection)

    async def change(self, path: str, headers: Headers = (), **content: Any) -> httpx.Response:
        """The change, as its row has it where none is given."""
        method, below = self.resource.changed_by
        return await self.call(method, path + below, headers, **(content or {"json": self.changes()}))

    async def delete(self, path: str, headers: Headers = ()) -> httpx.Response:
        """DELETE."""
        return await self.call("DELETE", path, headers)

    async def tag(self, path: str) -> str:
        """The resource's current entity tag."""
        return str((await self.call("GET", path)).headers["etag"])


class Document:
    """The OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in document["paths"]]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation that answers there, None where there is none."""
        for pattern, template in self._paths:
            if pattern.fullmatch(path):
                found: dict[str, Any] | None = self.document["paths"][template].get(method.lower())
                return found
        return None

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path and operation of all there are."""
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                yield method.upper(), path, operation


@pytest.fixture(scope="session")
def kept_database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """One database for all these tests: each makes what it looks at."""
    with copied_database() as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(kept_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """The program, started once."""
    app = create_app(
        load_settings(
            app_env="test",
            database_url=kept_database_url,
            data_dir=tmp_path_factory.mktemp("data"),
            migrate_on_start=False,
            relay=False,
            db_lock_timeout=LOCK_SECONDS,
        )
    )
    connection = await asyncpg.connect(kept_database_url)
    for statement in (statement for resource in RESOURCES for statement in resource.given):
        await connection.execute(statement)
    await connection.close()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def document(app: FastAPI) -> Document:
    """What is documented."""
    return Document(app.openapi())


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI, document: Document) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the program without a socket, and holds every answer to the rules that have no exception."""

    async def check(response: httpx.Response) -> None:
        await response.aread()
        # without a server between, the names cannot be put into lower case, and httpx finds none of them
        response.headers = httpx.Headers([(bytes(name), value) for name, value in response.headers.raw])
        check_headers(response)
        check_body(response)
        check_documented(response, document)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks = {"response": [check]}
    async with httpx.AsyncClient(transport=transport, base_url="http://mainstay", event_hooks=hooks) as client:
        yield client


@pytest.fixture(params=RESOURCES, ids=lambda resource: resource.name)
def resource(request: pytest.FixtureRequest) -> Resource:
    """Each resource in turn."""
    found: Resource = request.param
    return found


@pytest.fixture
def api(client: httpx.AsyncClient, resource: Resource) -> Api:
    """The resource over HTTP."""
    return Api(client, resource)


@pytest.fixture
def broken(app: FastAPI, resource: Resource, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Makes the resource's storage raise an error from now on; None mends it."""
    name = resource.storage or resource.name
    sound = getattr(app.state, name)

    def with_error(error: Exception | None) -> None:
        def storage() -> Any:
            if error is None:
                return sound()
            raise error

        monkeypatch.setattr(app.state, name, storage)

    return with_error


def check_headers(response: httpx.Response) -> None:
    """The headers of every answer."""
    names = [name for name, _ in response.headers.raw]
    assert names.count(b"x-request-id") == names.count(b"x-content-type-options") == 1
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers
    lines = [b"%s: %s" % header for header in response.headers.raw]
    tagged = [line for line in lines if b"ETag" in line]  # what `grep ETag` finds
    assert len(tagged) == ("etag" in response.headers)
    if "etag" in response.headers:
        assert re.fullmatch(r'"[\x21\x23-\x7e]+"', response.headers["etag"])  # strong
        assert tagged[0].startswith(b"ETag: ")
    if "etag" in response.headers and response.status_code < 400:
        assert response.headers["cache-control"] == "private, no-cache"
    assert ("location" in response.headers) == (response.status_code == 201)


def check_body(response: httpx.Response) -> None:
    """The envelope of every error, and that nothing stands where nothing may."""
    if response.status_code in {204, 304}:
        assert not {"content-type", "content-length"} & set(response.headers)
        assert response.content == b""
        return
    assert ("content-length" in response.headers) != is_streamed(response)
    if response.request.method == "HEAD":
        assert response.content == b""
    elif response.status_code >= 400:
        check_error(response)


def is_streamed(response: httpx.Response) -> bool:
    """Whether it is a whole collection, the length of which nobody knows before its end."""
    path, ok = response.request.url.path, response.status_code == 200
    return ok and any(path == resource.collection and not resource.paged for resource in RESOURCES)


def check_error(response: httpx.Response) -> None:
    """The envelope, or the same as a problem."""
    body = response.json()
    if "application/problem+json" in response.request.headers.get("accept", "").lower():
        assert response.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(body)
        assert body["status"] == response.status_code
        error = body
    else:
        assert response.headers["content-type"] == "application/json"
        assert set(body) == {"error"}
        assert set(body["error"]) == {"code", "message", "details", "request_id"}
        error = body["error"]
        assert error["message"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error["code"])
    assert error["request_id"] == response.headers["x-request-id"]


def check_documented(response: httpx.Response, document: Document) -> None:
    """Status, media type and headers stand in the OpenAPI document."""
    method = "GET" if response.request.method == "HEAD" else response.request.method
    operation = document.operation(method, response.request.url.path)
    if operation is None:
        return
    documented = operation["responses"].get(str(response.status_code))
    assert documented is not None, f"{operation['operationId']} is not documented to answer {response.status_code}"
    media_type = response.headers.get("content-type")
    assert media_type in documented.get("content", [None])
    sent = {name for name in DOCUMENTED_HEADERS if name in response.headers}
    assert sent <= set(documented.get("headers", {})), operation["operationId"]
