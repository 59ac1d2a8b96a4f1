"""Structured logs: one line an event, each with the request it belongs to; stdlib loggers come out the same way."""

import logging
import sys
from json import dumps
from typing import Any

import orjson
import structlog

from mainstay.kernel.core.context import request_context, trace_ids

_QUIET = {
    "uvicorn.access": logging.CRITICAL,
    "asyncio": logging.WARNING,
    "alembic": logging.WARNING,
    "aiokafka": logging.CRITICAL,  # several lines a second while a broker is away; the sink says it once
    "httpx": logging.WARNING,  # INFO has the URL of each request, which may hold a password
    "httpcore": logging.WARNING,  # DEBUG has headers
}
"""Loggers that say again what ours say, or say it for their own developers."""


def configure_logging(level: str, *, json: bool, traced: bool = False) -> None:
    """Send all logs to standard output, from `level` up, as JSON or for a person's eyes.

    `traced`: the lines of a request have the ids of its trace and span.
    """
    shared: list[structlog.typing.Processor] = [
        _add_request_id,
        *([_add_trace_ids] if traced else []),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = _json() if json else [_console()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)


def _console() -> structlog.dev.ConsoleRenderer:
    """For a person. The default trace also shows every variable, and they hold bodies, tokens and passwords."""
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain)


def _json() -> list[structlog.typing.Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]


def _dumps(event: Any, **_: object) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # half a surrogate pair, an integer over 64 bits, a key that is no text: no reason to lose a line
        return dumps(event, default=str, skipkeys=True)


def _add_request_id(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = request_context.get()
    if context is not None:
        event["request_id"] = context.request_id
    return event


def _add_trace_ids(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {**event, **trace_ids()}
