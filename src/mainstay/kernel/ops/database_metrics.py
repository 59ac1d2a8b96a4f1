"""Connections to PostgreSQL and the time that statements take, for each pool."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from mainstay.kernel.ops import tallies

# Seconds: from a look-up by key to the time-outs after which no statement runs any more.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Observer(Protocol):
    """Takes what was measured."""

    def observe(self, amount: float, /) -> None:
        """In seconds."""


class DatabaseMetrics:
    """Makes the metrics of each pool. What is made once is called for every statement, without a look-up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._size = _gauge("db_pool_size", "Connections that the pool may have.", registry)
        self._in_use = _gauge("db_pool_in_use", "Connections that are lent.", registry, tallies.Gauge)
        self._waiting = _gauge("db_pool_waiting", "Callers that wait for a connection.", registry, tallies.Gauge)
        self._refused = Counter(
            "db_pool_refused",
            "Callers that got no connection in time, and were answered 503.",
            ("pool",),
            registry=registry,
        )
        self._seconds = tallies.Histogram(
            "db_query_duration_seconds",
            "Time for which a connection was lent: of a statement, or of a transaction with several.",
            ("service",),
            registry=registry,
            buckets=_BUCKETS,
        )

    def pool(self, name: str, size: int) -> "PoolMetrics":
        """Those of a pool of so many connections."""
        self._size.labels(name).set(size)
        return PoolMetrics(self._in_use.labels(name), self._waiting.labels(name), self._refused.labels(name))

    def seconds(self, service: str) -> Observer:
        """For the time that a service's statements take."""
        return self._seconds.labels(service)


class PoolMetrics:
    """Of one pool, ready to be counted in."""

    __slots__ = ("in_use", "refused", "waiting")

    def __init__(self, in_use: Gauge, waiting: Gauge, refused: Counter) -> None:
        self.in_use = in_use
        self.waiting = waiting
        self.refused = refused


class RelayMetrics:
    """Of this process's relay; what is known of its events, the database knows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.active = Gauge(
            "relay_active",
            "1 where the relay that works is one of this server, 0 where it runs elsewhere or nowhere.",
            registry=registry,
            multiprocess_mode="livesum",
        )


def _gauge(name: str, text: str, registry: CollectorRegistry, kind: type[Gauge] = Gauge) -> Gauge:
    return kind(name, text, ("pool",), registry=registry, multiprocess_mode="livesum")
