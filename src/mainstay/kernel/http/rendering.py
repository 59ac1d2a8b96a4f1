"""Answers, rendered before the commit and sent after it."""

from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mainstay.kernel.core.encoding import dumps
from mainstay.kernel.core.entity import Versioned
from mainstay.kernel.core.etag import entity_tag
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.http.types import ETAG

JSON = (b"content-type", b"application/json")
_REVALIDATE = (b"cache-control", b"private, no-cache")
NO_STORE = (b"cache-control", b"no-store")
"""For all that has no version: nobody could ask whether it is still so, and silence would leave it to each cache."""


class Rendered(Response):
    """An answer whose bytes stand. Starlette's own response builds the same with three times the work."""

    def __init__(  # every attribute is set here, none in the base class
        self,
        status: int,
        body: bytes = b"",
        headers: Iterable[tuple[bytes, bytes]] = (),
        *,
        etag: str | None = None,
        location: str | None = None,
    ) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.etag = etag
        self.location = location
        self.raw_headers = [*headers]
        if status not in {204, 304}:
            self.raw_headers.append((b"content-length", b"%d" % len(body)))
        if etag is not None:
            self.raw_headers += ((ETAG, etag.encode("latin-1")), _REVALIDATE)
        if location is not None:
            self.raw_headers.append((b"location", location.encode("latin-1")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI calls it
        """Send it, then run what is left for after the answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
        if self.background is not None:
            await self.background()

    def reply(self) -> Reply:
        """What an idempotency key keeps of it."""
        return Reply(self.status_code, bytes(self.body), self.etag, self.location)


def respond(
    content: object, *, status: int = 200, version: int | str | None = None, location: str | None = None
) -> Rendered:
    """The answer that carries `content`; `version` of the resource makes its ETag."""
    return respond_bytes(dumps(content), status=status, version=version, location=location)


def respond_entity(entity: Versioned, *, status: int = 200, location: str | None = None) -> Rendered:
    """The answer that carries the whole of an entity."""
    return respond(entity.told(), status=status, version=entity.version, location=location)


def respond_page(content: object, *, next_page: str | None) -> Rendered:
    """A page of a list; `next_page` is the address of the one after it (RFC 8288)."""
    link = () if next_page is None else ((b"link", f'<{next_page}>; rel="next"'.encode("latin-1")),)
    return Rendered(200, dumps(content), (JSON, NO_STORE, *link))


def respond_bytes(
    body: bytes, *, status: int = 200, version: int | str | None = None, location: str | None = None
) -> Rendered:
    """The same for content that is JSON already."""
    if version is None:
        return Rendered(status, body, (JSON, NO_STORE), location=location)
    return Rendered(status, body, (JSON,), etag=entity_tag(version), location=location)


def no_content() -> Rendered:
    """The answer to a deletion."""
    return Rendered(204)


def no_store(response: Rendered) -> Rendered:
    """The same answer, made one that no cache may keep."""
    others = (header for header in response.raw_headers if header not in {_REVALIDATE, NO_STORE})
    response.raw_headers = [*others, NO_STORE]
    return response


def replay(reply: Reply) -> Rendered:
    """The answer that a key got the first time, marked as such."""
    headers = [(b"idempotency-replayed", b"true")]
    if reply.body:
        headers.append(JSON)
    return Rendered(reply.status, reply.body, headers, etag=reply.etag, location=reply.location)


def not_modified(response: Rendered) -> Rendered:
    """304 for a caller who has this version already (RFC 9110, section 15.4.5)."""
    unchanged = Rendered(304, etag=response.etag)
    return no_store(unchanged) if NO_STORE in response.raw_headers else unchanged
