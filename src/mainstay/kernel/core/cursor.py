"""Cursors: where the next page of a list begins, opaque to the caller and bound to the list that it came from.

A cursor is what stands at the end of a page, with an HMAC-SHA256 (RFC 2104) over it and over the list's scope: its
name, its filters, the tenant. So nobody can write one, and one is worth nothing in another list.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mainstay.kernel.core.errors import Malformed

T = TypeVar("T")
Position = Sequence[Any]
"""What the last row of a page has in the columns that the list is sorted by: of JSON, and what `str` writes.

What is read back is text there."""
Scope = Sequence[object]
"""What makes a list that list. Of JSON, and of what `str` tells apart."""

_MAC_BYTES = 16  # half of SHA-256: as strong as RFC 2104, section 5, asks for, in a shorter cursor


class InvalidCursor(Malformed):
    """The cursor is none of ours, or of another list, filter or tenant."""

    code = "invalid_cursor"
    message = "This cursor does not belong to this list: begin again without one."


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[T]):
    """Some of the rows, in order, and where the next page begins: None at the end."""

    items: Sequence[T]
    next: Position | None


class Cursors:
    """Makes and reads cursors with the program's secret."""

    def __init__(self, *keys: bytes) -> None:
        """The first key signs; cursors that any of them has signed are read."""
        self._keys = [hmac.digest(key, b"mainstay cursors", hashlib.sha256) for key in keys]  # for nothing else

    def make(self, position: Position, scope: Scope) -> str:
        """The cursor for a position in a list."""
        payload = _json(position)
        return _encode(_mac(self._keys[0], payload, scope) + payload)

    def read(self, cursor: str, scope: Scope, place: Callable[..., T]) -> T:
        """What `place` makes of the values of the position: it knows their types. Raises InvalidCursor."""
        decoded = _decode(cursor)
        mac, payload = decoded[:_MAC_BYTES], decoded[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, payload, scope)) for key in self._keys):
            raise InvalidCursor
        try:
            return place(*json.loads(payload))
        except (TypeError, ValueError, AttributeError) as error:  # of another release, which had other columns
            raise InvalidCursor from error


def _encode(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def _decode(cursor: str) -> bytes:
    """Of its one spelling: Python also reads `+` for `-`, and in the last letter bits that mean nothing."""
    try:
        signed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError as error:
        raise InvalidCursor from error
    if _encode(signed) != cursor:
        raise InvalidCursor
    return signed


def _mac(key: bytes, payload: bytes, scope: Scope) -> bytes:
    """Scope and payload can't be mistaken for each other: JSON text holds no NUL."""
    return hmac.digest(key, _json(scope) + b"\0" + payload, hashlib.sha256)[:_MAC_BYTES]


def _json(value: object) -> bytes:
    """Times and UUIDs as text."""
    return json.dumps(value, separators=(",", ":"), default=str).encode()
