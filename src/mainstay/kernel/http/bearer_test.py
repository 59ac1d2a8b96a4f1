import pytest
from starlette.requests import Request

from mainstay.kernel.http.bearer import bearer_token
from mainstay.kernel.http.types import HEADERS_KEY


def request(authorization: bytes | None) -> Request:
    return Request({"type": "http", HEADERS_KEY: {} if authorization is None else {b"authorization": authorization}})


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer a.b.c", "a.b.c"),
        (b"bearer a.b.c", "a.b.c"),
        (b"BEARER   a.b.c ", "a.b.c"),
        (b"Bearer ", ""),
        (b"Bearer", ""),
        (b"Bearer a b", "a b"),
        (b"Bearer \xff", "ÿ"),
    ],
)
def test_a_token_is_what_stands_behind_bearer(header: bytes, token: str) -> None:
    assert bearer_token(request(header)) == token


@pytest.mark.parametrize("header", [b"", b"Basic YTpi", b"a.b.c", b"Bearera.b.c", b"Bearer\ta.b.c", b" Bearer a.b.c"])
def test_what_stands_behind_anything_else_is_none(header: bytes) -> None:
    assert bearer_token(request(header)) is None


def test_without_the_header_there_is_none() -> None:
    assert bearer_token(request(None)) is None
