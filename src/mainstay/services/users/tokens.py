"""Tokens, issued: access tokens that say who calls, refresh tokens that get the next ones."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import orjson

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.keys import Keys
from mainstay.kernel.core.tokens import AUDIENCE, ISSUER, Principal
from mainstay.services.users.domain import InvalidRefreshToken, Session, User

ACCESS_LIFETIME = timedelta(minutes=15)
_PURPOSE = b"mainstay refresh token\0"  # the same secret makes other MACs elsewhere, of other texts
_ID_BYTES, _COUNTER_BYTES, _MAC_BYTES = 16, 4, 32


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in or a refresh gives."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    """Seconds that the access token lives."""


class AccessTokens:
    """Issues access tokens. Their id begins with the session's, so that what ends the session ends them."""

    def __init__(self, keys: Keys, *, issuer: str = ISSUER, audience: str = AUDIENCE) -> None:
        self._keys = keys
        self._claims = {"iss": issuer, "aud": audience}

    def issue(self, user: User, session_id: UUID) -> str:
        """A token for a user in a session."""
        issued = int(now().timestamp())
        claims = {
            **self._claims,
            "sub": str(user.id),
            "iat": issued,
            "exp": issued + int(ACCESS_LIFETIME.total_seconds()),
            "jti": f"{session_id}.{secrets.token_hex(8)}",
            "scope": " ".join(user.scopes),
            "tenant": user.tenant,
            "role": user.role,
        }
        return self._keys.sign(orjson.dumps(claims))


def session_of(principal: Principal) -> UUID:
    """The session that an access token was issued in. Raises InvalidToken where it names none."""
    return _session_of(principal.token_id)


@lru_cache(10_000)  # read anew it would cost each request 2 us
def _session_of(token_id: str) -> UUID:
    try:
        return UUID(token_id.partition(".")[0])
    except ValueError as error:
        raise InvalidToken from error


class Member(NamedTuple):
    """Which token of which family."""

    session_id: UUID
    counter: int


class RefreshTokens:
    """Makes refresh tokens out of session and number with a secret: who has the secret can make one again."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """The first secret makes tokens; those that any of them has made are read."""
        self._secrets = secrets

    def make(self, session_id: UUID, counter: int) -> str:
        """The token of this number."""
        return _make(self._secrets[0], Member(session_id, counter))

    def living(self, session: Session) -> str:
        """The session's living token, made again. Raises InvalidRefreshToken where its secret is not there any more."""
        for secret in self._secrets:
            token = _make(secret, Member(session.id, session.counter))
            if is_living(token, session):
                return token
        raise InvalidRefreshToken

    def member_of(self, token: str) -> Member:
        """Which token it is, by what was signed into it. Raises InvalidRefreshToken."""
        member = _parse(token)
        if not any(hmac.compare_digest(token, _make(secret, member)) for secret in self._secrets):
            raise InvalidRefreshToken
        return member


@dataclass(frozen=True, slots=True)
class Tokens:
    """What issues both kinds."""

    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens

    def pair(self, user: User, session_id: UUID, refresh_token: str) -> TokenPair:
        """A refresh token, and a new access token beside it."""
        access_token = self.access_tokens.issue(user, session_id)
        return TokenPair(access_token, refresh_token, int(ACCESS_LIFETIME.total_seconds()))


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def is_living(token: str, session: Session) -> bool:
    """Whether it is the session's living token."""
    return hmac.compare_digest(token_hash(token), session.token_hash)


def _make(secret: bytes, member: Member) -> str:
    body = member.session_id.bytes + member.counter.to_bytes(_COUNTER_BYTES, "big")
    mac = hmac.digest(secret, _PURPOSE + body, hashlib.sha256)
    return base64.urlsafe_b64encode(body + mac).rstrip(b"=").decode()


def _parse(token: str) -> Member:
    try:
        decoded = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InvalidRefreshToken from error
    if len(decoded) != _ID_BYTES + _COUNTER_BYTES + _MAC_BYTES:
        raise InvalidRefreshToken
    counter = int.from_bytes(decoded[_ID_BYTES : _ID_BYTES + _COUNTER_BYTES], "big")
    return Member(UUID(bytes=decoded[:_ID_BYTES]), counter)
