"""What is known of the request that is being answered, wherever in the code that is."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Ids that tie together the log lines, events and errors of one request."""

    request_id: str
    traceparent: str | None = None
    """W3C Trace Context of the caller, carried on unchanged."""


request_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def trace_ids() -> dict[str, str]:
    """`trace_id` and `span_id` of the request that is being answered, where it has them."""
    context = request_context.get()
    if context is None or context.traceparent is None:
        return {}
    _, trace_id, span_id, _ = context.traceparent.split("-")
    return {"trace_id": trace_id, "span_id": span_id}
