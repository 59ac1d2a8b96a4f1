"""Access tokens, verified: signed JWTs as RFC 9068 has them, read as RFC 8725 wants it. Issuing is elsewhere."""

import binascii
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from jwt import InvalidTokenError, PyJWS
from jwt.utils import base64url_decode

from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.keys import Key, Keys

ISSUER = AUDIENCE = "mainstay"
"""The program is one, whoever of its processes issues and whoever verifies."""
LEEWAY = 30
"""Seconds by which the clocks of who issues and who verifies may differ."""
REMEMBERED = 30
"""Seconds for which a token is taken at the word of its first verification."""
_KEPT = 10_000  # tokens: about 10 MB at the most
_TOKEN_MAX = 4096
"""Characters: our longest have about 3,500, and what is not ours is not worth reading."""
_TIME_MAX = 253_402_300_799  # the last second that datetime knows

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS = PyJWS()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls, by a token that was verified."""

    subject: str
    """The id of a user, a UUID in its one spelling."""
    token_id: str
    role: str
    scopes: frozenset[str]
    tenant: str | None
    expires: datetime

    def may(self, service: str, action: str) -> bool:
        """Whether a scope allows this action (`read`, `write`) in this service."""
        return not self.scopes.isdisjoint((f"{service}:{action}", f"{service}:*"))


class TokenVerifier:
    """Tells from an access token who calls, and remembers it: the first time costs 60 us, the next one."""

    def __init__(self, keys: Keys, *, issuer: str = ISSUER, audience: str = AUDIENCE) -> None:
        self._keys = keys
        self._claims = {"iss": issuer, "aud": audience}
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def verify(self, token: str) -> Principal:
        """Who calls. Raises InvalidToken."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        until, principal = self._known.get(digest, (0.0, None))
        if principal is None or until <= time.time():
            principal = self._verify(token)
            self._remember(digest, principal)
        return principal

    def _remember(self, digest: bytes, principal: Principal) -> None:
        """Until it expires, and not for long. The oldest makes room, whoever's it is."""
        self._known.pop(digest, None)
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[digest] = (min(time.time() + REMEMBERED, principal.expires.timestamp()), principal)

    def _verify(self, token: str) -> Principal:
        compact = _COMPACT.fullmatch(token) if len(token) <= _TOKEN_MAX else None
        if compact is None:
            raise InvalidToken
        claims = _object(self._payload(token, self._keys.verifying(_header(compact[1]))))
        if any(claims.get(name) != value for name, value in self._claims.items()):
            raise InvalidToken
        return _principal(claims)

    def _payload(self, token: str, keys: Sequence[Key]) -> bytes:
        """What is signed. The library also refuses every spelling of the parts but the canonical one."""
        for key in keys:
            with suppress(InvalidTokenError):
                payload: bytes = _JWS.decode(token, key, algorithms=[self._keys.algorithm])
                return payload
        raise InvalidToken


def _principal(claims: Mapping[str, Any]) -> Principal:
    """What the claims say, each of its type; a time that is not now is a claim that does not hold."""
    now = time.time()
    expires = _seconds(claims.get("exp"))
    begins = max(_seconds(claims.get("iat")), _seconds(claims.get("nbf", 0)))
    if not begins - LEEWAY <= now < expires + LEEWAY:
        raise InvalidToken
    tenant = claims.get("tenant")
    return Principal(
        subject=_uuid(_text(claims.get("sub"))),
        token_id=_text(claims.get("jti")),
        role=_text(claims.get("role")),
        scopes=frozenset(_text(claims.get("scope")).split()),
        tenant=None if tenant is None else _text(tenant),
        expires=datetime.fromtimestamp(expires, UTC),
    )


def _header(part: str) -> dict[str, Any]:
    try:
        return _object(base64url_decode(part))
    except binascii.Error as error:
        raise InvalidToken from error


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidToken from error
    if not isinstance(value, dict):
        raise InvalidToken
    return value


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name, one reader takes the first, the other the last: refused."""
    if len(dict(members)) != len(members):
        raise InvalidToken
    return dict(members)


def _refuse(_: str) -> NoReturn:
    raise InvalidToken  # NaN, Infinity


def _seconds(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _TIME_MAX:  # a bool is an int
        raise InvalidToken
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidToken
    return value


def _uuid(text: str) -> str:
    with suppress(ValueError):
        if str(UUID(text)) == text:
            return text
    raise InvalidToken
