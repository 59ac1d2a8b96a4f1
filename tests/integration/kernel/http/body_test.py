"""Bodies that are too large, too slow, or come in an unusual way."""

import socket
import time
from typing import Any

import pytest

LIMIT = 50_000
PET = b'{"name": "Mittens", "species": "cat"}'
HUGE = 20_000_000  # far more than the buffers of both ends hold


def padded(size: int) -> bytes:
    return PET + b" " * (size - len(PET))


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def assert_too_large(answer: Any) -> None:
    assert answer.status == 413
    assert answer.error["code"] == "payload_too_large"
    assert answer.error["details"] == {"limit": LIMIT}


@pytest.fixture(autouse=True)
def written(server: Any, request: pytest.FixtureRequest) -> Any:
    """Nothing is written by a test, unless it says that it makes a pet."""
    before = server.written()
    yield
    made = "makes_a_pet" in request.fixturenames
    assert server.written() == {name: count + (made and name != "keys") for name, count in before.items()}


@pytest.fixture
def makes_a_pet() -> None:
    """Says so."""


@pytest.mark.usefixtures("makes_a_pet")
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_a_body_up_to_the_limit_is_taken(caller: Any, request_bytes: Any, size: int) -> None:
    caller.send(request_bytes("POST", "/pets", body=padded(size)))
    assert caller.answer().status == 201


@pytest.mark.usefixtures("makes_a_pet")
@pytest.mark.parametrize(
    "chunks", [[PET], [padded(LIMIT)], [bytes([byte]) for byte in PET], [PET, b" " * (LIMIT - len(PET))]]
)
def test_a_chunked_body_up_to_the_limit_is_taken(caller: Any, request_bytes: Any, chunks: list[bytes]) -> None:
    caller.send(request_bytes("POST", "/pets", "Transfer-Encoding: chunked"), chunked(*chunks))
    assert caller.answer().status == 201
    assert caller.lives()


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_body_over_the_limit_is_too_large(caller: Any, request_bytes: Any, method: str, size: int) -> None:
    caller.send(request_bytes(method, "/pets" if method == "POST" else "/pets/1", 'If-Match: "1"', body=padded(size)))
    assert_too_large(caller.answer())


@pytest.mark.parametrize(
    "chunks",
    [[padded(LIMIT + 1)], [padded(LIMIT), b" "], [PET] * 2_000, [padded(LIMIT)] * 20],
    ids=["one", "one byte more", "many", "large"],
)
@pytest.mark.parametrize("lines", [[], ["Expect: 100-continue"]])
def test_a_chunked_body_over_the_limit_is_too_large(
    caller: Any, request_bytes: Any, chunks: list[bytes], lines: list[str]
) -> None:
    caller.send(request_bytes("POST", "/pets", "Transfer-Encoding: chunked", *lines), chunked(*chunks))
    if lines:
        assert caller.head()[0] == 100
    assert_too_large(caller.answer())


def test_the_answer_reaches_a_caller_that_sends_all_of_a_huge_body_first(caller: Any, request_bytes: Any) -> None:
    caller.send(request_bytes("POST", "/pets", f"Content-Length: {HUGE}"), b" " * HUGE)
    assert_too_large(caller.answer())


def test_the_answer_reaches_a_caller_that_sends_all_of_a_huge_chunked_body_first(
    caller: Any, request_bytes: Any
) -> None:
    caller.send(request_bytes("POST", "/pets", "Transfer-Encoding: chunked"), chunked(*[b" " * 100_000] * 200))
    assert_too_large(caller.answer())


def test_a_client_library_reads_the_answer(server: Any) -> None:
    for content in (b" " * HUGE, iter([b" " * 100_000] * 200)):
        assert server.client.post("/pets", content=content).json()["error"]["code"] == "payload_too_large"


@pytest.mark.usefixtures("makes_a_pet")
def test_who_asks_first_is_told_to_go_on(caller: Any, request_bytes: Any) -> None:
    caller.send(request_bytes("POST", "/pets", "Expect: 100-continue", f"Content-Length: {len(PET)}"))
    assert caller.head()[0] == 100
    caller.send(PET)
    assert caller.answer().status == 201
    assert caller.lives()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([f"Content-Length: {LIMIT + 1}"], 413),
        (["Content-Length: 10", "Content-Type: text/plain"], 415),
        (["Content-Length: 10", "Content-Type: text/plain", "Transfer-Encoding: chunked"], 400),
        (["Content-Length: 10", "Host: again"], 400),
    ],
)
def test_who_asks_first_is_told_at_once_that_it_is_in_vain(
    caller: Any, request_bytes: Any, lines: list[str], status: int
) -> None:
    caller.send(request_bytes("POST", "/pets", "Expect: 100-continue", *lines))
    answer = caller.answer()
    assert answer.status == status
    assert answer.error


@pytest.fixture(scope="module")
def impatient(start_server: Any) -> Any:
    """A server that waits for a body for half a second."""
    server = start_server(BODY_TIMEOUT="0.5")
    assert server.client.post("/pets", content=PET).headers["location"] == "/pets/1"
    return server


@pytest.mark.parametrize("sent", [b"", PET[:-1]])
@pytest.mark.parametrize(("method", "target"), [("POST", "/pets"), ("PUT", "/pets/1"), ("PATCH", "/pets/1")])
def test_a_body_that_does_not_come_is_a_timeout(
    impatient: Any, request_bytes: Any, method: str, target: str, sent: bytes
) -> None:
    before = impatient.written()
    with impatient.call() as caller:
        started = time.monotonic()
        caller.send(request_bytes(method, target, 'If-Match: "1"', f"Content-Length: {len(PET)}"), sent)
        answer = caller.answer()
        assert answer.status == 408
        assert answer.error["code"] == "request_timeout"
        assert 0.4 < time.monotonic() - started < 5
        assert answer.headers["connection"] == "close"
        assert caller.is_closed()
    assert impatient.written() == before


@pytest.mark.parametrize("head", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_body_that_comes_in_drops_is_a_timeout_too(impatient: Any, request_bytes: Any, head: str) -> None:
    """Each byte in time does not make a body in time."""
    drop = b"1\r\n \r\n" if "chunked" in head else b" "
    with impatient.call() as caller:
        started = time.monotonic()
        caller.send(request_bytes("POST", "/pets", head))
        while not caller.readable(0.05):
            caller.send(drop)
        assert caller.answer().status == 408
        assert 0.4 < time.monotonic() - started < 5


def test_a_body_that_is_cut_off_is_nobodys_fault(server: Any, request_bytes: Any) -> None:
    """The caller has gone: nothing is answered, nothing is an error, and the next one is served."""
    before = len(server.log)
    with server.call() as caller:
        caller.send(request_bytes("POST", "/pets", "X-Request-ID: cut-off", f"Content-Length: {len(PET)}"), PET[:10])
        caller.shut(socket.SHUT_RDWR)
    (line,) = server.lines("cut-off")
    assert (line["event"], line["status"]) == ("request", 499)
    assert not [line for line in server.log[before:] if line["level"] in {"error", "critical"}]
    assert server.client.get("/healthz").status_code == 200


def test_one_slow_body_holds_back_no_other_request(impatient: Any, request_bytes: Any) -> None:
    with impatient.call() as slow, impatient.call() as other:
        slow.send(request_bytes("POST", "/pets", "Content-Length: 100"))
        assert other.lives()
        assert slow.answer().status == 408


@pytest.mark.usefixtures("makes_a_pet")
def test_a_body_in_many_pieces_is_one_body(caller: Any, request_bytes: Any) -> None:
    sent = request_bytes("POST", "/pets", body=PET)
    for position in range(0, len(sent), 7):
        caller.send(sent[position : position + 7])
    assert caller.answer().status == 201


def test_requests_in_one_piece_are_answered_in_order(caller: Any, request_bytes: Any) -> None:
    caller.send(
        request_bytes("POST", "/pets", body=b"{}"),
        request_bytes("GET", "/nothing"),
        request_bytes("POST", "/pets", "Content-Type: text/plain", body=padded(60_000)),
        request_bytes("GET", "/healthz"),
    )
    assert [caller.answer().status for _ in range(4)] == [422, 404, 415, 200]


@pytest.mark.parametrize(
    ("target", "line", "status"),
    [("/nothing", "X-Any: a", 404), ("/healthz", "X-Any: a", 405), ("/pets", "Content-Type: a/b", 415)],
)
def test_a_refusal_that_did_not_need_the_body_leaves_the_connection_in_order(
    caller: Any, request_bytes: Any, target: str, line: str, status: int
) -> None:
    caller.send(request_bytes("POST", target, line, "Content-Length: 1000000"))
    assert caller.answer().status == status
    caller.send(b" " * 1_000_000)
    assert caller.lives()
