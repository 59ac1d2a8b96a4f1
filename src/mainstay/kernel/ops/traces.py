"""Whether there are traces: the extra `otel` is imported here, and only where it is wanted."""

import logging
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from mainstay.kernel.ops.database_metrics import DatabaseMetrics

if TYPE_CHECKING:
    from mainstay.kernel.ops.tracing import Tracing

logger = logging.getLogger(__name__)


def make_tracing(*, wanted: bool) -> "Tracing | None":
    """What makes spans; None where nobody wants them, and then nothing is imported."""
    if not wanted:
        return None
    if find_spec("opentelemetry") is None:
        logger.warning("no traces, though OTEL_EXPORTER_OTLP_ENDPOINT is set: pip install 'mainstay[otel]'")
        return None
    from mainstay.kernel.ops.tracing import Tracing  # noqa: PLC0415 - comes with an extra

    return Tracing()


def database_metrics(registry: CollectorRegistry, tracing: "Tracing | None", stack: AsyncExitStack) -> DatabaseMetrics:
    """What counts in the database's pools, with spans where there are any; `stack` sends the last of them."""
    if tracing is None:
        return DatabaseMetrics(registry)
    from mainstay.kernel.ops.tracing import TracedDatabaseMetrics  # noqa: PLC0415 - comes with an extra

    stack.callback(tracing.stop)
    return TracedDatabaseMetrics(registry, tracing.tracer)
