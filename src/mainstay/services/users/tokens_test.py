import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.keys import EdKeys, HmacKeys, Keys
from mainstay.kernel.core.tokens import TokenVerifier
from mainstay.services.users.domain import InvalidRefreshToken, Session, User
from mainstay.services.users.tokens import (
    AccessTokens,
    Member,
    RefreshTokens,
    Tokens,
    is_living,
    session_of,
    token_hash,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SECRET, OLD, FOREIGN = b"s" * 32, b"o" * 32, b"f" * 32
ADA, SESSION = UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"), UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6b")
USER = User.register(ADA, {"email": "ada@example.com", "full_name": "Ada"}, "$2b$hash", NOW)
HS, ED = HmacKeys(SECRET), EdKeys(Ed25519PrivateKey.generate())
REFRESH = RefreshTokens([SECRET])


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def issued(user: User = USER, keys: Keys = HS) -> str:
    return AccessTokens(keys, issuer="mainstay", audience="api").issue(user, SESSION)


# Access tokens


@pytest.mark.parametrize("keys", [HS, ED], ids=["HS256", "EdDSA"])
def test_the_kernel_accepts_what_is_issued(keys: Keys) -> None:
    principal = TokenVerifier(keys, issuer="mainstay", audience="api").verify(issued(keys=keys))
    assert (principal.subject, principal.role, principal.tenant) == (str(ADA), "user", None)
    assert principal.scopes == {"pets:*", "tasks:*", "configs:read"}
    assert principal.expires == NOW.replace(microsecond=0) + timedelta(minutes=15)
    assert session_of(principal) == SESSION


def test_a_token_has_the_claims_of_the_contract_and_says_nothing_of_the_person() -> None:
    token = issued(replace(USER, role="admin", scopes=(), tenant="t-1"))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "jti", "scope", "tenant", "role"}
    assert (claims["role"], claims["scope"], claims["tenant"]) == ("admin", "", "t-1")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt"}


def test_no_two_tokens_have_one_id() -> None:
    ids = {jwt.decode(issued(), options={"verify_signature": False})["jti"] for _ in range(50)}
    assert len(ids) == 50


def test_a_token_ends_after_a_quarter_of_an_hour_and_the_leeway(now: Any) -> None:
    verifier, token = TokenVerifier(HS, issuer="mainstay", audience="api"), issued()
    now.move_to(NOW + timedelta(minutes=15, seconds=29))
    verifier.verify(token)
    now.move_to(NOW + timedelta(minutes=15, seconds=30))
    with pytest.raises(InvalidToken):
        verifier.verify(token)


@pytest.mark.parametrize("token_id", ["", "one", f"x{SESSION}", f"{SESSION}x.1", ".", "\0.1"])
def test_a_token_id_without_a_session_belongs_to_nobody(token_id: str) -> None:
    principal = TokenVerifier(HS, issuer="mainstay", audience="api").verify(issued())
    with pytest.raises(InvalidToken):
        session_of(replace(principal, token_id=token_id))


# Refresh tokens


def test_a_refresh_token_is_read_as_what_it_was_made_of() -> None:
    for counter in (0, 1, 2**32 - 1):
        assert REFRESH.member_of(REFRESH.make(SESSION, counter)) == Member(SESSION, counter)


def test_a_refresh_token_can_be_made_again() -> None:
    assert REFRESH.make(SESSION, 3) == REFRESH.make(SESSION, 3)
    others = {REFRESH.make(SESSION, 2), REFRESH.make(ADA, 3), RefreshTokens([FOREIGN]).make(SESSION, 3)}
    assert REFRESH.make(SESSION, 3) not in others
    assert len(others) == 3


def test_a_refresh_token_is_safe_in_any_place() -> None:
    token = REFRESH.make(SESSION, 0)
    assert len(token) == 70
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_tokens_of_a_previous_secret_are_read_and_made_again() -> None:
    session = Session.start(SESSION, ADA, token_hash(RefreshTokens([OLD]).make(SESSION, 0)), NOW)
    rotated = RefreshTokens([SECRET, OLD])
    assert rotated.living(session) == RefreshTokens([OLD]).make(SESSION, 0)
    assert rotated.member_of(rotated.living(session)) == Member(SESSION, 0)
    assert rotated.make(SESSION, 1) == REFRESH.make(SESSION, 1)
    with pytest.raises(InvalidRefreshToken):
        REFRESH.living(session)
    with pytest.raises(InvalidRefreshToken):
        REFRESH.member_of(rotated.living(session))


def resigned(token: str, position: int) -> str:
    """The token with one bit of what it is made of turned round."""
    decoded = bytearray(base64.urlsafe_b64decode(token + "=="))
    decoded[position] ^= 1
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode()


@pytest.mark.parametrize("position", [0, 15, 16, 19, 20, 51])
def test_no_part_of_a_refresh_token_can_be_changed(position: int) -> None:
    with pytest.raises(InvalidRefreshToken):
        REFRESH.member_of(resigned(REFRESH.make(SESSION, 0), position))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: "a",
        lambda token: "not a token",
        lambda token: "ü" * 70,
        lambda token: "\ud800" * 70,
        lambda token: "\0" * 70,
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "==",
        lambda token: f" {token}",
        lambda token: f"{token}\n",
        lambda token: token[:-1] + ("B" if token[-1] == "A" else chr(ord(token[-1]) ^ 1)),
        lambda token: token * 1000,
        lambda token: base64.urlsafe_b64encode(bytes(52)).decode(),
        lambda token: RefreshTokens([FOREIGN]).make(SESSION, 0),
        lambda token: issued(),
    ],
    ids=range(16),
)
def test_what_is_no_refresh_token_of_ours_is_refused(spoil: Any) -> None:
    with pytest.raises(InvalidRefreshToken):
        REFRESH.member_of(spoil(REFRESH.make(SESSION, 0)))


def test_a_token_lives_where_its_hash_is_the_stored_one() -> None:
    token = REFRESH.make(SESSION, 0)
    session = Session.start(SESSION, ADA, token_hash(token), NOW)
    assert is_living(token, session)
    assert not is_living(REFRESH.make(SESSION, 1), session)
    assert not is_living(token, session.rotate(b"", NOW))


def test_what_is_printed_of_a_pair_shows_no_token() -> None:
    tokens = Tokens(AccessTokens(HS, issuer="mainstay", audience="api"), REFRESH)
    pair = tokens.pair(USER, SESSION, REFRESH.make(SESSION, 0))
    assert pair.expires_in == 900
    assert repr(pair) == "TokenPair(expires_in=900)"
