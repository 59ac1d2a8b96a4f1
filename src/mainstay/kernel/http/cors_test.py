import pytest

from mainstay.kernel.http.cors import Cors
from mainstay.kernel.http.types import Headers

ALLOW_ORIGIN = b"access-control-allow-origin"
PREFLIGHT = {b"origin": b"https://a", b"access-control-request-method": b"PUT"}


@pytest.mark.parametrize(
    ("origins", "sent", "allowed"),
    [
        (["https://a"], b"https://a", b"https://a"),
        (["https://b", "https://a"], b"https://a", b"https://a"),
        (["*"], b"https://a", b"*"),
        (["*"], b"null", b"*"),
        (["https://a"], b"https://b", None),
        (["https://a"], b"https://A", None),
        (["https://a"], b"https://a, https://a", None),
        (["https://a"], b"null", None),
        (["https://a"], b"", None),
        ([], b"https://a", None),
    ],
)
def test_an_origin_is_let_in_when_it_is_listed(origins: list[str], sent: bytes, allowed: bytes | None) -> None:
    assert dict(Cors(origins).headers({b"origin": sent})).get(ALLOW_ORIGIN) == allowed


@pytest.mark.parametrize("origins", [["https://a"], ["*"]])
def test_caches_keep_the_answers_to_origins_apart(origins: list[str]) -> None:
    assert dict(Cors(origins).headers({}))[b"vary"] == b"Origin"
    assert dict(Cors(origins).headers({b"origin": b"https://b"}))[b"vary"] == b"Origin"


def test_nothing_is_said_where_no_origin_is_let_in() -> None:
    assert Cors([]).headers(PREFLIGHT) == ()
    assert Cors([]).preflight("OPTIONS", PREFLIGHT) is None


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", PREFLIGHT),
        ("OPTIONS", {}),
        ("OPTIONS", {b"origin": b"https://a"}),
        ("OPTIONS", {b"access-control-request-method": b"PUT"}),
    ],
)
def test_only_a_preflight_is_answered(method: str, headers: Headers) -> None:
    cors = Cors(["https://a"])
    assert cors.preflight(method, headers) is None
    assert cors.preflight("OPTIONS", PREFLIGHT) is not None
