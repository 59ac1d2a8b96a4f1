import ipaddress
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.kernel.core.errors import InvalidHeader, Malformed
from mainstay.kernel.http.headers import by_name, check_host, check_single

HEADER_LISTS = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"host", b"if-match", b""]) | st.binary(max_size=5), st.binary())
)
LABELS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-", min_size=1, max_size=63)
HOSTS = (
    st.lists(LABELS, min_size=1, max_size=4).map(".".join)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(lambda address: f"[{ipaddress.IPv6Address(address)}]")
)


@given(HEADER_LISTS)
def test_every_line_is_found_under_its_name_in_order(headers: list[tuple[bytes, bytes]]) -> None:
    named = by_name(headers)
    assert set(named) == {name for name, _ in headers}
    for name, value in named.items():
        assert value == b", ".join(line for other, line in headers if other == name)


def test_ten_thousand_headers_are_read_at_once() -> None:
    headers = [(b"%d" % number, b"") for number in range(10_000)] + [(b"1", b"again")]
    started = time.process_time()
    assert by_name(headers)[b"1"] == b", again"
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", [b"host", b"x-tenant-id", b"idempotency-key", b"authorization", b"content-type"])
@pytest.mark.parametrize("second", [b"a", b"b", b""])
def test_a_header_of_one_value_is_refused_when_it_stands_twice(name: bytes, second: bytes) -> None:
    with pytest.raises(InvalidHeader, match=name.decode()):
        check_single([(b"accept", b"*/*"), (name, b"a"), (b"accept", b"*/*"), (name, second)])


@pytest.mark.parametrize("name", [b"if-match", b"if-none-match", b"accept", b"cookie", b"x-request-id"])
def test_a_header_that_is_a_list_may_stand_twice(name: bytes) -> None:
    check_single([(b"host", b"a"), (name, b"a"), (name, b"b")])


@given(HOSTS, st.none() | st.integers(0, 65_535))
def test_takes_every_host(host: str, port: int | None) -> None:
    check_host({b"host": (host if port is None else f"{host}:{port}").encode()}, "1.1")


@given(st.binary())
@example(b"a\n")
def test_any_bytes_are_a_host_or_malformed(value: bytes) -> None:
    try:
        check_host({b"host": value}, "1.1")
    except Malformed:
        return
    assert value
    assert not set(value) & set(b' \t\r\n/\\@?#<>"{}\0')


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b" ",
            b":8000",
            b"a:b",
            b"a:123456",
            b"a:-1",
            b"a:80:80",
            b"a b",
            b"a/b",
            b"a\\b",
            b"user@a",
            b"http://a",
        ),
        *(
            b"a?b",
            b"a#b",
            b"<script>",
            b'"a"',
            b"a\n",
            b"a\r\nx: y",
            b"\xe9.example",
            b"[::1",
            b"::1",
            b"[::1]x",
            b"[x]",
            b"[]",
        ),
    ],
)
def test_refuses_what_is_no_host(value: bytes) -> None:
    with pytest.raises(Malformed):
        check_host({b"host": value}, "1.1")


def test_host_may_be_left_out_before_http_1_1() -> None:
    check_host({}, "1.0")
    with pytest.raises(Malformed):
        check_host({}, "1.1")
    with pytest.raises(Malformed):
        check_host({b"host": b""}, "1.0")
