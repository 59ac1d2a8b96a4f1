import pytest
from prometheus_client import CollectorRegistry

from mainstay.kernel.ops.metrics import RateLimitMetrics, ReplayMetrics, RequestMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_counts_requests_by_method_route_and_status(registry: CollectorRegistry) -> None:
    metrics = RequestMetrics(registry)
    for method, status in [("GET", 200), ("GET", 200), ("GET", 404), ("DELETE", 404)]:
        metrics.started()
        metrics.ended(method, "/pets/{pet_id}", status, 0.01)
    expected = {("GET", "200"): 2, ("GET", "404"): 1, ("DELETE", "404"): 1, ("DELETE", "200"): None}
    for (method, code), count in expected.items():
        labels = {"method": method, "route": "/pets/{pet_id}", "status": code}
        assert registry.get_sample_value("http_requests_total", labels) == count


def test_sorts_the_latency_into_buckets_of_seconds(registry: CollectorRegistry) -> None:
    metrics = RequestMetrics(registry)
    for seconds in (0.0005, 0.003, 0.003, 60.0):
        metrics.started()
        metrics.ended("GET", "/pets", 200, seconds)
    buckets = {
        bound: registry.get_sample_value(
            "http_request_duration_seconds_bucket", {"method": "GET", "route": "/pets", "le": bound}
        )
        for bound in ("0.001", "0.005", "2.0", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.005": 3, "2.0": 3, "+Inf": 4}
    assert registry.get_sample_value("http_request_duration_seconds_count", {"method": "GET", "route": "/pets"}) == 4


def test_knows_how_many_are_in_flight(registry: CollectorRegistry) -> None:
    metrics = RequestMetrics(registry)
    assert registry.get_sample_value("http_requests_in_flight") == 0
    metrics.started()
    metrics.started()
    assert registry.get_sample_value("http_requests_in_flight") == 2
    metrics.ended("GET", "/pets", 200, 0.0)
    metrics.ended("GET", "/pets", 500, 0.0)
    assert registry.get_sample_value("http_requests_in_flight") == 0


def test_two_programs_in_one_process_count_apart(registry: CollectorRegistry) -> None:
    one, _ = RequestMetrics(CollectorRegistry()), RequestMetrics(registry)
    one.started()
    assert registry.get_sample_value("http_requests_in_flight") == 0


@pytest.mark.parametrize("group", ["auth", "read", "write"])
def test_what_has_not_happened_yet_is_shown_as_none(registry: CollectorRegistry, group: str) -> None:
    RateLimitMetrics(registry)
    assert registry.get_sample_value("rate_limited_total", {"group": group}) == 0
    assert registry.get_sample_value("rate_limit_failures_total", {"group": group}) == 0


def test_counts_replays_by_service(registry: CollectorRegistry) -> None:
    metrics = ReplayMetrics(registry)
    metrics.expect("pets")
    assert registry.get_sample_value("idempotent_replays_total", {"service": "pets"}) == 0
    assert registry.get_sample_value("idempotent_replays_total", {"service": "orders"}) is None
    metrics.replayed("pets")
    metrics.replayed("orders")
    assert registry.get_sample_value("idempotent_replays_total", {"service": "pets"}) == 1
    assert registry.get_sample_value("idempotent_replays_total", {"service": "orders"}) == 1
