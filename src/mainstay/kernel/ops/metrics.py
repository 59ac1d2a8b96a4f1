"""What is counted, in Prometheus's terms."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram

from mainstay.kernel.core.rates import Group
from mainstay.kernel.ops import tallies

# Seconds: from a cached read to the two seconds after which every request has been answered.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class RequestMetrics:
    """Requests by method, route and status, their latency, and those in flight.

    The route is its template, never the path: a label for every id would grow without end.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._requests = tallies.Counter("http_requests", "Requests answered.", labels, registry=registry)
        self._seconds = tallies.Histogram(
            "http_request_duration_seconds",
            "Time to the end of the answer.",
            labels[:2],
            registry=registry,
            buckets=_BUCKETS,
        )
        self._in_flight = tallies.Gauge(
            "http_requests_in_flight",
            "Requests being answered, the one that asks for this among them.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def started(self) -> None:
        """Count a request in."""
        self._in_flight.inc()

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count it out."""
        self._in_flight.dec()
        child = self._children.get((method, route, status))
        if child is None:  # looking a child up by its labels costs more than counting
            requests = self._requests.labels(method, route, str(status))
            child = (requests, self._seconds.labels(method, route))
            self._children[method, route, status] = child
        child[0].inc()
        child[1].observe(seconds)


class RateLimitMetrics:
    """Requests refused because their caller sends too many, and those that could not be counted, by group."""

    def __init__(self, registry: CollectorRegistry) -> None:
        refused = Counter(
            "rate_limited", "Requests refused with 429: their caller sends too many.", ("group",), registry=registry
        )
        failed = Counter(
            "rate_limit_failures",
            "Requests that could not be counted, as Redis did not answer in time.",
            ("group",),
            registry=registry,
        )
        self._refused = {group: refused.labels(group) for group in get_args(Group)}
        self._failed = {group: failed.labels(group) for group in get_args(Group)}

    def refused(self, group: Group) -> None:
        """Count a request that was one too many."""
        self._refused[group].inc()

    def failed(self, group: Group) -> None:
        """Count one that could not be counted."""
        self._failed[group].inc()


class ReplayMetrics:
    """Answers that were given again to the same Idempotency-Key."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._replays = Counter(
            "idempotent_replays",
            "Retries that were given the first answer of their Idempotency-Key.",
            ("service",),
            registry=registry,
        )

    def expect(self, service: str) -> None:
        """Show a service from the start, at 0: an increase from nothing is none to Prometheus."""
        self._replays.labels(service)

    def replayed(self, service: str) -> None:
        """Count an answer that was given again."""
        self._replays.labels(service).inc()
