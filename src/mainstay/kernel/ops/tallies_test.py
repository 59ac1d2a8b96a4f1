"""What the tallies tell is what the library's own metrics tell of the same."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values

from mainstay.kernel.ops import tallies

AMOUNTS = (0.0, 0.0005, 0.001, 0.0010001, 0.5, 1.0, 7.0)


def shown(registry: CollectorRegistry) -> list[str]:
    """All but the moment of creation."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def count(metric: Any, number: int) -> None:
    for place in range(number):
        metric.labels("a" if place % 3 else "b").inc(place)


def go_up_and_down(metric: Any, number: int) -> None:
    for _ in range(number):
        metric.labels("a").inc()
        metric.labels("b").dec(0.5)


def observe(metric: Any, number: int) -> None:
    for amount in AMOUNTS[:number]:
        metric.labels("a").observe(amount)


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "use"),
    [
        (tallies.counter, Counter, {}, count),
        (tallies.gauge, Gauge, {}, go_up_and_down),
        (tallies.histogram, Histogram, {"buckets": (0.001, 0.5, 1)}, observe),
    ],
)
def test_every_scrape_shows_what_the_library_shows(
    ours: Callable[[], type[Any]], theirs: type[Any], options: dict[str, Any], use: Callable[[Any, int], None]
) -> None:
    registries = [CollectorRegistry() for _ in range(2)]
    metrics = [
        kind("made", "For a test.", ("label",), registry=registry, **options)
        for kind, registry in zip((ours(), theirs), registries, strict=True)
    ]
    assert type(metrics[0]) is not theirs
    for number in (0, 5, 5, 7):  # what was read once is not counted again, nor lost
        for metric in metrics:
            use(metric, number)
        assert shown(registries[0]) == shown(registries[1])
        assert shown(registries[0]) == shown(registries[1])


def test_what_several_processes_share_is_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed can hand nothing over."""
    monkeypatch.setattr(values, "ValueClass", object())
    assert (tallies.counter(), tallies.gauge(), tallies.histogram()) == (Counter, Gauge, Histogram)
