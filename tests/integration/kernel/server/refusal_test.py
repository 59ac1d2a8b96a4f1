"""What is no HTTP, what hides a second request, what is too much: refused in the envelope, then closed."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.kernel.server.conftest import Running

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "no request": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown version": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "space in the address": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes over 127 in the address": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
}

FRAMING = {
    "length and chunked": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 4\r\nContent-Length: 0\r\n\r\n",
    "the same length twice": b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "list of lengths": b"Content-Length: 0, 0\r\n\r\n",
    "signed length": b"Content-Length: +0\r\n\r\n",
    "hexadecimal length": b"Content-Length: 0x0\r\n\r\n",
    "empty length": b"Content-Length: \r\n\r\n",
    "length beyond 64 bits": b"Content-Length: 18446744073709551616\r\n\r\n",
    "not chunked": b"Transfer-Encoding: identity\r\n\r\n",
    "not chunked at last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "something else and chunked": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip and chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "almost chunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
}

CHUNKS = {
    "hexadecimal prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "negative": b"-1\r\na\r\n0\r\n\r\n",
    "beyond 64 bits": b"fffffffffffffffff\r\na\r\n0\r\n\r\n",
    "longer than it says": b"1\r\nab\r\n0\r\n\r\n",
    "bare LF": b"1\na\n0\n\n",
    "LF in an extension": b"1;a=b\na\r\n0\r\n\r\n",
    "length as a trailer": b"0\r\nContent-Length: 9\r\n\r\n",
}

TOO_MUCH = {
    "address": b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 5000),
    "header": b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 5000),
    "headers": b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"X: x\r\n" * 2000),
    "address without end": b"GET /%b" % (b"x" * 2_000_000),
    "header without end": b"GET / HTTP/1.1\r\nHost: a\r\nX: %b" % (b"x" * 2_000_000),
    "blanks without end": b"\r\n" * 1_000_000,
    "trailer without end": CHUNKED + b"0\r\nX: %b" % (b"x" * 2_000_000),
    "chunk extension without end": CHUNKED + b"1;%b" % (b"x" * 2_000_000),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_http_is_refused(patient: "Running", data: bytes) -> None:
    caller = patient.caller()
    caller.ask(data).assert_refusal(400, "bad_request")
    assert caller.rest() == b""
    assert patient.echo.paths == []


@pytest.mark.parametrize("framing", FRAMING.values(), ids=FRAMING.keys())
def test_a_body_whose_end_is_in_doubt_is_refused_with_all_that_follows(patient: "Running", framing: bytes) -> None:
    caller = patient.caller()
    caller.ask(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + GET).assert_refusal(400, "bad_request")
    assert caller.rest() == b""
    assert "answered" not in patient.echo.outcomes


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_bad_chunk_is_refused_and_the_application_reads_no_further(patient: "Running", chunks: bytes) -> None:
    caller = patient.caller()
    caller.ask(CHUNKED + chunks + GET).assert_refusal(400, "bad_request")
    assert caller.rest() == b""
    patient.until(lambda: patient.echo.outcomes == ["disconnected"])
    assert patient.echo.paths == ["/body"]


def test_a_bad_chunk_does_not_put_an_answer_into_the_answer(patient: "Running") -> None:
    caller = patient.caller().send(CHUNKED.replace(b"/body", b"/begun"))
    patient.until(lambda: patient.echo.paths)
    assert caller.send(b"zz\r\n").rest().count(b"HTTP/1.1") == 1


def test_a_request_is_answered_although_garbage_follows_it(patient: "Running") -> None:
    caller = patient.holding().send(b"garbage\r\n\r\n")
    patient.release()
    answer = caller.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert caller.rest() == b""


def test_a_bad_chunk_is_not_refused_in_the_place_of_another_answer(patient: "Running") -> None:
    assert patient.holding().send(CHUNKED + b"zz\r\n").rest() == b""


def test_trailers_do_not_become_headers(patient: "Running") -> None:
    answer = patient.caller().ask(CHUNKED + b"1\r\na\r\n0\r\nX-Tenant-Id: other\r\n\r\n")
    assert answer.json()["headers"] == ["host", "transfer-encoding"]


@pytest.mark.parametrize("data", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_is_too_much_is_refused_and_the_refusal_can_be_read(hasty: "Running", data: bytes) -> None:
    caller = hasty.caller()
    caller.ask(data).assert_refusal(431, "request_head_too_large")
    assert caller.rest() == b""
    assert "answered" not in hasty.echo.outcomes


def test_a_head_below_the_limit_is_taken(hasty: "Running") -> None:
    assert hasty.caller().ask(b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 4000)).status == 200


def test_a_large_body_does_not_count(hasty: "Running") -> None:
    body = b"x" * 300_000
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    caller = hasty.caller()
    assert caller.ask(head + body + GET[:20]).json()["body"] == body.decode()
    assert caller.ask(GET[20:]).status == 200


def test_who_is_refused_and_does_not_go_is_cut_off(patient: "Running", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mainstay.kernel.http.connection._LINGER_SECONDS", 0.2)
    caller = patient.caller().send(b"garbage\r\n\r\n")
    caller.drip(b"more")
    patient.until(lambda: not patient.connections())
