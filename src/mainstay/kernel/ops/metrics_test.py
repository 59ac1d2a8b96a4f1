from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from mainstay.kernel.ops.metrics import RequestMetrics


def samples(metrics: RequestMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    found: list[Sample] = [sample for family in families for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}


def value(metrics: RequestMetrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def test_counts_requests_by_method_route_and_status() -> None:
    metrics = RequestMetrics(CollectorRegistry())
    for method, status in [("GET", 200), ("GET", 200), ("GET", 404), ("DELETE", 404)]:
        metrics.started()
        metrics.ended(method, "/pets/{pet_id}", status, 0.01)
    expected = {("GET", "200"): 2, ("GET", "404"): 1, ("DELETE", "404"): 1, ("DELETE", "200"): None}
    for (method, code), count in expected.items():
        assert value(metrics, "http_requests_total", method=method, route="/pets/{pet_id}", status=code) == count


def test_sorts_the_latency_into_buckets_of_seconds() -> None:
    metrics = RequestMetrics(CollectorRegistry())
    for seconds in (0.0005, 0.003, 0.003, 60.0):
        metrics.started()
        metrics.ended("GET", "/pets", 200, seconds)
    buckets = {
        bound: value(metrics, "http_request_duration_seconds_bucket", method="GET", route="/pets", le=bound)
        for bound in ("0.001", "0.005", "2.0", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.005": 3, "2.0": 3, "+Inf": 4}
    assert value(metrics, "http_request_duration_seconds_count", method="GET", route="/pets") == 4


def test_knows_how_many_are_in_flight() -> None:
    metrics = RequestMetrics(CollectorRegistry())
    assert value(metrics, "http_requests_in_flight") == 0
    metrics.started()
    metrics.started()
    assert value(metrics, "http_requests_in_flight") == 2
    metrics.ended("GET", "/pets", 200, 0.0)
    metrics.ended("GET", "/pets", 500, 0.0)
    assert value(metrics, "http_requests_in_flight") == 0


def test_two_programs_in_one_process_count_apart() -> None:
    one, other = RequestMetrics(CollectorRegistry()), RequestMetrics(CollectorRegistry())
    one.started()
    assert value(other, "http_requests_in_flight") == 0
