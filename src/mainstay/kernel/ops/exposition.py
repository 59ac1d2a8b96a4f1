"""What `GET /metrics` answers."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Metric, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from mainstay.kernel.ops.shared_metrics import is_shared
from mainstay.kernel.ops.tallies import hand_over

Look = Callable[[], Awaitable[Sequence[Metric]]]
"""Finds figures that nobody in the program counts. Answers soon, with nothing where they cannot be found."""


class Exposition:
    """All that is counted, in Prometheus's text format; with several workers, the same from whichever is asked."""

    def __init__(self) -> None:
        # What it disables is a second series for each, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        """For what this process counts."""
        self._read = self.registry
        if is_shared():
            self._read = CollectorRegistry()
            MultiProcessCollector(self._read)  # type: ignore[no-untyped-call]
        self._found = _Found()
        self._read.register(self._found)
        self._looks: list[Look] = []

    def add(self, look: Look) -> None:
        """Ask `look` too, at every scrape."""
        self._looks.append(look)

    async def render(self) -> bytes:
        """The text."""
        self._found.metrics = [metric for look in self._looks for metric in await look()]
        hand_over()
        return generate_latest(self._read)


class _Found(Collector):
    """What the looks have found."""

    metrics: Sequence[Metric] = ()

    def collect(self) -> Iterable[Metric]:
        return self.metrics
