from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from mainstay.kernel.core.errors import InvalidHeader, Malformed
from mainstay.kernel.http.guard import check_request
from mainstay.kernel.http.headers import by_name

HOST = (b"host", b"mainstay")


def check(path: bytes = b"/pets", query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = (HOST,)) -> None:
    scope: Scope = {"http_version": "1.1", "headers": headers, "raw_path": path, "query_string": query}
    check_request(scope, by_name(headers))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_takes_every_text_but_nul_in_path_and_query(text: str) -> None:
    check(path=f"/pets/{quote(text)}".encode())
    check(query=f"species={quote(text)}".encode())


@given(st.binary())
def test_any_bytes_pass_or_are_malformed(sent: bytes) -> None:
    for path, query in ((b"/" + sent, b""), (b"/", sent)):
        try:
            check(path, query)
        except Malformed:
            pass
        else:
            assert sent.isascii()


@pytest.mark.parametrize(
    "sent",
    [b"", b"%", b"%zz", b"%4", b"%e2%82%ac", b"%ef%bf%bd", b"..", b"%2e%2e%2f", b"a+b", b"%25%30%30", b"x" * 60_000],
)
def test_takes(sent: bytes) -> None:
    check(path=b"/" + sent)
    check(query=sent)


@pytest.mark.parametrize(
    "sent", [b"%00", b"a%00b", b"%ff", b"%c0%80", b"%ed%a0%80", b"%e2%82", b"\xff", b"\xc3\xa9", b"\0%41"]
)
def test_refuses_what_is_no_text(sent: bytes) -> None:
    with pytest.raises(Malformed):
        check(path=b"/pets/" + sent)
    with pytest.raises(Malformed):
        check(query=b"species=" + sent)


@pytest.mark.parametrize("headers", [(), ((b"host", b"a b"),), ((b"host", b""),)])
def test_refuses_a_request_without_a_host(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(Malformed):
        check(headers=headers)


@pytest.mark.parametrize("name", [b"host", b"authorization", b"idempotency-key"])
def test_refuses_a_header_that_stands_twice(name: bytes) -> None:
    with pytest.raises(InvalidHeader):
        check(headers=(HOST, (name, b"mainstay"), (name, b"mainstay")))
