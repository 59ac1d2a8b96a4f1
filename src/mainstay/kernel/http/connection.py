"""One connection of a caller: what is held against it until there is a request, and how it is refused."""

import asyncio
import logging
import math
import time
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mainstay.kernel.core.encoding import dumps
from mainstay.kernel.core.errors import DomainError, Malformed, RequestTimeout
from mainstay.kernel.core.ids import random_uuid
from mainstay.kernel.http.exchange import Exchange, head

logger = logging.getLogger(__name__)

STOPPING = "stopping"
"""`request.state` has this name from the moment on that the server was told to stop."""

ON_STOP = "on_stop"
"""In the state that an application's lifespan yields: functions to call, in the event loop, at that moment."""

_LINGER_SECONDS = 2.0  # a refused caller still sends: were it cut off at once, it could not read the answer
_MAX_PIPELINED = 64  # one read can bring 10,000 requests; the caller sends the rest again (RFC 9112, section 9.3.2)


class HeadTooLarge(Malformed):
    """The request line and headers are over the limit, or what stands between the pieces of a chunked body."""

    code = "request_head_too_large"
    message = "The address and headers are too large."


class Connection(HttpToolsProtocol):
    """Has one deadline, which the server looks at ten times a second: a request costs no timer."""

    cycle: Exchange | None  # type: ignore[assignment]  # uvicorn leaves None out, and has its own
    deadline = math.inf
    _in_head = False  # the first byte of a request is here, the end of its headers is not
    _overhead = 0  # bytes since the last piece of a body, or since a request began
    _refused = False

    def __init__(self, *, header_timeout: float, keep_alive: float, max_header_bytes: int, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._header_timeout = header_timeout
        self._keep_alive = keep_alive
        self._max_header_bytes = max_header_bytes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request."""
        super().connection_made(transport)
        self.deadline = time.monotonic() + self._header_timeout

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what is no HTTP or too much of it."""
        self._overhead += len(data)
        while data and not self._refused:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._refuse(400, Malformed())
        if self._overhead > self._max_header_bytes:
            self._refuse(431, HeadTooLarge())

    def on_message_begin(self) -> None:
        """Give the head its time; the first one has had it since the connection was made."""
        super().on_message_begin()
        self._in_head = True
        self._overhead = 0
        if self.cycle is not None:
            self.deadline = time.monotonic() + self._header_timeout

    def on_headers_complete(self) -> None:
        """Start the request, unless it is refused, or read again without its Upgrade (see `data_received`)."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            return
        self._check_head()
        self._in_head = False
        self.deadline = math.inf
        previous, self.cycle = self.cycle, self._exchange()
        self.headers = []  # for trailers: they must not join the headers (RFC 9110, section 6.5.1)
        if previous is None or previous.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        if STOPPING in self.app_state:
            self.finish()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._overhead = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Let the application know that the body has ended."""
        if not self._in_head:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the next request or wait for one, as uvicorn does, but for its timer."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_head:
            self.deadline = time.monotonic() + self._keep_alive

    def expire(self) -> None:
        """Close: the deadline has passed."""
        self.deadline = math.inf
        if self._refused:
            self.transport.abort()
        elif self._in_head and not self.transport.is_closing():
            self._refuse(408, RequestTimeout())
        else:
            self.transport.close()

    def finish(self) -> None:
        """Close after the answer that comes next, if that can still say so."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def _exchange(self) -> Exchange:
        url, version = httptools.parse_url(self.url), self.parser.get_http_version()
        path: bytes = url.path
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = unquote(path.decode("ascii"))
        self.scope["raw_path"] = path
        self.scope["query_string"] = url.query or b""
        return Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,  # the boundary has its own
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )

    def _check_head(self) -> None:
        """Raises, which ends the parsing, where the request must not be started."""
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value) + len(b": \r\n")
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                raise Malformed  # nothing here unpacks gzip, and each proxy has its own idea of "identity"
        if size > self._max_header_bytes:
            self._refuse(431, HeadTooLarge())
        if self._refused or len(self.pipeline) >= _MAX_PIPELINED or self.parser.get_method() == b"CONNECT":
            raise Malformed

    def _head_without_upgrade(self) -> bytes:
        """The head, to be read again. httptools ends a request at its Upgrade: the body would be the next request."""
        target = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([target, *lines, b"", b""])

    def _refuse(self, status: int, error: DomainError) -> None:
        """Read no more, let the requests before this one be answered, say what is wrong with it, and close."""
        if self._refused:
            return
        self._refused = True
        self.deadline = math.inf
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._answer(status, error)
        elif not cycle.more_body:
            cycle.keep_alive = False  # what is wrong came after it, and goes unanswered
        elif cycle.response_started or self.pipeline:
            self.transport.close()  # an answer would stand in the middle of another
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self._answer(status, error)

    def _answer(self, status: int, error: DomainError) -> None:
        request_id = random_uuid()
        logger.info("refused with %d %s, request id %s", status, error.code, request_id)
        body = dumps({"error": {"code": error.code, "message": str(error), "details": {}, "request_id": request_id}})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        self.transport.write(head(status, headers) + body)
        self.transport.write_eof()
        self.deadline = time.monotonic() + _LINGER_SECONDS
