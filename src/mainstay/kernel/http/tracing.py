"""A span for each request: the method, the route's template and the status, and nothing that a caller has sent."""

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from mainstay.kernel.ops.metrics import RequestMetrics

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACE = (b"traceparent", b"tracestate")
_SERVER_ERROR = 500


class Traced:
    """The outermost layer where requests are traced: what lies below, and every event, belongs to its span."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request within its span, as a part of the caller's trace where there is one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _TRACE}
        with self._tracer.start_as_current_span(
            scope["method"],
            context=_PROPAGATOR.extract(sent),
            kind=SpanKind.SERVER,
            record_exception=False,  # its words may hold anybody's data; the log has them
            set_status_on_exception=False,
        ):
            await self._app({**scope, "headers": _own_trace(scope)}, receive, send)


class TracedRequests(RequestMetrics):
    """Says of the span what is counted of the request, once its route is known."""

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """See RequestMetrics."""
        super().ended(method, route, status, seconds)
        span = trace.get_current_span()
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
        if status >= _SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))


def _own_trace(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers, with the span in place of the caller's: it is the parent of what is done further on."""
    own: dict[str, str] = {}
    _PROPAGATOR.inject(own)
    others = [header for header in scope["headers"] if header[0] not in _TRACE]
    return [*others, *((name.encode(), value.encode("latin-1")) for name, value in own.items())]
