"""The request's id: taken from the caller where it is harmless, made otherwise, and found again everywhere."""

import json
from typing import Any
from uuid import UUID

import pytest

PET = b'{"name": "Mittens", "species": "cat"}'
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("request_id", ["a", "A-z_0.9", "-", "." * 128, "550e8400-e29b-41d4-a716-446655440000"])
def test_a_harmless_id_is_taken(caller: Any, request_bytes: Any, request_id: str) -> None:
    caller.send(request_bytes("GET", "/health", f"X-Request-ID: {request_id}"))
    assert caller.answer().headers.get_all("x-request-id") == [request_id]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["X-Request-ID: "],
        [f"X-Request-ID: {'a' * 129}"],
        ["X-Request-ID: a b"],
        ["X-Request-ID: a,b"],
        ["X-Request-ID: a/b"],
        ["X-Request-ID: a\tb"],
        ["X-Request-ID: <script>"],
        ["X-Request-ID: a%0d%0aSet-Cookie: b"],
        ['X-Request-ID: "a"'],
        ["X-Request-ID: \xe9"],
        ["X-Request-ID: a", "X-Request-ID: a"],
        ["X-Request-ID: a", "X-Request-ID: b"],
    ],
)
def test_every_other_id_is_replaced_by_a_random_uuid(caller: Any, request_bytes: Any, lines: list[str]) -> None:
    made = set()
    for _ in range(2):
        caller.send(request_bytes("GET", "/health", *lines))
        (request_id,) = caller.answer().headers.get_all("x-request-id")
        assert UUID(request_id).version == 4
        made.add(request_id)
    assert len(made) == 2


@pytest.mark.parametrize(
    ("method", "target", "status", "lines"),
    [
        ("GET", "/pets", 200, []),
        ("GET", "/docs", 200, []),
        ("GET", "/nothing", 404, []),
        ("PATCH", "/pets", 405, []),
        ("POST", "/pets", 415, ["Content-Type: a/b"]),
        ("POST", "/pets", 422, []),
        ("GET", "/pets", 400, ["Host: again"]),
        ("GET", "/pets/%00", 400, []),
    ],
)
def test_every_answer_and_its_access_line_bear_the_id(
    server: Any, caller: Any, request_bytes: Any, method: str, target: str, status: int, lines: list[str]
) -> None:
    request_id = f"{method}-{status}{target.replace('/', '-').replace('%', '')}"
    body = b"{}" if method == "POST" else None
    caller.send(request_bytes(method, target, f"X-Request-ID: {request_id}", *lines, body=body))
    answer = caller.answer()
    assert answer.status == status
    assert answer.headers["x-request-id"] == request_id
    if status >= 400:
        assert answer.error["request_id"] == request_id
    (line,) = server.lines(request_id)
    assert (line["event"], line["status"]) == ("request", status)


def test_what_is_no_request_has_an_id_of_its_own_which_the_log_names(server: Any, caller: Any) -> None:
    caller.send(b"hunter2\r\n\r\n")
    answer = caller.answer()
    assert answer.status == 400
    request_id = answer.error["request_id"]
    assert UUID(request_id).version == 4
    assert [line for line in server.log if request_id in str(line)]


def test_an_unexpected_error_bears_the_id_in_all_its_lines(server: Any, caller: Any, request_bytes: Any) -> None:
    server.session.row("ALTER TABLE pets RENAME TO gone")
    caller.send(request_bytes("GET", "/pets", "X-Request-ID: unexpected"))
    answer = caller.answer()
    server.session.row("ALTER TABLE gone RENAME TO pets")
    assert answer.status == 500
    assert answer.headers["x-request-id"] == answer.error["request_id"] == "unexpected"
    assert [line["event"] for line in server.lines("unexpected")] == ["unexpected error", "request"]


def test_requests_of_one_connection_and_of_many_do_not_mix(server: Any, request_bytes: Any) -> None:
    callers = [server.call() for _ in range(5)]
    for round_ in range(5):
        for number, caller in enumerate(callers):
            caller.send(request_bytes("GET", "/pets", f"X-Request-ID: {number}-{round_}"))
        for number, caller in reversed(list(enumerate(callers))):
            assert caller.answer().headers["x-request-id"] == f"{number}-{round_}"
    for caller in callers:
        caller.__exit__()


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([f"traceparent: {TRACEPARENT}"], TRACEPARENT),
        ([], None),
        (["traceparent: "], None),
        (["traceparent: hunter2"], None),
        ([f"traceparent: {TRACEPARENT.upper()}"], None),
        ([f"traceparent: {TRACEPARENT}-x"], None),
        ([f"traceparent: {TRACEPARENT}"] * 2, None),
    ],
)
def test_the_event_carries_the_id_and_the_callers_trace_on(
    server: Any, caller: Any, request_bytes: Any, lines: list[str], kept: str | None
) -> None:
    caller.send(request_bytes("POST", "/pets", "X-Request-ID: from-outside", *lines, body=PET))
    made = json.loads(caller.answer().body)["id"]
    row = server.session.row(f"SELECT request_id, traceparent FROM outbox WHERE aggregateid = '{made}'")
    assert row == ("from-outside", kept)


def test_an_id_that_was_made_is_the_one_in_the_event(server: Any, caller: Any, request_bytes: Any) -> None:
    caller.send(request_bytes("POST", "/pets", "X-Request-ID: a b", body=PET))
    answer = caller.answer()
    made = json.loads(answer.body)["id"]
    assert server.session.row(f"SELECT request_id FROM outbox WHERE aggregateid = '{made}'") == (
        answer.headers["x-request-id"],
    )
