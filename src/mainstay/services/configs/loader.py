"""Reads by id that come at the same time, answered by one query.

A query through a thread costs several times what rendering its row does, and a fleet that starts, or hears of a change,
asks for the same few rows at once. Nobody is shown less than what was committed before he asked: a query answers only
those who came before it began.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from mainstay.kernel.core.errors import Unavailable
from mainstay.services.configs.domain import Representation, Resource

Find = Callable[[Sequence[str]], Awaitable[Iterable[Resource]]]
Waiter = asyncio.Future[Representation | None]
Batch = dict[str, list[Waiter]]
"""Who waits for what, by the resource's id."""

QUERIES = 2
"""Under way at once: the second begins while the first's rows are rendered. More would be smaller ones."""
QUEUE_SECONDS = 0.2
"""The longest wait for a query to begin. With the pool's own waits it stays below two seconds."""


class Loader:
    """Reads resources of one kind."""

    def __init__(self, find: Find) -> None:
        """`find` answers with what it found of the ids, in any order."""
        self._find = find
        self._free = QUERIES
        self._batch: Batch = {}
        self._timer: asyncio.TimerHandle | None = None
        self._queries: set[asyncio.Task[None]] = set()

    async def find(self, resource_id: str) -> Representation | None:
        """The resource as it is now, if it is there. Raises Unavailable where the database does not answer in time."""
        loop = asyncio.get_running_loop()
        if not self._batch:
            loop.call_soon(self._begin)  # soon: those whose requests came in together go together
            self._timer = loop.call_later(QUEUE_SECONDS, self._give_up, self._batch)
        waiter: Waiter = loop.create_future()
        self._batch.setdefault(resource_id, []).append(waiter)
        return await waiter

    def _begin(self) -> None:
        if not self._batch or not self._free:
            return
        if self._timer is not None:
            self._timer.cancel()
        batch, self._batch = self._batch, {}
        self._free -= 1
        task = asyncio.create_task(self._answer(batch))
        self._queries.add(task)  # the loop alone would let it be collected
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._queries.discard(task)
        self._free += 1
        self._begin()

    def _give_up(self, batch: Batch) -> None:
        self._batch = {}
        _fail(batch, Unavailable("All database connections are busy; please try again."))

    async def _answer(self, batch: Batch) -> None:
        try:
            shown = {found.id: Representation.of(found) for found in await self._find(list(batch))}
        except Exception as error:  # noqa: BLE001 - for whoever asked
            _fail(batch, error)
        else:
            for resource_id, waiters in batch.items():
                for waiter in _waiting(waiters):
                    waiter.set_result(shown.get(resource_id))


def _fail(batch: Batch, error: Exception) -> None:
    for waiters in batch.values():
        for waiter in _waiting(waiters):
            waiter.set_exception(error)


def _waiting(waiters: Iterable[Waiter]) -> Iterable[Waiter]:
    """Those who have not left."""
    return (waiter for waiter in waiters if not waiter.done())
