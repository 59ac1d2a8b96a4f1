"""Prometheus's metrics for what happens in each request: plain numbers, handed over when somebody reads them.

The library's own take a lock and several calls for each step: 8 of the 69 us that a read takes in the program. These
are for the event loop's thread alone. Where several processes share their metrics, the others read them in files: there
they are handed over at the end of each turn of the loop, so that a process that is killed has told of what it answered.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import prometheus_client
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Sample

from mainstay.kernel.ops.shared_metrics import is_shared


class _Tally(MetricWrapperBase):
    """What a metric has counted, until it is handed over."""

    _is_awaited = False
    """Others read what this process counts, and have not been told of the last step."""

    def _metric_init(self) -> None:
        super()._metric_init()  # type: ignore[no-untyped-call]
        self._begin()

    def _child_samples(self) -> Iterable[Sample]:
        self.hand_over()
        return super()._child_samples()

    def _begin(self) -> None:
        """Be as after handing over."""
        self._is_awaited = is_shared()

    def hand_over(self) -> None:
        """Give the library what was counted."""
        raise NotImplementedError

    def _tell(self) -> None:
        self._is_awaited = False
        if not _untold:
            asyncio.get_running_loop().call_soon(hand_over)
        _untold.append(self)


_untold: list[_Tally] = []


def hand_over() -> None:
    """Put what this process has counted where the others read it; nothing is left to do where there are none."""
    while _untold:
        _untold.pop().hand_over()


class _Sum(_Tally):
    _value: Any  # the library's

    def _begin(self) -> None:
        super()._begin()
        self._tally = 0.0

    def inc(self, amount: float = 1) -> None:
        """See the library's."""
        self._tally += amount
        if self._is_awaited:
            self._tell()

    def hand_over(self) -> None:
        """See _Tally."""
        self._value.inc(self._tally)
        self._begin()


class Counter(_Sum, prometheus_client.Counter):  # type: ignore[misc]  # without exemplars
    """Counts up."""


class Gauge(_Sum, prometheus_client.Gauge):
    """Goes up and down, from nothing; to set it is left to the library's."""

    def dec(self, amount: float = 1) -> None:
        """See the library's."""
        self.inc(-amount)


class Histogram(_Tally, prometheus_client.Histogram):
    """Sorts what it observes into buckets."""

    def _begin(self) -> None:
        super()._begin()
        self._tallies = [0] * len(self._upper_bounds)
        self._total = 0.0

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002 - there are none
        """See the library's."""
        self._tallies[bisect_left(self._upper_bounds, amount)] += 1
        self._total += amount
        if self._is_awaited:
            self._tell()

    def hand_over(self) -> None:
        """See _Tally."""
        for bucket, tally in zip(self._buckets, self._tallies, strict=True):
            if tally:
                bucket.inc(tally)
        self._sum.inc(self._total)
        self._begin()
