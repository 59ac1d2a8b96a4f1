"""The cursor of the baselines' pages: where a page ended, signed (HMAC-SHA256) for one tenant's list."""

import base64
import hmac
import secrets
from datetime import datetime
from uuid import UUID

_KEY = secrets.token_bytes(32)
_MAC_BYTES = 16


def make_cursor(tenant: str, created_at: datetime, order_id: UUID) -> str:
    """The cursor behind this order."""
    position = f"{created_at.isoformat()} {order_id}".encode()
    return base64.urlsafe_b64encode(_mac(tenant, position) + position).decode()


def read_cursor(tenant: str, cursor: str) -> tuple[datetime, UUID]:
    """The order that the cursor stands behind. Raises ValueError where it is none of this tenant's."""
    decoded = base64.urlsafe_b64decode(cursor)
    mac, position = decoded[:_MAC_BYTES], decoded[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(tenant, position)):
        raise ValueError("not a cursor of this list")
    created_at, order_id = position.decode().split()
    return datetime.fromisoformat(created_at), UUID(order_id)


def _mac(tenant: str, position: bytes) -> bytes:
    return hmac.digest(_KEY, f"{tenant}\0".encode() + position, "sha256")[:_MAC_BYTES]
