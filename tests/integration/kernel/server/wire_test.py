"""What goes over the wire: spelling, order, old versions, upgrades."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.kernel.server.conftest import Running

HOST = b" HTTP/1.1\r\nHost: a\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


def test_etag_is_spelled_as_people_grep_for_it(patient: "Running") -> None:
    assert [line for line in patient.caller().get().lines if "tag" in line.lower()] == ['ETag: "1"']


def test_the_server_does_not_name_itself_but_gives_the_date(patient: "Running") -> None:
    answer = patient.caller().get()
    assert "server" not in answer.headers
    assert answer.headers["date"].endswith("GMT")


def test_a_connection_is_kept(patient: "Running") -> None:
    caller = patient.caller()
    assert ["connection" in caller.get().headers for _ in range(3)] == [False] * 3


def test_pipelined_requests_are_answered_in_order(patient: "Running") -> None:
    caller = patient.caller().send(b"".join(b"GET /%d%b\r\n" % (n, HOST) for n in range(20)))
    assert [caller.answer().json()["path"] for _ in range(20)] == [f"/{n}" for n in range(20)]


def test_too_many_pipelined_requests_are_answered_in_part(patient: "Running") -> None:
    answers = patient.caller().send((b"GET /" + HOST + b"\r\n") * 5000).rest().count(b"HTTP/1.1 200 OK")
    assert 1 <= answers <= 1000
    assert answers == len(patient.echo.paths)


def test_http_1_0_is_answered_and_closed(patient: "Running") -> None:
    caller = patient.caller()
    assert caller.ask(b"GET / HTTP/1.0\r\n\r\n").headers["connection"] == "close"
    assert caller.rest() == b""


def test_nothing_after_connection_close_is_a_request(patient: "Running") -> None:
    caller = patient.caller()
    caller.ask(b"GET /" + HOST + b"Connection: close\r\n\r\nGET /smuggled" + HOST + b"\r\n")
    assert caller.rest() == b""
    assert patient.echo.paths == ["/"]


def test_a_websocket_handshake_is_answered_as_the_get_it_is(patient: "Running") -> None:
    caller = patient.caller()
    handshake = b"GET /ws" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nX-Kept: 1\r\n\r\n"
    said = caller.ask(handshake * 3).json()
    assert (said["path"], said["headers"]) == ("/ws", ["host", "connection", "x-kept"])
    assert [caller.answer().status for _ in range(2)] == [200, 200]
    assert caller.get().status == 200


@pytest.mark.parametrize("split", [1, 60, 150, 170])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_after_an_upgrade_is_a_body_and_no_request(patient: "Running", split: int, chunked: bool) -> None:
    body = b"GET /smuggled" + HOST + b"\r\n"
    sized = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    if chunked:
        sized = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    request = b"POST /p" + HOST + UPGRADE + sized
    caller = patient.caller().send(request[:split])
    patient.caller().get()  # the first piece has been read by now
    assert caller.ask(request[split:]).json()["body"] == body.decode()
    assert caller.get().status == 200
    assert "/smuggled" not in patient.echo.paths
