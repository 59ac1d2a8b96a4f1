"""What is counted, in Prometheus's terms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Seconds: from a cached read to the two seconds after which every request has been answered.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class RequestMetrics:
    """Requests by method, route and status, their latency, and those in flight.

    The route is its template, never the path: a label for every id would grow without end.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        labels = ("method", "route", "status")
        self._requests = Counter("http_requests", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time to the end of the answer.",
            labels[:2],
            registry=registry,
            buckets=_BUCKETS,
        )
        self._in_flight = Gauge("http_requests_in_flight", "Requests being answered.", registry=registry)
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

    def render(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)


class RateLimitMetrics:
    """Requests refused because their caller sends too many, and those that could not be counted, by group."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("group",)
        self._refused = Counter("rate_limited", "Requests refused with 429.", labels, registry=registry)
        self._failed = Counter("rate_limit_failures", "Requests that could not be counted.", labels, registry=registry)

    def refused(self, group: str) -> None:
        """Count a request that was one too many."""
        self._refused.labels(group).inc()

    def failed(self, group: str) -> None:
        """Count one that could not be counted."""
        self._failed.labels(group).inc()
