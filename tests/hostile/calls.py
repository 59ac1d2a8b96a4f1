"""Every operation of the OpenAPI document, and a call of each that succeeds.

What to send stands in the document: its examples. What it cannot say is added here: which credentials are right, what
has to be there before, and that a name is nobody else's yet.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from tests.conformance.resources import RESOURCES
from tests.integration.kernel.http.conftest import Answer, Server
from tests.signed_in import PASSWORD, SignedIn

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
UNIQUE = {resource.unique for resource in RESOURCES if not resource.for_admins} - {""}
FIRST = {"/orders/{order_id}/close": "PATCH /orders/{order_id}/confirm"}
"""What has to be done with a new resource before a call of its can succeed."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One operation, as it is documented."""

    method: str
    path: str
    told: Json
    document: Json

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def wants_token(self) -> bool:
        """Whether there has to be one."""
        return {} not in self.told.get("security", [{}])

    def parameters(self, where: str) -> dict[str, Json]:
        """The schemas of the parameters in `path`, `query` or `header`, by name."""
        return {given["name"]: given["schema"] for given in self.told.get("parameters", ()) if given["in"] == where}

    @cached_property
    def media_type(self) -> str | None:
        """Of the body, None where the operation takes none."""
        return next(iter(self.told.get("requestBody", {}).get("content", {})), None)

    @cached_property
    def fields(self) -> dict[str, Json]:
        """The schemas of the body's fields, by name."""
        schema = self.resolved(self.told["requestBody"]["content"][self.media_type]["schema"])
        return dict(schema["properties"])

    def resolved(self, schema: Json) -> Json:
        """The schema itself where it is a reference."""
        reference = schema.get("$ref", "").rpartition("/")[2]
        return self.document["components"]["schemas"][reference] if reference else schema

    def media_types(self, status: int) -> set[str | None] | None:
        """Those documented for an answer with this status; None where there is no such answer."""
        answer = self.told["responses"].get(str(status))
        return None if answer is None else set(answer.get("content", [None]))


@dataclass(frozen=True)
class Call:
    """A request, before it is bytes. Nothing in it is escaped: what is put in goes out."""

    method: str
    path: str
    values: Mapping[str, str] = field(default_factory=dict)
    """Of the path's parameters."""
    query: str = ""
    headers: tuple[tuple[str, bytes], ...] = ()
    fields: Mapping[str, Any] | None = None
    """Of the body."""
    media_type: str | None = None
    body: bytes | None = None
    """Sent in place of the fields."""
    chunked: bool = False

    @property
    def content(self) -> bytes | None:
        """The body."""
        if self.body is not None or self.fields is None:
            return self.body
        return (urlencode(self.fields) if self.media_type == FORM else json.dumps(self.fields)).encode()

    def without(self, header: str) -> "Call":
        """The same without a header."""
        return replace(self, headers=tuple(line for line in self.headers if line[0].lower() != header.lower()))

    def bytes(self) -> bytes:
        """The request."""
        target = self.path.format_map(self.values) + (f"?{self.query}" if self.query else "")
        host = () if any(name == "Host" for name, _ in self.headers) else (("Host", b"mainstay"),)
        lines = [b"%b: %b" % (name.encode(), value) for name, value in (*host, *self.headers)]
        content = self.content
        if self.chunked and content is not None:
            lines.append(b"Transfer-Encoding: chunked")
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        elif content is not None:
            lines.append(b"Content-Length: %d" % len(content))
        return b"\r\n".join([f"{self.method} {target} HTTP/1.1".encode(), *lines, b"", content or b""])


def operations(document: Json) -> Iterator[Operation]:
    """All there are."""
    for path, item in document["paths"].items():
        for method, told in item.items():
            yield Operation(method.upper(), path, told, document)


class World:
    """What is there to be called."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.document: Json = server.client.get("/openapi.json").json()
        self.operations = {operation.name: operation for operation in operations(self.document)}
        self._calls: dict[str, Call] = {}

    def call(self, operation: Operation) -> Call:
        """A call that succeeds; the same as before, as long as none has."""
        if operation.name not in self._calls:
            self._calls[operation.name] = self._new_call(operation)
        return self._calls[operation.name]

    def used(self, operation: Operation) -> None:
        """It has succeeded: what it was about may be gone."""
        if operation.method != "GET":
            self._calls.pop(operation.name, None)

    def send(self, call: Call) -> Answer:
        """On a connection of its own."""
        with self._server.call() as caller:
            caller.send(call.bytes())
            return caller.answer()

    @cached_property
    def _application(self) -> str:
        """One for all configurations, which cannot change theirs."""
        made = self.send(self._new_call(self.operations["POST /api/v1/applications"]))
        return str(made.headers["location"]).rpartition("/")[2]

    def _new_call(self, operation: Operation) -> Call:
        who = self._server.sign_in(role="admin")
        values = {name: self._id(operation, who) for name in operation.parameters("path")}
        for before in filter(None, [FIRST.get(operation.path)]):
            first = self._call(self.operations[before], who, values)
            assert self.send(first).status == 200
        return self._call(operation, who, values)

    def _call(self, operation: Operation, who: SignedIn, values: Mapping[str, str]) -> Call:
        fields = self._fields(operation, who) if operation.media_type else None
        given = {"If-Match": "*", "Idempotency-Key": secrets.token_hex(8), "X-Tenant-Id": "tenant-1"}
        headers = {name: given[name] for name in operation.parameters("header") if name in given}
        headers |= who.headers if operation.wants_token else {}
        headers |= {"Content-Type": operation.media_type} if operation.media_type else {}
        lines = tuple((name, value.encode()) for name, value in headers.items())
        return Call(operation.method, operation.path, values, "", lines, fields, operation.media_type)

    def _id(self, operation: Operation, who: SignedIn) -> str:
        collection = operation.path.partition("/{")[0]
        if collection.endswith("/sessions"):
            return str(who.session_id)
        made = self.send(self._new_call(self.operations[f"POST {collection}"]))
        assert made.status == 201, made.body
        return str(made.headers["location"]).rpartition("/")[2]

    def _fields(self, operation: Operation, who: SignedIn) -> Json:
        fields = {name: _example(operation.resolved(schema)) for name, schema in operation.fields.items()}
        own = {name: f"{fields[name]} {secrets.token_hex(4)}" for name in UNIQUE if name in fields}
        if "application_id" in fields:
            own["application_id"] = self._application
        return {name: value for name, value in (fields | own | self._credentials(operation, who)).items() if value}

    def _credentials(self, operation: Operation, who: SignedIn) -> Json:
        last = operation.path.rpartition("/auth/")[2]
        if last == "token":
            return {"username": who.email, "password": PASSWORD}
        if last == "login":
            return {"email": who.email, "password": PASSWORD}
        if last == "refresh":
            login = {"email": who.email, "password": PASSWORD}
            return {"refresh_token": self._server.client.post("/api/v1/auth/login", json=login).json()["refresh_token"]}
        return {
            name: value
            for name, value in {
                "current_password": PASSWORD,
                "email": f"{secrets.token_hex(8)}@example.com",
                "password": PASSWORD,
            }.items()
            if name in operation.fields
        }


def _example(schema: Json) -> Any:
    return schema["examples"][0] if "examples" in schema else schema.get("default", schema.get("const"))
