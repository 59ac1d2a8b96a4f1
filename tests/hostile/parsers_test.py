"""Whatever callers send to a parser of ours: a value, or our own error, nothing else.

Parsers that have such a test beside them are not here again: strict JSON, the guard of addresses, Host, tenant,
Idempotency-Key, entity tags, cursors, integers, dates, times and UUIDs.
"""

import base64
import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from ulid import ULID

from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.keys import HmacKeys
from mainstay.kernel.core.tokens import AUDIENCE, ISSUER, TokenVerifier
from mainstay.kernel.http.bearer import bearer_token
from mainstay.kernel.http.request import parse_form
from mainstay.kernel.http.types import HEADERS_KEY
from mainstay.services.configs.schemas import Ulid
from mainstay.services.users.domain import InvalidRefreshToken
from mainstay.services.users.tokens import RefreshTokens
from tests.hostile.fuzzing import JSON, SECRET, many, value_or

KEYS = HmacKeys(SECRET)
VERIFIER = TokenVerifier(KEYS)
ULID_TYPE: TypeAdapter[str] = TypeAdapter(Ulid)


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


# Ids and tokens


@given(st.text() | st.from_regex(r"[0-9A-Za-z]{26}") | JSON)
@example("7" + "Z" * 25)
@example("8" + "Z" * 25)
@example("0" * 25 + "\u0660")
@many
def test_any_value_is_a_ulid_or_a_validation_error(value: Any) -> None:
    found = value_or(ValidationError, ULID_TYPE.validate_python, value)
    assert found is None or str(ULID.from_str(found)) == found == value.upper()


@given(
    st.text()
    | st.text("ey.-_=AZ09")
    | st.tuples(st.binary(), st.binary(), st.binary()).map(lambda parts: ".".join(map(encoded, parts)))
)
@many
def test_any_text_is_no_access_token(token: str) -> None:
    with pytest.raises(InvalidToken):
        VERIFIER.verify(token)


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "x"]), JSON), JSON)
@example({"alg": "none"}, {})
@example({"alg": "HS256", "typ": "at+jwt", "crit": ["b64"], "b64": False}, {})
@example({"alg": ["HS256"], "kid": {}}, {})
@many
def test_any_header_of_a_token_is_refused(header: dict[str, Any], claims: Any) -> None:
    parts = [encoded(json.dumps(part).encode()) for part in (header, claims)]
    with pytest.raises(InvalidToken):
        VERIFIER.verify(".".join([*parts, "AAAA"]))


CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a",
    "jti": "1",
    "role": "user",
    "scope": "pets:read",
    "tenant": None,
    "iat": 0,
    "exp": 2**37,
}


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf"]), JSON | st.integers(0, 2**40), max_size=3))
@example({})
@example({"exp": True})
@example({"exp": 10**400})
@example({"sub": "019A9F2E-7C1B-7CC2-A5B0-1F2E3D4C5B6A"})
@many
def test_any_claims_that_were_signed_make_a_caller_or_are_refused(claims: dict[str, Any]) -> None:
    token = KEYS.sign(json.dumps({**CLAIMS, **claims}).encode())
    caller = value_or(InvalidToken, VERIFIER.verify, token)
    assert caller is None or caller.subject == {**CLAIMS, **claims}["sub"]
    assert caller is not None or claims


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@many
def test_any_bytes_that_were_signed_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidToken):
        VERIFIER.verify(KEYS.sign(payload))


@given(st.text() | st.text("AZaz09-_=+/ ", min_size=60, max_size=80) | st.binary(min_size=50, max_size=54).map(encoded))
@example("\ud800")
@example("A" * 70 + "\0")
@many
def test_any_text_is_no_refresh_token(token: str) -> None:
    with pytest.raises(InvalidRefreshToken):
        RefreshTokens([SECRET]).member_of(token)


@given(st.binary() | st.tuples(st.sampled_from([b"Bearer", b"bEARER", b"Basic", b""]), st.binary()).map(b" ".join))
@many
def test_any_bytes_of_a_header_hold_a_token_or_none(value: bytes) -> None:
    token = bearer_token(Request({"type": "http", HEADERS_KEY: {b"authorization": value}}))
    assert (token is not None) == (value.lower() + b" ").startswith(b"bearer ")
    if token is not None:
        assert value_or(InvalidToken, VERIFIER.verify, token) is None


# Bodies that are forms


@given(st.binary() | st.text("a=&%0fFd;+\xff").map(lambda text: text.encode("latin-1")))
@example(b"&".join([b"a=1"] * 101))
@example(b"a=%ed%a0%80")
@example(b"a=%00")
@example(b"%00=a")
@many
def test_any_bytes_are_a_form_or_a_validation_error(body: bytes) -> None:
    fields = value_or(RequestValidationError, parse_form, body)
    for name, value in (fields or {}).items():
        (name + value).encode()
        assert "\0" not in name + value
