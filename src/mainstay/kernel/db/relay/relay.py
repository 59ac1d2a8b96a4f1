"""The relay's life: one of all that run is active, the others stand by; what goes wrong is tried again."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

from mainstay.kernel.core.sink import Sink
from mainstay.kernel.db.relay.delivery import Counts, SinkLoop
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.purge import Purge
from mainstay.kernel.db.relay.repository import OutboxRepository
from mainstay.kernel.db.relay.session import CHANNEL, TROUBLE, lost, open_session, try_lock
from mainstay.kernel.ops.database_metrics import RelayMetrics

logger = logging.getLogger(__name__)

_STANDBY_SECONDS = 0.5  # between two looks at the lock: a relay takes over within a second
_PACE_SECONDS = 0.005  # between two looks at the outbox: under load, more events a look and less work for the server
_RETRY_FIRST, _RETRY_LONGEST = 0.1, 5.0
_STOP_SECONDS = 0.3  # for statements: a server that hangs is not waited for
_WAVE_SECONDS = 5.0  # for a sink to take the wave at hand; one that is cut off is sent it again


class Relay:
    """Takes committed events to the sinks. Any number may run; a session's lock lets one of them work."""

    def __init__(
        self,
        url: str,
        sinks: Sequence[Sink],
        options: RelayOptions | None = None,
        metrics: RelayMetrics | None = None,
    ) -> None:
        self._url = url
        self._sinks = sinks
        self._options = options or RelayOptions()
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._loops: list[SinkLoop] = []
        self._failures = 0  # in a row, before it became active
        self._metrics = metrics or RelayMetrics(CollectorRegistry())
        self.is_active = False
        """Whether it has the lock, and hears of events by `wake` as well as by NOTIFY."""

    def wake(self) -> None:
        """There are new events."""
        self._woken.set()

    def stop(self) -> None:
        """Have `run` return after the batch at hand."""
        self._stopping.set()
        self._wake_all()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it beside a block. At the block's end it is stopped, and cut off where a sink holds it up."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self.stop()
            await asyncio.wait([task], timeout=_STOP_SECONDS)
            if any(loop.is_sending for loop in self._loops):
                await asyncio.wait([task], timeout=_WAVE_SECONDS)
            task.cancel()
            await asyncio.wait([task], timeout=_STOP_SECONDS)

    async def run(self) -> None:
        """Relay until stopped. PostgreSQL may go and come back, another relay may be active: then this one waits."""
        async with AsyncExitStack() as stack:
            unopened = list(self._sinks)
            while not self._stopping.is_set():
                try:
                    async with open_session(self._url) as session:
                        if await self._elected(session):
                            while unopened:
                                await stack.enter_async_context(unopened[0])
                                unopened.pop(0)
                            await self._lead(session)
                except TROUBLE as error:
                    logger.warning("relay: trying again: %s", str(error) or type(error).__name__)
                except Exception:
                    logger.exception("relay: trying again")
                await self._rest()

    async def run_once(self) -> Counts | None:
        """Do all that can be done now, then return what it was; None where another relay is active."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(open_session(self._url))
            if not await try_lock(session):
                return None
            for sink in self._sinks:
                await stack.enter_async_context(sink)
            repository = await self._prepare(session)
            await self._stamp(repository)
            for loop in self._loops:
                while await loop.step():
                    pass
            counts = [loop.counts for loop in self._loops]
            return Counts(
                taken=sum(each.taken for each in counts),
                refused=sum(each.refused for each in counts),
                dead=sum(each.dead for each in counts),
            )

    async def _elected(self, session: asyncpg.Connection) -> bool:
        """Wait for the lock; False where it was not got before the stop."""
        while not self._stopping.is_set():
            if await try_lock(session):
                return True
            with suppress(TimeoutError):
                async with asyncio.timeout(_STANDBY_SECONDS):
                    await self._stopping.wait()
        return False

    async def _lead(self, session: asyncpg.Connection) -> None:
        """Work until stopped. Raises what the session does: without it there is no lock."""
        repository = await self._prepare(session)
        purge = Purge(repository, [sink.name for sink in self._sinks], self._options)
        await session.add_listener(CHANNEL, lambda *_: self.wake())
        self.is_active = True
        self._metrics.active.set(1)
        self._failures = 0
        logger.info("relay: active, for %s", ", ".join(sink.name for sink in self._sinks) or "no sink")
        try:
            await _first_error(
                lost(session),
                (self._follow(repository), purge.run(self._stopping), *(loop.run() for loop in self._loops)),
            )
        finally:
            self.is_active = False
            self._metrics.active.set(0)

    async def _prepare(self, session: asyncpg.Connection) -> OutboxRepository:
        repository = OutboxRepository(session)
        await repository.register([sink.name for sink in self._sinks])
        self._loops = [SinkLoop(sink, repository, self._options, self._stopping) for sink in self._sinks]
        return repository

    async def _follow(self, repository: OutboxRepository) -> None:
        """Give new events their positions as soon as there are any."""
        while not self._stopping.is_set():
            self._woken.clear()
            await self._stamp(repository)
            await asyncio.sleep(_PACE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.poll):
                    await self._woken.wait()

    async def _stamp(self, repository: OutboxRepository) -> None:
        stamped = limit = self._options.batch
        while stamped == limit and not self._stopping.is_set():
            stamped = await repository.stamp(limit)
            if stamped:
                for loop in self._loops:
                    loop.news.set()

    def _wake_all(self) -> None:
        self._woken.set()
        for loop in self._loops:
            loop.news.set()

    async def _rest(self) -> None:
        """Wait before the next try; not where it is stopped."""
        self._failures += 1
        longest = min(_RETRY_LONGEST, _RETRY_FIRST * 2 ** min(self._failures, 10))
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(longest / 2, longest)):  # noqa: S311 - jitter, no secret
                await self._stopping.wait()


async def _first_error(watch: Coroutine[Any, Any, None], work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run the work beside the watch. Ends with the work, or with the first error of any, which it raises."""
    watcher = asyncio.ensure_future(watch)
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        left = {watcher, *tasks}
        while left != {watcher}:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in (watcher, *tasks):
            task.cancel()
        await asyncio.gather(watcher, *tasks, return_exceptions=True)  # where one fails, so do others: not to be told
