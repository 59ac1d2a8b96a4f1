"""Signatures of Standard Webhooks (https://www.standardwebhooks.com), symmetric: the receiver has the same secret."""

import binascii
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from hmac import digest

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)  # as the specification asks


def signing_keys(secrets: str) -> tuple[bytes, ...]:
    """The keys in secrets such as `whsec_…`, with spaces or commas between. Raises ValueError without showing any."""
    keys = tuple(_key(secret) for secret in re.split(r"[\s,]+", secrets) if secret)
    if not keys:
        raise ValueError("has no secret in it")
    return keys


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError("has to be whsec_ and the base64 of 24 to 64 random bytes (several: with commas between)")
    return key


def signatures(keys: tuple[bytes, ...], message_id: str, timestamp: str, body: bytes) -> str:
    """The header `webhook-signature`: a signature for each key, so that a receiver changes its secret when it likes."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return " ".join(f"v1,{b64encode(digest(key, signed, sha256)).decode()}" for key in keys)
