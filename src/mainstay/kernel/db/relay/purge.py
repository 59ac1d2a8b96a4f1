"""Deleting what is old: events that every sink is past, and answers to idempotency keys."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.repository import OutboxRepository

_BATCH = 1000
_REST_SECONDS = 0.05  # between batches: the disk is others' too
_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows were deleted."""

    events: int = 0
    keys: int = 0


class Purge:
    """`sinks` are those that are waited for; what others have not seen is deleted all the same."""

    def __init__(self, repository: OutboxRepository, sinks: Sequence[str], options: RelayOptions) -> None:
        self._repository = repository
        self._sinks = sinks
        self._keep_events = options.keep_events
        self._keep_keys = options.keep_keys

    async def run(self, stopping: asyncio.Event) -> None:
        """Delete what has become old, again and again, until stopped."""
        while not stopping.is_set():
            await self.run_once()
            with suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL_SECONDS):
                    await stopping.wait()

    async def run_once(self) -> Purged:
        """Delete all that is old now, in small batches."""
        return Purged(await self._purge_events(), await self._purge_keys())

    async def _purge_events(self) -> int:
        total, after = 0, 0
        while True:
            after, old, deleted = await self._repository.purge_events(
                self._sinks, keep=self._keep_events, after=after, limit=_BATCH
            )
            total += deleted
            if not old:
                return total
            await asyncio.sleep(_REST_SECONDS)

    async def _purge_keys(self) -> int:
        total = 0
        while deleted := await self._repository.purge_keys(keep=self._keep_keys, limit=_BATCH):
            total += deleted
            await asyncio.sleep(_REST_SECONDS)
        return total
