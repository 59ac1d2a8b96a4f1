"""HTTP as no client library would send it, to one resource of each service of the served program.

What the server itself refuses is tried out on an echo application (tests/integration/kernel/server), and on pets
(tests/integration/kernel/http); here it is that no service has a way around it.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mainstay.settings import SERVICES
from tests.hostile.calls import Call, Operation, World
from tests.hostile.kinds import LIMIT
from tests.integration.kernel.http.conftest import Answer, Caller, Server

HOST = b"Host: mainstay"
FINE = b"GET /healthz HTTP/1.1\r\nHost: mainstay\r\n\r\n"

SMUGGLING = {
    "two lengths": [b"Content-Length: 4", b"Content-Length: 0"],
    "length and chunked": [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
    "chunked and length": [b"Transfer-Encoding: chunked", b"Content-Length: 4"],
    "chunked, with a tab": [b"Transfer-Encoding:\tchunked, identity"],
    "chunked, folded": [b"Transfer-Encoding:", b" chunked"],
    "chunked, then not": [b"Transfer-Encoding: chunked, identity"],
    "almost chunked": [b"Transfer-Encoding: xchunked"],
    "chunked in quotes": [b'Transfer-Encoding: "chunked"'],
    "vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "space before the colon": [b"Transfer-Encoding : chunked"],
    "hidden in a header": [b"X: a\nTransfer-Encoding: chunked"],
    "NUL in a header": [b"X: \0"],
    "NUL in a name": [b"X\0: a"],
    "no name": [b": a"],
    "folded": [b"X: a", b" b"],
}
"""Lines of a head."""
NO_REQUESTS = {
    "HTTP/0.9": b"GET %b\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.0": b"GET %b HTTP/3.0\r\nHost: mainstay\r\n\r\n",
    "lower-case version": b"GET %b http/1.1\r\nHost: mainstay\r\n\r\n",
    "lower-case method": b"get %b HTTP/1.1\r\nHost: mainstay\r\n\r\n",
    "bare line feeds": b"GET %b HTTP/1.1\nHost: mainstay\n\n",
    "two spaces": b"GET %b  HTTP/1.1 x\r\nHost: mainstay\r\n\r\n",
    "tunnel": b"CONNECT mainstay:443 HTTP/1.1\r\nHost: mainstay:443\r\n\r\n",
    "fragmented target": b"GET x%b HTTP/1.1\r\nHost: mainstay\r\n\r\n",
}
"""Where `%b` is the target."""
HOSTS = [
    b"",
    b"main stay",
    b"a@mainstay",
    b"user:password@mainstay",
    b"mainstay:x",
    b"mainstay:123456",
    b"mainstay/path",
    b"mainstay?query",
    b"[::1",
    b"mainstay, mainstay",
    b"http://mainstay",
    b"\xff",
]
FIRST, *OTHERS = SERVICES
"""HTTP is the same for all of them, so the gate asks one."""
GOOD_HOSTS = [b"mainstay:80", b"main_stay", b"mainstay.", b"MAINSTAY", b"[::1]:80", b"127.0.0.1"]
RANGES = [
    b"Range: bytes=0-0",
    b"Range: bytes=" + b"0-," * 5_000 + b"0-",
    b"Range: bytes=5-1",
    b"Range: lines=1",
    b'If-Range: "1"\r\nRange: bytes=0-1',
    b"If-Range: Sat, 21 Nov 2026 00:00:00 GMT\r\nRange: bytes=-1",
]


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    """A connection."""
    with server.call() as caller:
        yield caller


@pytest.fixture(scope="module", params=[FIRST, *(pytest.param(name, marks=pytest.mark.long) for name in OTHERS)])
def read(request: pytest.FixtureRequest, world: World) -> Call:
    """A call that reads one resource of the service in turn."""
    return world.call(next(found for found in reads(world) if found.told["tags"] == [request.param]))


def reads(world: World) -> Iterator[Operation]:
    """Those that read one resource."""
    for operation in world.operations.values():
        if operation.method == "GET" and operation.path.endswith("_id}"):
            yield operation


def with_lines(call: Call, *lines: bytes) -> bytes:
    """The call with these lines in its head."""
    head, _, rest = call.bytes().partition(b"\r\n\r\n")
    return b"\r\n".join([head, *lines, b"", rest])


def with_host(call: Call, host: bytes) -> bytes:
    return call.bytes().replace(HOST, b"Host: " + host)


def target(call: Call) -> bytes:
    return call.path.format_map(call.values).encode()


def refused(caller: Caller, sent: bytes) -> Answer:
    """The refusal of what is no HTTP: nothing after it is answered."""
    caller.send(sent + FINE)
    answer = caller.answer()
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert answer.headers["connection"] == "close"
    assert caller.is_closed()
    return answer


def test_every_service_has_a_resource_that_can_be_read(world: World) -> None:
    assert {found.told["tags"][0] for found in reads(world)} == set(SERVICES)


@pytest.mark.parametrize("kind", SMUGGLING)
def test_a_head_that_two_readers_would_read_in_two_ways_is_refused(caller: Caller, read: Call, kind: str) -> None:
    refused(caller, with_lines(read, *SMUGGLING[kind]) + b"0\r\n\r\n")


@pytest.mark.parametrize("kind", NO_REQUESTS)
def test_what_is_no_request_of_ours_is_refused(caller: Caller, read: Call, kind: str) -> None:
    line = NO_REQUESTS[kind]
    refused(caller, line % target(read) if b"%b" in line else line)


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_is_refused_and_the_connection_kept(caller: Caller, read: Call, host: bytes) -> None:
    caller.send(with_host(read, host))
    answer = caller.answer()
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert caller.lives()


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_host_of_any_other_kind_is_served_and_stands_nowhere(caller: Caller, read: Call, host: bytes) -> None:
    caller.send(with_host(read, b"evil-" + host if host[:1] != b"[" else host))
    answer = caller.answer()
    assert answer.status == 200
    assert "evil" not in str(answer.headers) + answer.body.decode()


def test_without_a_host_1_0_is_served_and_1_1_is_not(caller: Caller, read: Call) -> None:
    without = read.bytes().replace(HOST + b"\r\n", b"")
    caller.send(without)
    assert caller.answer().status == 400
    caller.send(without.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert caller.answer().status == 200
    assert caller.is_closed()


@pytest.mark.parametrize("form", [b"http://elsewhere.example%b", b"https://user@elsewhere.example:99999%b"])
def test_a_whole_address_for_a_target_leads_nowhere_else(caller: Caller, read: Call, form: bytes) -> None:
    """RFC 9112, section 3.2.2, has servers take it; whatever is answered, it is of this server's, and bears no name."""
    caller.send(read.bytes().replace(target(read), form % target(read), 1))
    answer = caller.answer()
    assert answer.status in {200, 400, 404}
    assert "elsewhere" not in str(answer.headers) + answer.body.decode()


@pytest.mark.parametrize(
    "aim", [b"*", b"mainstay:80", b"//elsewhere.example/pets", b"/..//", b"/%2e%2e/etc/passwd", b"?", b"/#"]
)
@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"DELETE"])
def test_a_target_that_is_none_is_a_clear_4xx(caller: Caller, aim: bytes, method: bytes) -> None:
    caller.send(b"%b %b HTTP/1.1\r\nHost: mainstay\r\n\r\n" % (method, aim))
    answer = caller.answer()
    assert answer.status in {400, 404, 405}
    assert answer.error["message"]
    assert "location" not in answer.headers


def test_a_request_line_of_a_megabyte_is_431_and_the_answer_arrives(caller: Caller, read: Call) -> None:
    caller.send(b"GET /%b HTTP/1.1\r\n" % (b"x" * 1_000_000))
    assert caller.answer().error["code"] == "request_head_too_large"
    assert caller.is_closed()


def test_a_head_of_70_kb_is_431_and_200_headers_are_fine(server: Server, read: Call) -> None:
    with server.call() as caller:
        caller.send(with_lines(read, *[b"X-%d: %b" % (number, b"x" * 1_000) for number in range(70)]))
        assert caller.answer().status == 431
        assert caller.is_closed()
    with server.call() as caller:
        caller.send(with_lines(read, *[b"X-%d: x" % number for number in range(200)]))
        assert caller.answer().status == 200
        assert caller.lives()


@pytest.mark.parametrize("expect", [b"100-continue", b"200-ok", b"", b"100-continue, x", b"\xff"])
def test_an_expectation_where_there_is_no_body_is_in_nobodys_way(caller: Caller, read: Call, expect: bytes) -> None:
    """RFC 9110, section 10.1.1: one that is not met may be 417, and need not be."""
    caller.send(with_lines(read, b"Expect: " + expect))
    assert caller.answer().status in {200, 417}
    assert caller.lives()


def test_who_asks_before_sending_a_body_is_told_to_everywhere(server: Server, world: World) -> None:
    for operation in world.operations.values():
        if operation.media_type is None:
            continue
        with server.call() as caller:
            head, _, body = with_lines(world.call(operation), b"Expect: 100-continue").partition(b"\r\n\r\n")
            caller.send(head, b"\r\n\r\n")
            assert caller.head()[0] == 100, operation.name
            caller.send(body)
            assert caller.answer().status in {200, 201, 204}, operation.name
            assert caller.lives()
            world.used(operation)


def test_who_asks_whether_to_send_too_much_is_told_not_to_everywhere(server: Server, world: World) -> None:
    for operation in world.operations.values():
        if operation.media_type is None:
            continue
        call = replace(world.call(operation), body=b"x" * (LIMIT + 1))
        with server.call() as caller:
            head, _, _ = with_lines(call, b"Expect: 100-continue").partition(b"\r\n\r\n")
            caller.send(head, b"\r\n\r\n")
            assert caller.answer().status == 413, operation.name
            assert caller.is_closed()


def test_a_good_request_after_a_bad_one_is_answered_and_one_after_no_request_is_not(caller: Caller, read: Call) -> None:
    bad = replace(read, query="unknown=1").bytes()
    caller.send(bad, read.bytes(), bad, read.bytes(), b"no request\r\n\r\n", read.bytes())
    statuses = [caller.answer().status for _ in range(4)]
    assert [status < 400 for status in statuses] == [False, True, False, True]
    assert caller.is_closed()


@pytest.mark.parametrize("lines", RANGES, ids=range(len(RANGES)))
def test_a_range_is_passed_over_whatever_it_says(caller: Caller, read: Call, lines: bytes) -> None:
    caller.send(read.bytes())
    whole = caller.answer()
    caller.send(with_lines(read, *lines.split(b"\r\n")))
    answer = caller.answer()
    assert (answer.status, answer.body) == (200, whole.body)
    assert answer.headers["content-range"] is None


# Methods


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "FOO", "PROPFIND", "QUERY", "PATCHY", "G"])
def test_no_other_method_is_allowed_on_any_path(server: Server, world: World, method: str) -> None:
    """Those that HTTP does not know are no HTTP to the server; the others are 405 with all that the path has."""
    for path in world.document["paths"]:
        with server.call() as caller:
            caller.send(f"{method} {re.sub('[{}]', '', path)} HTTP/1.1\r\n".encode(), HOST, b"\r\nX: zq-evil\r\n\r\n")
            answer = caller.answer()
            assert answer.status in {400, 405}, path
            assert "zq-evil" not in answer.body.decode()
            if answer.status == 405:
                there = {name.upper() for name in world.document["paths"][path]}
                assert set(answer.headers["allow"].split(", ")) == there | ({"HEAD"} if "GET" in there else set()), path
                assert caller.lives()


def test_head_answers_as_get_does_on_every_path(world: World, server: Server) -> None:
    for operation in world.operations.values():
        if operation.method != "GET" or operation.path == "/metrics":
            continue
        call = world.call(operation)
        with server.call() as caller:
            caller.send(call.bytes())
            got = caller.answer()
            caller.send(replace(call, method="HEAD").bytes())
            head = caller.answer(body=False)
            assert (head.status, head.headers["content-type"]) == (got.status, got.headers["content-type"])
            assert head.headers["etag"] == got.headers["etag"]
            assert caller.lives(), operation.name


@pytest.mark.parametrize(
    "origin", [b"null", b"https://evil.example", b"*", b"https://mainstay, https://evil", b"\xff", b""]
)
def test_a_page_of_elsewhere_is_let_in_nowhere(server: Server, world: World, origin: bytes) -> None:
    """Nothing is set in CORS_ORIGINS here; what is let in where something is, tests/integration/kernel/http shows."""
    preflight = b"Origin: %b\r\nAccess-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: *" % origin
    for path in world.document["paths"]:
        with server.call() as caller:
            line = f"OPTIONS {re.sub('[{}]', '', path)} HTTP/1.1\r\n".encode()
            caller.send(line, HOST, b"\r\n", preflight, b"\r\n\r\n")
            answer = caller.answer()
            assert answer.status == 405
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]
