"""Prometheus's metrics for what happens in each request: plain numbers, handed over when somebody reads them.

The library's own take a lock and several calls for each step: 6 of the 60 us that a read takes in the program. These
are for the event loop's thread alone. Where several processes share their metrics, the library's own take their place:
there each step has to be where the others read it, also when this process is killed.
"""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.samples import Sample

from mainstay.kernel.ops.shared_metrics import is_shared


def counter() -> type[Counter]:
    """The class of counters that count here."""
    return Counter if is_shared() else _Counter


def gauge() -> type[Gauge]:
    """The class of gauges that go up and down here."""
    return Gauge if is_shared() else _Gauge


def histogram() -> type[Histogram]:
    """The class of histograms that observe here."""
    return Histogram if is_shared() else _Histogram


class _Counter(Counter):
    def _metric_init(self) -> None:
        super()._metric_init()
        self._tally = 0.0

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002 - there are none
        self._tally += amount

    def _child_samples(self) -> Iterable[Sample]:
        self._value.inc(self._tally)
        self._tally = 0.0
        return super()._child_samples()


class _Gauge(Gauge):
    def _metric_init(self) -> None:
        super()._metric_init()
        self._level = 0.0

    def inc(self, amount: float = 1) -> None:
        self._level += amount

    def dec(self, amount: float = 1) -> None:
        self._level -= amount

    def _child_samples(self) -> Iterable[Sample]:
        self._value.set(self._level)
        return super()._child_samples()


class _Histogram(Histogram):
    def _metric_init(self) -> None:
        super()._metric_init()
        self._begin()

    def _begin(self) -> None:
        self._tallies = [0] * len(self._upper_bounds)
        self._total = 0.0

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002 - there are none
        self._tallies[bisect_left(self._upper_bounds, amount)] += 1
        self._total += amount

    def _child_samples(self) -> Iterable[Sample]:
        for bucket, tally in zip(self._buckets, self._tallies, strict=True):
            bucket.inc(tally)
        self._sum.inc(self._total)
        self._begin()
        return super()._child_samples()
