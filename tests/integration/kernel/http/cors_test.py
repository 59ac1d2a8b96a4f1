"""Browsers on other sites: only those of CORS_ORIGINS may read an answer."""

from typing import Any

import pytest

GOOD, ALSO_GOOD, EVIL = "https://app.example", "http://localhost:3000", "https://evil.example"
OTHERS = [
    EVIL,
    "null",
    "http://app.example",
    "https://app.example.evil.example",
    "https://app.example:8443",
    "hunter2",
    "",
    "*",
    "\xff",
]
PET = b'{"name": "Mittens", "species": "cat"}'


def preflight(request_bytes: Any, origin: str, method: str = "PATCH", target: str = "/pets/1", *lines: str) -> bytes:
    sent: bytes = request_bytes(
        "OPTIONS", target, f"Origin: {origin}", f"Access-Control-Request-Method: {method}", *lines
    )
    return sent


def cors_headers(answer: Any) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


@pytest.mark.parametrize("origin", [GOOD, ALSO_GOOD])
@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/pets", 200), ("GET", "/nothing", 404), ("POST", "/pets", 422), ("PUT", "/pets", 405)],
)
def test_a_listed_origin_may_read_the_answer(
    caller: Any, request_bytes: Any, origin: str, method: str, target: str, status: int
) -> None:
    caller.send(request_bytes(method, target, f"Origin: {origin}", body=b"{}" if method == "POST" else None))
    answer = caller.answer()
    assert answer.status == status
    assert answer.headers.get_all("access-control-allow-origin") == [origin]
    assert "origin" in answer.headers["vary"].lower()
    assert answer.headers["access-control-allow-credentials"] is None


def test_the_headers_that_a_page_may_read_are_named_in_lower_case(caller: Any, request_bytes: Any) -> None:
    caller.send(request_bytes("GET", "/pets", f"Origin: {GOOD}"))
    exposed = caller.answer().headers["access-control-expose-headers"]
    assert {name.strip() for name in exposed.split(",")} == {
        *("etag", "location", "link", "retry-after", "ratelimit", "ratelimit-policy"),
        *("x-request-id", "idempotency-replayed"),
    }


@pytest.mark.parametrize("origin", OTHERS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_other_origin_may_not(caller: Any, request_bytes: Any, origin: str, method: str) -> None:
    caller.send(request_bytes(method, "/pets", f"Origin: {origin}", body=PET if method == "POST" else None))
    answer = caller.answer()
    assert answer.status in {200, 201}
    assert answer.headers["access-control-allow-origin"] is None


def test_without_an_origin_nothing_is_said(caller: Any, request_bytes: Any) -> None:
    caller.send(request_bytes("GET", "/pets"))
    assert cors_headers(caller.answer()) == set()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_of_a_listed_origin_allows_what_the_services_need(
    caller: Any, request_bytes: Any, method: str
) -> None:
    asked = "Access-Control-Request-Headers: content-type, if-match, idempotency-key, x-request-id, authorization"
    caller.send(preflight(request_bytes, GOOD, method, "/pets/1", asked))
    answer = caller.answer()
    assert 200 <= answer.status < 300
    assert answer.headers["access-control-allow-origin"] == GOOD
    assert method in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert allowed == ["*", "authorization"]  # every one: the star stands for all but this
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["x-request-id"]
    assert caller.lives()


@pytest.mark.parametrize("origin", OTHERS)
@pytest.mark.parametrize("method", ["PATCH", "TRACE", "hunter2", ""])
def test_a_preflight_of_another_origin_is_answered_and_lets_nobody_in(
    caller: Any, request_bytes: Any, origin: str, method: str
) -> None:
    caller.send(preflight(request_bytes, origin, method))
    answer = caller.answer()
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] is None
    assert answer.headers["vary"] == "Origin"
    assert "hunter2" not in str(answer.headers)
    assert caller.lives()


@pytest.mark.parametrize("method", ["TRACE", "hunter2", ""])
def test_a_preflight_does_not_allow_a_method_that_nothing_has(caller: Any, request_bytes: Any, method: str) -> None:
    caller.send(preflight(request_bytes, GOOD, method))
    allowed = caller.answer().headers["access-control-allow-methods"].split(", ")
    assert method not in allowed


def test_a_preflight_runs_nothing(server: Any, caller: Any, request_bytes: Any) -> None:
    before = server.written()
    for origin in (GOOD, EVIL):
        caller.send(preflight(request_bytes, origin, "POST", "/pets", "Content-Type: application/json"))
        caller.answer()
    assert server.written() == before


@pytest.mark.parametrize("lines", [[], ["Access-Control-Request-Method: GET"], [f"Origin: {GOOD}"]])
def test_options_that_is_no_preflight_is_405(caller: Any, request_bytes: Any, lines: list[str]) -> None:
    caller.send(request_bytes("OPTIONS", "/pets", *lines))
    answer = caller.answer()
    assert answer.status == 405
    assert answer.error["code"] == "method_not_allowed"


def test_an_unexpected_error_can_be_read_by_a_listed_origin(server: Any, caller: Any, request_bytes: Any) -> None:
    server.session.row("ALTER TABLE pets RENAME TO gone")
    caller.send(request_bytes("GET", "/pets", f"Origin: {GOOD}"))
    answer = caller.answer()
    server.session.row("ALTER TABLE gone RENAME TO pets")
    assert answer.status == 500
    assert answer.error["code"] == "internal_error"
    assert answer.headers["access-control-allow-origin"] == GOOD


@pytest.mark.parametrize("sent", ["GET", "OPTIONS"])
async def test_without_configured_origins_no_origin_is_let_in(client: Any, sent: str) -> None:
    response = await client.request(sent, "/pets", headers={"Origin": GOOD, "Access-Control-Request-Method": "GET"})
    assert response.status_code == (200 if sent == "GET" else 405)
    assert not [name for name in response.headers if name.startswith("access-control-")]
