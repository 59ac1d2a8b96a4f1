"""The lines of a real server: one for each request, and none with what a caller sent."""

from datetime import datetime, timedelta
from typing import Any

import pytest

MARK = "hunter2"
PET = b'{"name": "hunter2", "species": "hunter2"}'
ACCESS_LINE = {"event", "level", "logger", "timestamp", "request_id", "method", "route", "status", "ms"}


@pytest.mark.parametrize(
    ("method", "target", "route", "status"),
    [
        ("GET", "/pets/1", "/pets/{pet_id}", 200),
        ("HEAD", "/pets/1", "/pets/{pet_id}", 200),
        ("GET", "/pets?species=hunter2&status=sold", "/pets", 200),
        ("GET", "/pets?hunter2=1", "/pets", 422),
        ("GET", "/pets/hunter2", "/pets/{pet_id}", 422),
        ("POST", "/pets", "/pets", 201),
        ("POST", "/pets/1", "/pets/{pet_id}", 405),
        ("GET", "/hunter2", "unmatched", 404),
        ("GET", "/pets/hunter2%00", "unmatched", 400),
        ("GET", "/healthz", "/healthz", 200),
        ("GET", "/metrics", "/metrics", 200),
        ("GET", "/docs", "/docs", 200),
        ("GET", "/openapi.json", "/openapi.json", 200),
        ("OPTIONS", "/pets", "/pets", 405),
    ],
)
def test_a_request_has_one_line_with_its_template(
    server: Any, caller: Any, request_bytes: Any, method: str, target: str, route: str, status: int
) -> None:
    request_id = f"log-{method}-{abs(hash(target))}"
    secrets = (
        "Authorization: Basic hunter2",
        "Cookie: a=hunter2",
        "Idempotency-Key: hunter2" + target[-1:],
        "X-Any: hunter2",
    )
    body = PET if method == "POST" else None
    caller.send(request_bytes(method, target, f"X-Request-ID: {request_id}", *secrets, body=body))
    assert caller.answer(body=method != "HEAD").status == status
    (line,) = server.lines(request_id)
    assert set(line) == ACCESS_LINE
    assert (line["event"], line["level"], line["logger"]) == ("request", "info", "mainstay.access")
    assert (line["method"], line["route"], line["status"]) == (method, route, status)
    assert 0 < line["ms"] < 5000
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)
    assert MARK not in str(line)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_line_of_a_tenants_request_names_the_tenant(
    server: Any, caller: Any, request_bytes: Any, method: str
) -> None:
    request_id = f"log-tenant-{method}"
    caller.send(request_bytes(method, "/orders", f"X-Request-ID: {request_id}", "X-Tenant-Id: tenant-1"))
    assert caller.answer(body=method != "HEAD").status == 200
    (line,) = server.lines(request_id)
    assert set(line) == {*ACCESS_LINE, "tenant"}
    assert line["tenant"] == "tenant-1"


@pytest.mark.parametrize(
    ("scopes", "tenant", "status", "named"),
    [
        (["orders:*"], "tenant-1", 200, {"user", "tenant"}),
        ([], "tenant-1", 403, {"user"}),
        (["orders:*"], None, 403, {"user"}),
    ],
)
def test_the_line_names_the_user_also_of_who_is_turned_away(
    server: Any, caller: Any, request_bytes: Any, scopes: list[str], tenant: str | None, status: int, named: set[str]
) -> None:
    who = server.sign_in(scopes=scopes, tenant=tenant)
    request_id = f"log-user-{len(scopes)}-{tenant}"
    token = f"Authorization: Bearer {who.access_token}"
    caller.send(request_bytes("GET", "/orders", f"X-Request-ID: {request_id}", token))
    assert caller.answer().status == status
    (line,) = server.lines(request_id)
    assert set(line) == ACCESS_LINE | named
    assert line["user"] == str(who.user_id)
    assert who.email not in str(server.log)
    assert who.access_token not in str(server.log)


@pytest.mark.parametrize(
    "body",
    [
        b"hunter2",
        b'{"name": "hunter2\\u0000"}',
        b'{"name": "hunter2", "species": 7}',
        b'{"hunter2": 1}',
        b"hunter2\xff",
        b"hunter2" * 10_000,
    ],
    ids=["no json", "nul", "wrong type", "unknown field", "no text", "too large"],
)
def test_a_refused_body_leaves_no_trace(server: Any, caller: Any, request_bytes: Any, body: bytes) -> None:
    request_id = f"refused-{len(body)}"
    caller.send(request_bytes("POST", "/pets", f"X-Request-ID: {request_id}", body=body))
    assert caller.answer().status in {413, 422}
    (line,) = server.lines(request_id)
    assert set(line) == ACCESS_LINE


def test_an_unexpected_error_is_logged_once_with_its_trace_and_without_the_body(
    server: Any, caller: Any, request_bytes: Any
) -> None:
    server.session.row("ALTER TABLE pets RENAME TO gone")
    caller.send(request_bytes("POST", "/pets?", "X-Request-ID: trace", body=PET))
    answer = caller.answer()
    server.session.row("ALTER TABLE gone RENAME TO pets")
    assert answer.status == 500
    error, access = server.lines("trace")
    assert (error["event"], error["level"], error["logger"]) == (
        "unexpected error",
        "error",
        "mainstay.kernel.http.boundary",
    )
    assert error["exception"].startswith("Traceback (most recent call last):")
    assert "UndefinedTableError" in error["exception"]
    assert access["status"] == 500
    assert MARK not in str(error)


def test_what_is_unavailable_is_logged_with_its_cause(server: Any, caller: Any, request_bytes: Any) -> None:
    server.session.row("BEGIN")
    server.session.row("LOCK TABLE pets")
    caller.send(request_bytes("GET", "/pets", "X-Request-ID: locked"))
    answer = caller.answer()
    server.session.row("ROLLBACK")
    assert answer.status == 503
    warning, access = server.lines("locked")
    assert warning["level"] == "warning"
    assert "LockNotAvailableError" in warning["event"]
    assert access["status"] == 503


def test_the_servers_own_lines_have_the_same_shape(server: Any) -> None:
    lines = [line for line in server.log if line["logger"].startswith(("uvicorn", "mainstay.kernel.http.server"))]
    assert any(line["event"].startswith("listening on http://127.0.0.1:") for line in lines)
    for line in lines:
        assert {"event", "level", "logger", "timestamp"} <= set(line)


def test_nothing_that_a_caller_sent_stands_in_any_line(server: Any) -> None:
    assert MARK not in str(server.log)
