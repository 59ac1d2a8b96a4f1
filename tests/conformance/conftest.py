"""The resources that the platform's rules are held against, and what is looked at in every answer whatever the test."""

import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from mainstay.app import create_app
from mainstay.settings import load_settings
from tests.conformance.resources import RESOURCES, Json, Resource
from tests.conftest import SetState, run_sql
from tests.signed_in import SignedIn, sign_in

Headers = Mapping[str, str] | Sequence[tuple[str, str]]

DOCUMENTED_HEADERS = {"ETag", "Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed"}
LOCK_SECONDS = 0.05
"""Nothing here waits for a lock but the one test that wants to see the wait end."""


class Api:
    """One resource over HTTP. A path is what follows the collection: "" or "/7"."""

    def __init__(self, client: httpx.AsyncClient, resource: Resource, headers: Mapping[str, str]) -> None:
        self.client = client
        self.resource = resource
        self.headers = headers

    def by(self, headers: Mapping[str, str]) -> "Api":
        """The same, with these headers sent with every call: as somebody else."""
        return Api(self.client, self.resource, headers)

    @property
    def readable(self) -> str:
        """A path that GET knows: the collection's, or where that cannot be read, one resource's that is not there."""
        return "" if self.resource.listed else f"/{self.resource.missing}"

    async def call(self, method: str, path: str = "", headers: Headers = (), **content: Any) -> httpx.Response:
        """Any call."""
        sent = [*self.headers.items(), *(headers.items() if isinstance(headers, Mapping) else headers)]
        return await self.client.request(method, self.resource.collection + path, headers=sent, **content)

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

    async def call_all(self, path: str) -> dict[str, httpx.Response]:
        """What every method answers at the resource and its collection: the reads, then the writes."""
        answers = {"GET collection": await self.call("GET")} if self.resource.listed else {}
        for method in ("GET", "HEAD"):
            answers[method] = await self.call(method, path)
        answers["POST"] = await self.create()
        answers["change"] = await self.change(path, {"If-Match": "*"})
        if "DELETE" in self.resource.allow:
            answers["DELETE"] = await self.delete(path, {"If-Match": "*"})
        return answers

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
        run_sql(url, *(statement for resource in RESOURCES for statement in resource.given))
        yield url


@pytest.fixture(scope="session")
def program(kept_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FastAPI]:
    """Makes the program, with more settings or none."""
    common = {"app_env": "test", "migrate_on_start": False, "relay": False, "bcrypt_cost": 4, "rate_limits": "none"}
    common["log_level"] = "INFO"  # the access lines too are searched for secrets (tests/leaks.py)

    def program(**more: object) -> FastAPI:
        folder = tmp_path_factory.mktemp("data")
        settings = {**common, "database_url": kept_database_url, "db_lock_timeout": LOCK_SECONDS, "data_dir": folder}
        return create_app(load_settings(**{**settings, **more}))

    return program


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(program: Callable[..., FastAPI]) -> AsyncIterator[FastAPI]:
    """The program, started once."""
    app = program()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def document(app: FastAPI) -> Document:
    """What is documented."""
    return Document(app.openapi())


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI, document: Document) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the program without a socket."""
    async with checked_client(app, document) as client:
        yield client


@asynccontextmanager
async def checked_client(
    app: FastAPI, document: Document, *, address: str = "127.0.0.1"
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that holds every answer to the rules that have no exception."""

    async def check(response: httpx.Response) -> None:
        await response.aread()
        # without a server between, the names cannot be put into lower case, and httpx finds none of them
        response.headers = httpx.Headers([(bytes(name), value) for name, value in response.headers.raw])
        check_headers(response)
        check_body(response)
        check_documented(response, document)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    hooks = {"response": [check]}
    async with httpx.AsyncClient(transport=transport, base_url="http://mainstay", event_hooks=hooks) as client:
        yield client


@pytest.fixture(params=RESOURCES, ids=lambda resource: resource.name)
def resource(request: pytest.FixtureRequest) -> Resource:
    """Each resource in turn."""
    found: Resource = request.param
    return found


@pytest.fixture(scope="session")
def signed_in(app: FastAPI, kept_database_url: str) -> Callable[..., SignedIn]:
    """Makes users with tokens for the program."""
    return partial(sign_in, kept_database_url, app.state.users().keys)


@pytest.fixture(scope="session")
def admin(signed_in: Callable[..., SignedIn]) -> SignedIn:
    """Who may see to the users."""
    return signed_in(role="admin")


@pytest.fixture
def api(client: httpx.AsyncClient, resource: Resource, admin: SignedIn) -> Api:
    """The resource over HTTP, as those call who may."""
    return Api(client, resource, admin.headers if resource.for_admins else resource.headers)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strict_app(program: Callable[..., FastAPI]) -> AsyncIterator[FastAPI]:
    """The program with tokens required, beside the open one."""
    app = program(auth_mode="required")
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def strict_document(strict_app: FastAPI) -> Document:
    """What that one documents."""
    return Document(strict_app.openapi())


@pytest_asyncio.fixture(loop_scope="session")
async def strict_client(strict_app: FastAPI, strict_document: Document) -> AsyncIterator[httpx.AsyncClient]:
    """Calls it."""
    async with checked_client(strict_app, strict_document) as client:
        yield client


@pytest.fixture(scope="session")
def known(strict_app: FastAPI, kept_database_url: str) -> Callable[..., SignedIn]:
    """Makes users with tokens for it."""
    return partial(sign_in, kept_database_url, strict_app.state.users().keys)


@pytest.fixture
def service(resource: Resource) -> str:
    """What the scopes begin with that open the resource."""
    if resource.for_admins:
        pytest.skip("admins alone may, whatever their scopes")
    return resource.owner


@pytest.fixture
def strict(strict_client: httpx.AsyncClient, resource: Resource, service: str) -> Api:  # noqa: ARG001 - scopes open it
    """The resource where tokens are required; whoever calls has to say so."""
    return Api(strict_client, resource, {})


@pytest.fixture
def full(strict: Api, known: Callable[..., SignedIn], service: str) -> Api:
    """The same, called by somebody of tenant-1 who may do everything."""
    return strict.by(known(scopes=[f"{service}:*"], tenant="tenant-1").headers)


@pytest.fixture
def broken(app: FastAPI, resource: Resource, set_state: SetState) -> Callable[[Exception | None], None]:
    """Makes the resource's storage raise an error from now on; None mends it."""
    name = resource.owner
    sound = getattr(app.state, name)

    def with_error(error: Exception | None) -> None:
        def storage() -> Any:
            if error is None:
                return sound()
            raise error

        set_state(app, name, storage)

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
        assert response.headers["cache-control"] == cache_control(response)
    assert ("location" in response.headers) == (response.status_code == 201)


def cache_control(response: httpx.Response) -> str:
    """What the answer is to say of caches."""
    path = response.request.url.path
    return next(resource.cache_control for resource in RESOURCES if path.startswith(resource.collection))


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
    assert (media_type and media_type.partition(";")[0]) in documented.get("content", [None])
    sent = {name for name in DOCUMENTED_HEADERS if name in response.headers}
    assert sent <= set(documented.get("headers", {})), operation["operationId"]
