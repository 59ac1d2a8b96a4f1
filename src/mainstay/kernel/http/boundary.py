"""The outermost layer: each request's id and context, the headers of every answer, the log line, the last resort."""

import asyncio
import logging
import re
import time
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainstay.kernel.core.context import RequestContext, request_context
from mainstay.kernel.core.errors import DomainError, InternalError, StartupError, Unavailable
from mainstay.kernel.core.ids import random_uuid
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.http.cors import Cors
from mainstay.kernel.http.errors import error_response, router_error
from mainstay.kernel.http.guard import check_request
from mainstay.kernel.http.headers import by_name
from mainstay.kernel.http.types import HEAD_KEY, HEADERS_KEY, PRINCIPAL_KEY, RATE_LIMIT_KEY, TENANT_KEY, Headers
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.metrics import RequestMetrics

logger = logging.getLogger(__name__)

REQUEST_ID = b"x-request-id"
CLIENT_GONE = 499
"""In log and metrics only: the caller went away before there was an answer."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_UNMATCHED = "unmatched"


class Boundary:
    """Pure ASGI, so that context variables reach the endpoint and headers are there on a 500 too."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, access_log: AccessLog, cors: Cors) -> None:
        self._app = app
        self._metrics = metrics
        self._access_log = access_log
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, partial(_say_plainly, send))
            return
        started = time.perf_counter()
        status = CLIENT_GONE
        headers = by_name(scope["headers"])
        context = _context(headers)
        own_headers = ((REQUEST_ID, context.request_id.encode()), _NOSNIFF, *self._cors.headers(headers))
        request_context.set(context)  # the server runs every request in a context of its own: nothing to reset
        method = scope["method"]
        scope = _scope(scope, headers)

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *own_headers, *scope.get(RATE_LIMIT_KEY, ())]
            elif method == "HEAD":
                message["body"] = b""
            await send(message)

        self._metrics.started()
        try:
            check_request(scope, headers)
            answer = self._cors.preflight(method, headers) or self._app
            await answer(scope, receive, send_on)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except (Exception, asyncio.CancelledError) as error:
            begun = status != CLIENT_GONE
            told = _told(scope, error)
            if not begun:
                await error_response(scope, told)(scope, receive, send_on)
            if begun or isinstance(error, asyncio.CancelledError):  # begun: all that is left is to break it off
                raise
        finally:
            seconds = time.perf_counter() - started
            route = scope.get("route")
            path = route.path if route is not None else _UNMATCHED
            self._metrics.ended(method, path, status, seconds)
            user, tenant = _caller(scope)
            self._access_log.line(method, path, status, seconds, context.request_id, user=user, tenant=tenant)


def _caller(scope: Scope) -> tuple[str | None, str | None]:
    """Who has called, and whose data it was about, as far as the route has found out: the ids of user and tenant."""
    principal: Principal | None = scope.get(PRINCIPAL_KEY)
    return None if principal is None else principal.subject, scope.get(TENANT_KEY)


def _told(scope: Scope, error: BaseException) -> DomainError:
    """What a caller is told of an exception that came this far."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, HTTPException):
        return router_error(scope, error)
    if isinstance(error, asyncio.CancelledError):  # the server has waited long enough for its running requests
        return Unavailable("The server is stopping; please try again.")
    logger.error("unexpected error", exc_info=error)
    return InternalError(original_error=error)


async def _say_plainly(send: Send, message: Message) -> None:
    """Pass a lifespan message on; of an error that says what to do, the stack trace is left out."""
    if message["type"] == "lifespan.startup.failed":
        _, marker, reason = message["message"].rpartition(f"{StartupError.__module__}.{StartupError.__name__}: ")
        message["message"] = f"Cannot start. {reason.strip()}" if marker else message["message"]
    await send(message)


def _context(headers: Headers) -> RequestContext:
    """The caller's id where it is harmless in logs and headers, else a random UUID (version 4)."""
    request_id = headers.get(REQUEST_ID)
    traceparent = headers.get(b"traceparent")
    return RequestContext(
        request_id.decode() if request_id and _REQUEST_ID.fullmatch(request_id) else random_uuid(),
        traceparent.decode() if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
    )


def _scope(scope: Scope, headers: Headers) -> Scope:
    """The scope for the layers below: HEAD is answered as GET is, Range is left out.

    Starlette reads Range in quadratic time before 0.49 (CVE-2025-62727), and nothing here has parts worth asking for.
    """
    scope[HEADERS_KEY] = headers
    if scope["method"] == "HEAD":  # a copy: the server must still know that no body follows
        scope = {**scope, "method": "GET", HEAD_KEY: True}
    if b"range" in headers:
        scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"range"]}
    return scope
