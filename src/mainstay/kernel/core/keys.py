"""The keys of access tokens: the first of them signs, all of them are accepted, so that they can be changed in peace.

The algorithm belongs to the keys. What a header says is compared with it, never followed (RFC 8725, section 3.1).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt import PyJWS
from jwt.algorithms import OKPAlgorithm
from jwt.utils import base64url_encode

_TYPE = "at+jwt"  # RFC 9068, section 2.1: no other kind of JWT can be taken for an access token
_SECRET_MIN = 32
"""Bytes: as many as SHA-256 has (RFC 7518, section 3.2)."""
_JWS = PyJWS()

Key = bytes | Ed25519PublicKey


class Keys(Protocol):
    """What signs and verifies access tokens."""

    algorithm: str

    def sign(self, payload: bytes) -> str:
        """The payload as a JWS in compact form, signed with the first key."""

    def verifying(self, header: Mapping[str, Any]) -> Sequence[Key]:
        """The keys that a token with this header may be signed with: none where the header is not one of ours."""

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517)."""


class HmacKeys:
    """HS256: secrets that whoever verifies has to have too."""

    algorithm = "HS256"

    def __init__(self, *secrets: bytes) -> None:
        """Raises ValueError where there is no secret, or one that is too short."""
        if not secrets or any(len(secret) < _SECRET_MIN for secret in secrets):
            raise ValueError(f"a secret that signs tokens has at least {_SECRET_MIN} bytes")
        self._secrets = secrets
        self._header = {"alg": self.algorithm, "typ": _TYPE}

    def sign(self, payload: bytes) -> str:
        """See Keys."""
        return _JWS.encode(payload, self._secrets[0], self.algorithm, self._header)

    def verifying(self, header: Mapping[str, Any]) -> Sequence[Key]:
        """See Keys."""
        return self._secrets if header == self._header else ()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """See Keys. Empty: these keys are nobody else's business."""
        return {"keys": []}


class EdKeys:
    """EdDSA with Ed25519: whoever verifies needs the public keys alone, which `jwks` publishes."""

    algorithm = "EdDSA"

    def __init__(self, current: Ed25519PrivateKey, *others: Ed25519PublicKey) -> None:
        """`others`: those of the past, as long as their tokens live, and of the future, to be known in time."""
        self._current = current
        self._public = {key_id(key): key for key in (current.public_key(), *others)}
        self._header = {"alg": self.algorithm, "typ": _TYPE, "kid": key_id(current.public_key())}

    @classmethod
    def read(cls, current: bytes, *others: bytes) -> "EdKeys":
        """Out of PEM: the current private key, then others, private or public. Raises ValueError."""
        return cls(_read_private(current), *(_read_public(pem) for pem in others))

    def sign(self, payload: bytes) -> str:
        """See Keys."""
        return _JWS.encode(payload, self._current, self.algorithm, self._header)

    def verifying(self, header: Mapping[str, Any]) -> Sequence[Key]:
        """See Keys."""
        key_id = header.get("kid")
        known = isinstance(key_id, str) and key_id in self._public
        return (self._public[str(key_id)],) if known and header == {**self._header, "kid": key_id} else ()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """See Keys."""
        about = {"alg": self.algorithm, "use": "sig"}
        return {"keys": [{**_jwk(key), **about, "kid": key_id} for key_id, key in self._public.items()]}


def key_id(key: Ed25519PublicKey) -> str:
    """The key's thumbprint (RFC 7638): the same wherever it is worked out."""
    return base64url_encode(hashlib.sha256(json.dumps(_jwk(key), separators=(",", ":")).encode()).digest()).decode()


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """The members that make the key, in the order in which the thumbprint takes them."""
    members = OKPAlgorithm.to_jwk(key, as_dict=True)
    return {name: str(members[name]) for name in ("crv", "kty", "x")}


def _read_private(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # what it says of the key stays here
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the key that signs tokens is a private Ed25519 key in PEM, without a password")  # noqa: TRY004 - a value read from a file
    return key


def _read_public(pem: bytes) -> Ed25519PublicKey:
    if b"PRIVATE KEY" in pem:
        return _read_private(pem).public_key()
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("a key that verifies tokens is an Ed25519 key in PEM")  # noqa: TRY004 - as above
    return key
