"""What the tallies tell is what the library's own metrics tell of the same."""

import asyncio
from collections.abc import Callable
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mainstay.kernel.ops import tallies

AMOUNTS = (0.0, 0.0005, 0.001, 0.0010001, 0.5, 1.0, 7.0)


def shown(registry: CollectorRegistry) -> list[str]:
    """All but the moment of creation."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def held(metric: Any) -> list[list[float]]:
    """What the library has of each child: what other processes can read."""
    values = [
        [child._value] if hasattr(child, "_value") else [*child._buckets, child._sum] for child in children(metric)
    ]
    return [[value.get() for value in each] for each in values]


def children(metric: Any) -> list[Any]:
    return [metric._metrics[labels] for labels in sorted(metric._metrics)]


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


KINDS = pytest.mark.parametrize(
    ("ours", "theirs", "options", "use"),
    [
        (tallies.Counter, prometheus_client.Counter, {}, count),
        (tallies.Gauge, prometheus_client.Gauge, {}, go_up_and_down),
        (tallies.Histogram, prometheus_client.Histogram, {"buckets": (0.001, 0.5, 1)}, observe),
    ],
    ids=["counter", "gauge", "histogram"],
)
Use = Callable[[Any, int], None]


def made(kind: type[Any], options: dict[str, Any], registry: CollectorRegistry) -> Any:
    return kind("made", "For a test.", ("label",), registry=registry, **options)


@KINDS
def test_every_scrape_shows_what_the_library_shows(
    ours: type[Any], theirs: type[Any], options: dict[str, Any], use: Use
) -> None:
    registries = [CollectorRegistry() for _ in range(2)]
    metrics = [made(kind, options, registry) for kind, registry in zip((ours, theirs), registries, strict=True)]
    for number in (0, 5, 5, 7):  # what was read once is not counted again, nor lost
        for metric in metrics:
            use(metric, number)
        assert shown(registries[0]) == shown(registries[1])
        assert shown(registries[0]) == shown(registries[1])


@KINDS
async def test_where_several_processes_share_them_others_read_after_each_turn_of_the_loop(
    monkeypatch: pytest.MonkeyPatch, ours: type[Any], theirs: type[Any], options: dict[str, Any], use: Use
) -> None:
    """A process that is killed can hand nothing over any more."""
    monkeypatch.setattr(tallies, "is_shared", lambda: True)
    metrics = [made(kind, options, CollectorRegistry()) for kind in (ours, theirs)]
    for number in (0, 5, 0, 5, 7):
        for metric in metrics:
            use(metric, number)
        await asyncio.sleep(0)
        mine, wanted = (held(metric) for metric in metrics)
        assert mine == wanted


@KINDS
async def test_who_is_asked_has_told_of_itself(
    monkeypatch: pytest.MonkeyPatch, ours: type[Any], theirs: type[Any], options: dict[str, Any], use: Use
) -> None:
    monkeypatch.setattr(tallies, "is_shared", lambda: True)
    metrics = [made(kind, options, CollectorRegistry()) for kind in (ours, theirs)]
    for metric in metrics:
        use(metric, 5)
    assert held(metrics[0]) != held(metrics[1])
    tallies.hand_over()
    assert held(metrics[0]) == held(metrics[1])
