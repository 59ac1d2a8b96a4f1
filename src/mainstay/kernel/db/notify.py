"""Telling the active relay, wherever it runs, that events were committed; never inside a write (ADR 14)."""

import asyncio
from contextlib import suppress
from typing import Protocol, Self

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Database

_REST_SECONDS = 0.005
"""One NOTIFY for all commits of that time: PostgreSQL sends them one at a time."""
_MANY = 8
"""After so many in one rest the next is twice as long: a NOTIFY costs the server what reading a row does."""

_NOTIFY = "SELECT pg_notify('outbox', '')"


class LocalRelay(Protocol):
    """A relay of this process."""

    is_active: bool

    def wake(self) -> None:
        """There are new events."""


class Notifier:
    """Tells of commits, at once and then once in a while. What gets lost is found by the relay's own look."""

    def __init__(self, database: Database, local: LocalRelay | None = None) -> None:
        self._database = database
        self._local = local
        self._task: asyncio.Task[None] | None = None
        self._commits = 0
        """That nobody has been told of."""

    async def __aenter__(self) -> Self:
        """Hear of the database's commits."""
        self._database.on_events(self.tell)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is under way; nothing is committed any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def tell(self) -> None:
        """Events were committed. Costs the caller microseconds, whatever the database does."""
        if self._local is not None and self._local.is_active:
            self._local.wake()
            return
        self._commits += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._commits:
            commits, self._commits = self._commits, 0
            with suppress(Unavailable):
                await self._database.fetch_text(_NOTIFY)
            await asyncio.sleep(_REST_SECONDS if commits < _MANY else 2 * _REST_SECONDS)
