"""Spans for OpenTelemetry, with the extra `otel`. What goes into them is chosen here, one by one.

The libraries' own instrumentation is not used: asyncpg's records what PostgreSQL says of a violated constraint, which
holds the value, such as an e-mail address; that of ASGI records paths, queries and addresses; that of psycopg2 sees
nothing of cursors with a class of their own, as configs has them.
"""

import threading
import time

from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Tracer
from prometheus_client import CollectorRegistry

from mainstay import __version__
from mainstay.kernel.ops.database_metrics import DatabaseMetrics, Observer

_NAME = "mainstay"
_STOP_SECONDS = 2.0
_NANOSECONDS = 1_000_000_000


class Tracing:
    """Makes spans and sends them away, as the variables OTEL_* say."""

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        """`processor` takes the spans in place of OTLP over HTTP."""
        default = Resource.create({SERVICE_NAME: _NAME})
        self._provider = TracerProvider(resource=default.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._provider.add_span_processor(processor or _sent_by_http())
        self.tracer: Tracer = self._provider.get_tracer(_NAME, __version__)

    def stop(self) -> None:
        """Send what is left, for a moment at most: a receiver that is away holds nobody up."""
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(_STOP_SECONDS)


class TracedDatabaseMetrics(DatabaseMetrics):
    """Makes a span, too, of each time that is measured."""

    def __init__(self, registry: CollectorRegistry, tracer: Tracer) -> None:
        super().__init__(registry)
        self._tracer = tracer

    def seconds(self, service: str) -> Observer:
        """See DatabaseMetrics."""
        return _TracedSeconds(super().seconds(service), self._tracer, service)


class _TracedSeconds:
    """The span is made when its time is over, so that there is one place that measures."""

    def __init__(self, seconds: Observer, tracer: Tracer, service: str) -> None:
        self._seconds = seconds
        self._tracer = tracer
        self._name = f"postgresql {service}"
        self._attributes = {"db.system.name": "postgresql", "mainstay.service": service}

    def observe(self, seconds: float) -> None:
        """Take a time that ends now."""
        self._seconds.observe(seconds)
        end = time.time_ns()
        start = end - int(seconds * _NANOSECONDS)
        span = self._tracer.start_span(self._name, kind=SpanKind.CLIENT, attributes=self._attributes, start_time=start)
        span.end(end)


def _sent_by_http() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - tests need none

    return BatchSpanProcessor(OTLPSpanExporter())
