"""Request headers that are none, and the headers of every answer."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

PET = b'{"name": "Mittens", "species": "cat"}'
MARK = "hunter2"

Refuse = Callable[..., dict[str, Any]]


@pytest.fixture
def refuse(server: Any, caller: Any) -> Refuse:
    """Send bytes and look at all that a refusal promises; answers the error."""

    def refuse(sent: bytes, status: int, *, closes: bool = False) -> dict[str, Any]:
        before = server.written()
        caller.send(sent)
        answer = caller.answer()
        error: dict[str, Any] = answer.error
        assert answer.status == status, error
        assert MARK not in answer.body.decode() + str(answer.headers)
        if closes:
            assert answer.headers["connection"] == "close"
            assert caller.is_closed()
        else:
            assert caller.lives()
        assert server.written() == before
        return error

    return refuse


@pytest.mark.parametrize("name", ["Host", "X-Tenant-Id", "Idempotency-Key", "Authorization", "Content-Type"])
@pytest.mark.parametrize("values", [("hunter2", "hunter2"), ("hunter2", "b"), ("a", "hunter2"), ("", "hunter2")])
def test_a_header_of_one_value_stands_twice(
    refuse: Refuse, request_bytes: Any, name: str, values: tuple[str, str]
) -> None:
    lines = [f"{name}: {value}" for value in values]
    error = refuse(request_bytes("POST", "/pets", *lines, body=PET), 400)
    assert error["code"] == "invalid_header"
    assert name.lower() in error["message"]


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "a/b", "a:b", "hunter2@a", "http://a", "a:99999999", "[::1", "::1", "\xff", "a?b", "<a>"]
)
def test_a_host_that_is_none(refuse: Refuse, host: str) -> None:
    error = refuse(f"GET /pets HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"), 400)
    assert error["code"] == "bad_request"


def test_no_host(refuse: Refuse, caller: Any) -> None:
    refuse(b"GET /pets HTTP/1.1\r\n\r\n", 400)
    caller.send(b"GET /pets HTTP/1.0\r\n\r\n")
    assert caller.answer().status == 200


@pytest.mark.parametrize(
    "host", ["a", "a:8000", "127.0.0.1:80", "[::1]", "[2001:db8::1]:8000", "a.example.", "xn--bcher-kva.example", "a_b"]
)
def test_a_host_of_any_kind(caller: Any, host: str) -> None:
    caller.send(f"GET /pets HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert caller.answer().status == 200


@pytest.mark.parametrize(
    "key", ["", " ", '""', '"hunter2', "hunter2\xe9", "hunter2\ta", "k" * 256, '"hunter2\\"', '"a";b=hunter2']
)
def test_an_idempotency_key_that_is_none(refuse: Refuse, request_bytes: Any, key: str) -> None:
    assert refuse(request_bytes("POST", "/pets", f"Idempotency-Key: {key}", body=PET), 400)["code"] == "invalid_header"


@pytest.mark.parametrize(
    "value", ["", "hunter2", '"hunter2', "001", "+1", "1.0", '"1" "1"', '"1", hunter2', "*, 1", "\xff", '"1" W/']
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_if_match_that_is_none(refuse: Refuse, request_bytes: Any, method: str, value: str) -> None:
    body = None if method == "DELETE" else PET
    sent = request_bytes(method, "/pets/1", f"If-Match: {value}", body=body)
    assert refuse(sent, 400)["code"] == "invalid_header"


@pytest.mark.parametrize("value", ["", "hunter2", '"hunter2', "\xff", ",,"])
def test_an_if_none_match_that_is_none_is_passed_over(caller: Any, request_bytes: Any, value: str) -> None:
    caller.send(request_bytes("GET", "/pets/1", f"If-None-Match: {value}"))
    assert caller.answer().status == 200


@pytest.mark.parametrize(
    "value",
    [
        *(
            "text/plain",
            "text/json",
            "application/xml",
            "multipart/form-data; boundary=hunter2",
            "application/x-www-form-urlencoded",
        ),
        *(
            "application/json5",
            "application/jsonx",
            "json",
            "application/json, application/json",
            "application/",
            "",
            "hunter2",
        ),
        *(
            "application/+json",
            "application/x y+json",
            "application/x/y+json",
            "text/x+json",
            "application/json/",
            "*/*",
            "\xff",
        ),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_body_of_another_type(refuse: Refuse, request_bytes: Any, method: str, value: str) -> None:
    target = "/pets" if method == "POST" else "/pets/1"
    sent = request_bytes(method, target, 'If-Match: "1"', f"Content-Type: {value}", body=PET)
    assert refuse(sent, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("value", ["gzip", "br", "identity, gzip", "hunter2", ""])
def test_a_body_that_is_coded(refuse: Refuse, request_bytes: Any, value: str) -> None:
    assert refuse(request_bytes("POST", "/pets", f"Content-Encoding: {value}", body=PET), 415)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Content-Type: application/json"],
        ["Content-Type: Application/JSON"],
        ["Content-Type: application/json;charset=utf-8"],
        ['Content-Type: application/json ; charset="UTF-8"'],
        ["Content-Type: application/json; charset=iso-8859-1"],  # RFC 8259, section 11: means nothing
        ["Content-Type: application/merge-patch+json"],
        ["Content-Type: application/vnd.pets.v1+json; a=b"],
        ["content-type:application/json"],
        ["Content-Encoding: identity"],
    ],
)
def test_a_body_of_the_right_type(caller: Any, request_bytes: Any, lines: list[str]) -> None:
    caller.send(request_bytes("POST", "/pets", *lines, body=PET))
    assert caller.answer().status == 201


def test_a_charset_does_not_make_other_bytes_text(refuse: Refuse, request_bytes: Any) -> None:
    body = '{"name": "é", "species": "cat"}'.encode("latin-1")
    refuse(request_bytes("POST", "/pets", "Content-Type: application/json; charset=iso-8859-1", body=body), 422)


LENGTHS = [
    "hunter2",
    "-1",
    "+37",
    "0x25",
    "37, 37",
    "3 7",
    "3.7e1",
    "",
    "9" * 20,
    "9" * 30,
    "\u0663".encode().decode("latin-1"),
]


@pytest.mark.parametrize(
    "lines",
    [
        *[[f"Content-Length: {length[:30]}"] for length in LENGTHS],
        ["Content-Length: 37", "Content-Length: 37"],
        ["Content-Length: 37", "Content-Length: 38"],
        ["Content-Length: 37", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: hunter2"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["X-Any: a\0b"],
        ["X-Any: a\rb"],
        ["X-Any: a\x7f"],
        ["X-Any: a", " b"],
        ["X Any: a"],
        ["X-Any : a"],
        [": a"],
        ["hunter2"],
    ],
)
def test_a_head_that_can_be_read_in_two_ways(refuse: Refuse, request_bytes: Any, lines: list[str]) -> None:
    error = refuse(request_bytes("POST", "/pets", *lines) + PET, 400, closes=True)
    assert error["code"] == "bad_request"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hunter2\r\n\r\n",
        b"GET /pets\r\n\r\n",
        b"get /pets HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HUNTER /pets HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /pe ts HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET pets HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /pets\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /pets/é HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
        b"GET /pets?species=\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /pets HTTP/9\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT hunter2:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_request(refuse: Refuse, sent: bytes) -> None:
    assert refuse(sent, 400, closes=True)["code"] == "bad_request"


@pytest.mark.parametrize(
    "line",
    [f"X-Any: {'a' * 70_000}", "\r\n".join(f"X-{number}: a" for number in range(20_000)), "X-Any: a\r\n" * 20_000],
    ids=["one header", "many headers", "one header many times"],
)
def test_a_head_that_is_too_large(refuse: Refuse, request_bytes: Any, line: str) -> None:
    assert refuse(request_bytes("GET", "/pets", line), 431, closes=True)["code"] == "request_head_too_large"


def test_an_address_that_is_too_large(refuse: Refuse, request_bytes: Any) -> None:
    assert refuse(request_bytes("GET", f"/{'a' * 70_000}"), 431, closes=True)["code"] == "request_head_too_large"


@pytest.mark.parametrize(
    "line",
    ["Range: bytes=0-1", "Range: bytes=" + "0-0," * 10_000, "Upgrade: websocket", "Upgrade: h2c"],
    ids=["range", "many ranges", "websocket", "h2c"],
)
def test_a_header_that_is_passed_over(caller: Any, request_bytes: Any, line: str) -> None:
    for target in ("/pets/1", "/docs"):
        caller.send(
            request_bytes("GET", target, "Connection: keep-alive, Upgrade" if "Upgrade" in line else "X-Any: a", line)
        )
        assert caller.answer().status == 200
    assert caller.lives()


# What every answer says


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/pets/1", 200),
        ("GET", "/pets", 200),
        ("GET", "/metrics", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/nothing", 404),
        ("PUT", "/pets", 405),
        ("POST", "/pets", 422),
        ("HEAD", "/pets/1", 200),
        ("HEAD", "/nothing", 404),
        ("DELETE", "/pets/1", 412),
        ("OPTIONS", "/pets", 405),
    ],
)
def test_every_answer_forbids_sniffing_and_names_no_server(
    caller: Any, request_bytes: Any, method: str, target: str, status: int
) -> None:
    body = b"{}" if method in {"POST", "PUT"} else None
    caller.send(request_bytes(method, target, 'If-Match: "99"', body=body))
    answer = caller.answer(body=method != "HEAD")
    assert answer.status == status
    assert set(answer.headers.get_all("x-content-type-options")) == {"nosniff"}
    assert answer.headers["server"] is None
    assert answer.headers["x-powered-by"] is None
    assert len(answer.headers.get_all("x-request-id")) == len(answer.headers.get_all("date")) == 1
    assert "cookie" not in str(answer.headers).lower()


@pytest.mark.parametrize(
    ("method", "target", "control"),
    [
        ("GET", "/pets/1", "private, no-cache"),
        ("POST", "/pets", "private, no-cache"),
        ("GET", "/pets/999", "no-store"),
        ("GET", "/pets", "no-store"),
        ("GET", "/v1/tasks", "no-store"),
        ("GET", "/api/v1/applications", "no-store"),
        ("GET", "/health", "no-store"),
        ("GET", "/metrics", "no-store"),
        ("GET", "/.well-known/jwks.json", "no-store"),
    ],
)
def test_caches_are_told_what_they_may_keep(
    caller: Any, request_bytes: Any, method: str, target: str, control: str
) -> None:
    caller.send(request_bytes(method, target, body=PET if method == "POST" else None))
    assert caller.answer().headers.get_all("cache-control") == [control]


@pytest.mark.parametrize("target", ["/docs", "/redoc"])
def test_a_page_has_a_strict_content_security_policy(server: Any, target: str) -> None:
    policy = server.client.get(target).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("lines", [[], ['If-None-Match: "1"'], ["Origin: https://app.example"]])
def test_the_etag_line_is_the_only_one_that_grep_finds(caller: Any, request_bytes: Any, lines: list[str]) -> None:
    caller.send(request_bytes("GET", "/pets/1", *lines))
    _, headers = caller.head()
    assert [f"{name}: {value}" for name, value in headers.items() if "ETag" in f"{name}: {value}"] == ['ETag: "1"']


@pytest.mark.parametrize("target", ["/pets", "/pets/1", "/health", "/docs", "/metrics"])
def test_head_answers_as_get_does_without_the_body(caller: Any, request_bytes: Any, target: str) -> None:
    answers = []
    for method in ("GET", "HEAD"):
        caller.send(request_bytes(method, target))
        answers.append(caller.answer(body=method == "GET"))
    assert caller.lives()
    get, head = (
        {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
        for answer in answers
    )
    if target != "/metrics":
        assert get == head
        assert int(head["content-length"]) == len(answers[0].body)
    assert answers[0].status == answers[1].status == 200


@pytest.mark.parametrize(
    ("target", "methods"),
    [("/pets", "GET, HEAD, POST"), ("/pets/1", "DELETE, GET, HEAD, PATCH, PUT"), ("/docs", "GET, HEAD")],
)
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "LOCK"])
def test_405_names_all_methods_of_the_path(
    refuse: Refuse, caller: Any, request_bytes: Any, target: str, methods: str, method: str
) -> None:
    assert refuse(request_bytes(method, target), 405)["code"] == "method_not_allowed"
    caller.send(request_bytes(method, target))
    assert caller.answer().headers["allow"] == methods


def test_a_body_where_none_belongs_is_passed_over(caller: Any, request_bytes: Any) -> None:
    caller.send(
        request_bytes("GET", "/pets/1", body=b'{"name": 7}') + request_bytes("GET", "/pets/1", body=b"\xff" * 100_000)
    )
    assert [caller.answer().status, caller.answer().status] == [200, 200]
    assert caller.lives()
    caller.send(request_bytes("POST", "/pets", body=PET))
    made = json.loads(caller.answer().body)["id"]
    caller.send(request_bytes("DELETE", f"/pets/{made}", body=b"not json"))
    assert caller.answer().status == 204
    assert caller.lives()


def test_dates_and_lengths_are_of_their_grammar(caller: Any, request_bytes: Any) -> None:
    caller.send(request_bytes("GET", "/health"))
    answer = caller.answer()
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])
    assert answer.headers.get_all("content-length") == ["15"]
