"""Idempotency keys in PostgreSQL: the row that is written with the change, and the look-up of the first answer."""

from typing import Any

from sqlalchemy import bindparam, select

from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, Reply
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.models import IdempotencyKey
from mainstay.kernel.db.statements import Statement

PRIMARY_KEY = "idempotency_keys_pkey"

COLUMNS = (
    ("tenant_id", "text"),
    ("scope", "text"),
    ("key", "text"),
    ("fingerprint", "bytea"),
    ("status", "smallint"),
    ("body", "bytea"),
    ("etag", "text"),
    ("location", "text"),
)
"""Column and type of each value of a key, in the order of `values`."""

_FIRST = Statement(
    select(
        IdempotencyKey.fingerprint,
        IdempotencyKey.status,
        IdempotencyKey.body,
        IdempotencyKey.etag,
        IdempotencyKey.location,
    ).where(
        IdempotencyKey.tenant_id == bindparam("tenant"),
        IdempotencyKey.scope == bindparam("scope"),
        IdempotencyKey.key == bindparam("key"),
    )
)


def values(key: Key, reply: Reply) -> tuple[Any, ...]:
    """What stands in the table for a key and the answer it got."""
    return (key.tenant, key.scope, key.value, key.fingerprint, reply.status, reply.body, reply.etag, reply.location)


class IdempotencyRepository:
    """Finds the answers that keys got."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, key: Key) -> Reply | None:
        """The answer of the key's first use, if there is one. Raises IdempotencyKeyReused where the body differed."""
        row = await self._database.fetch_one(_FIRST, {"tenant": key.tenant, "scope": key.scope, "key": key.value})
        if row is None:
            return None
        fingerprint, *reply = row
        if fingerprint != key.fingerprint:
            raise IdempotencyKeyReused
        return Reply(*reply)
