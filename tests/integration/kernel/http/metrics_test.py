"""What the program counts, read as Prometheus reads it."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

PET = b'{"name": "Mittens", "species": "cat"}'

Value = Callable[..., float]


@pytest.fixture
def value(server: Any) -> Value:
    """The value of a sample now, 0 where there is none."""

    def value(name: str, **labels: str) -> float:
        families = text_string_to_metric_families(server.client.get("/metrics").text)
        found = [
            sample.value
            for family in families
            for sample in family.samples
            if (sample.name, sample.labels) == (name, labels)
        ]
        assert len(found) <= 1
        return found[0] if found else 0.0

    return value


def test_the_text_is_of_prometheus_format(server: Any) -> None:
    response = server.client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family.type for family in text_string_to_metric_families(response.text)}
    assert families["http_requests"] == "counter"
    assert families["http_request_duration_seconds"] == "histogram"
    assert families["http_requests_in_flight"] == "gauge"


@pytest.mark.parametrize(
    ("method", "target", "route", "status"),
    [
        ("GET", "/pets/1", "/pets/{pet_id}", 200),
        ("HEAD", "/pets/1", "/pets/{pet_id}", 200),
        ("GET", "/pets/998", "/pets/{pet_id}", 404),
        ("GET", "/pets/x", "/pets/{pet_id}", 422),
        ("GET", "/pets?limit=1", "/pets", 200),
        ("POST", "/pets", "/pets", 201),
        ("PUT", "/pets", "/pets", 405),
        ("DELETE", "/pets/1", "/pets/{pet_id}", 412),
        ("GET", "/nothing/1", "unmatched", 404),
        ("GET", "/docs", "/docs", 200),
        ("GET", "/docs/page.css", "/docs/page.css", 200),
    ],
)
def test_requests_are_counted_by_method_route_and_status(
    server: Any, request_bytes: Any, value: Value, method: str, target: str, route: str, status: int
) -> None:
    labels = {"method": method, "route": route, "status": str(status)}
    before = value("http_requests_total", **labels)
    timed = value("http_request_duration_seconds_count", method=method, route=route)
    with server.call() as caller:
        for number in range(1, 4):
            caller.send(request_bytes(method, target, 'If-Match: "99"', body=PET if method == "POST" else None))
            assert caller.answer(body=method != "HEAD").status == status
            assert value("http_requests_total", **labels) == before + number
    assert value("http_request_duration_seconds_count", method=method, route=route) == timed + 3
    assert value("http_request_duration_seconds_bucket", method=method, route=route, le="+Inf") == timed + 3


def test_no_label_holds_what_a_caller_sent(server: Any, request_bytes: Any) -> None:
    with server.call() as caller:
        for target in ("/pets/hunter2", "/hunter2", "/pets?hunter2=hunter2", "/pets/1/hunter2"):
            caller.send(request_bytes("GET", target))
            caller.answer()
    assert "hunter2" not in server.client.get("/metrics").text


def test_an_unexpected_error_is_counted(server: Any, value: Value) -> None:
    labels = {"method": "GET", "route": "/pets", "status": "500"}
    before = value("http_requests_total", **labels)
    server.session.row("ALTER TABLE pets RENAME TO gone")
    server.client.get("/pets")
    server.session.row("ALTER TABLE gone RENAME TO pets")
    assert value("http_requests_total", **labels) == before + 1


def test_what_is_in_flight_is_seen_while_it_is(server: Any, request_bytes: Any, value: Value) -> None:
    assert value("http_requests_in_flight") == 1  # the one that asks
    with server.call() as slow, server.call() as gone:
        for caller in (slow, gone):
            caller.send(request_bytes("POST", "/pets", "Expect: 100-continue", "Content-Length: 2"))
            assert caller.head()[0] == 100  # now it waits for its body
        assert value("http_requests_in_flight") == 3
        slow.send(b"{}")
        assert slow.answer().status == 422
        assert value("http_requests_in_flight") == 2
    server.wait_for(lambda: value("http_requests_in_flight") == 1)


def test_a_caller_that_has_gone_is_counted_as_such(server: Any, request_bytes: Any, value: Value) -> None:
    labels = {"method": "POST", "route": "/pets", "status": "499"}
    before = value("http_requests_total", **labels)
    with server.call() as caller:
        caller.send(request_bytes("POST", "/pets", "Expect: 100-continue", "Content-Length: 2"))
        assert caller.head()[0] == 100
    server.wait_for(lambda: value("http_requests_total", **labels) == before + 1)


def test_a_latency_is_in_seconds(server: Any, value: Value) -> None:
    labels = {"method": "GET", "route": "/pets"}
    before = value("http_request_duration_seconds_sum", **labels)
    server.session.row("BEGIN")
    server.session.row("LOCK TABLE pets")
    server.client.get("/pets")  # 503 after DB_LOCK_TIMEOUT, 0.2 s
    server.session.row("ROLLBACK")
    assert 0.15 < value("http_request_duration_seconds_sum", **labels) - before < 2
