"""A store in the process's memory with the same unit of work as PostgreSQL's: for tries, demonstrations and tests."""

import time
from collections.abc import Callable
from threading import RLock

from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, KeyTaken, Reply, Unit

Change = Callable[[], None]
Name = tuple[str, str, str]


class MemoryStore:
    """What is kept: the lock that guards it, and the answers to idempotency keys. Rows belong to the repository."""

    def __init__(self, *, keep_keys: float) -> None:
        """`keep_keys`: seconds for which a key's first answer is kept."""
        self.lock = RLock()
        self._keep_keys = keep_keys
        self._replies: dict[Name, tuple[float, bytes, Reply]] = {}

    def find_reply(self, key: Key) -> tuple[bytes, Reply] | None:
        """The fingerprint and the answer of the key's first use."""
        found = self._replies.get(_name(key))
        return found[1:] if found is not None and found[0] > time.monotonic() else None

    def keep_reply(self, key: Key, reply: Reply) -> None:
        """Remember the answer, and forget those whose time is over: they stand first, in the order they came."""
        while self._replies and next(iter(self._replies.values()))[0] <= time.monotonic():
            del self._replies[next(iter(self._replies))]
        self._replies[_name(key)] = (time.monotonic() + self._keep_keys, key.fingerprint, reply)


class MemoryUnit(Unit):
    """Runs the change under the store's lock; the events reach the process's listeners alone."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self._store = store
        self._change: Change | None = None

    def write(self, change: Change) -> None:
        """Take the change to run at the commit; it raises LostRace or a domain error where it cannot be made."""
        if self._change is not None:
            raise RuntimeError("a unit writes one row")
        self._change = change

    async def commit(self, reply: Reply, key: Key | None) -> None:
        """See Unit."""
        with self._store.lock:
            if key is not None and self._store.find_reply(key):
                raise KeyTaken
            if self._change is not None:
                self._change()
            if key is not None:
                self._store.keep_reply(key, reply)

    async def first(self, key: Key) -> Reply | None:
        """See Unit."""
        with self._store.lock:
            found = self._store.find_reply(key)
        if found is None:
            return None
        fingerprint, reply = found
        if fingerprint != key.fingerprint:
            raise IdempotencyKeyReused
        return reply


def _name(key: Key) -> Name:
    return key.tenant, key.scope, key.value
