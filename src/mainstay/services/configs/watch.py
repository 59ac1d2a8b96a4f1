"""Waiting for a resource to change: one connection hears of the changes, one read shows each of them to everybody.

A waiter holds neither a connection nor a thread, and while nothing changes it costs no query.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.core.etag import TagList
from mainstay.services.configs.domain import Representation
from mainstay.services.configs.driver import Connection, connect, is_away
from mainstay.services.configs.repository import CHANNEL

logger = logging.getLogger(__name__)

Read = Callable[[str], Awaitable[Representation]]

APPLICATION_NAME = "mainstay configs watch"
"""Of the session that listens, in pg_stat_activity."""
LOOK_SECONDS = 1.8
"""A waiter's first look takes this long at most; then it is told that the database cannot answer."""
RETRY_SECONDS = 1.0
"""Until a read that failed is tried again, or a connection that was lost: with jitter, and at first sooner."""


class Watch:
    """Those who wait for resources of one kind, by the resources' ids."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._watched: dict[str, _Watched] = {}
        self._hears = False
        self._ended = False

    async def changed(self, resource_id: str, known: TagList, seconds: float) -> Representation:
        """The resource as soon as it is none of the `known`, or as it is at the end of the time.

        Raises what the first look at it does, and Unavailable where that takes too long.
        """
        until = asyncio.get_running_loop().time() + seconds
        watched = self._watched.get(resource_id)
        if watched is None:
            watched = self._watched[resource_id] = _Watched(resource_id, self._read)
        watched.waiters += 1  # before the look: a change that comes after it is heard of
        try:
            if not (self._hears and watched.is_among(known)):
                await watched.look()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    while watched.is_among(known) and not self._ended:
                        await watched.shown()
            return watched.latest
        finally:
            watched.waiters -= 1
            if not watched.waiters:
                del self._watched[resource_id]
                watched.close()

    def heard(self, resource_id: str) -> None:
        """Look at it again: it may have changed."""
        if watched := self._watched.get(resource_id):
            watched.is_stale.set()

    def connected(self) -> None:
        """Hear from now on, and look at everything again: changes may have been missed."""
        self._hears = True
        for watched in self._watched.values():
            watched.is_stale.set()

    def disconnected(self) -> None:
        """Trust nothing that was read before."""
        self._hears = False

    def end(self) -> None:
        """Send everybody home, those who come later too."""
        self._ended = True
        for watched in self._watched.values():
            watched.show()


class _Watched:
    """One resource with waiters, and the task that reads it when it may have changed."""

    latest: Representation

    def __init__(self, resource_id: str, read: Read) -> None:
        self.waiters = 0
        self.is_stale = asyncio.Event()
        self._id = resource_id
        self._read = read
        self._error: Exception | None = None
        self._begun = self._ended = 0  # number of reads
        self._shown: set[asyncio.Future[None]] = set()
        self._task = asyncio.create_task(self._follow())

    def is_among(self, known: TagList) -> bool:
        """Whether what was last read is one of these."""
        return hasattr(self, "latest") and known.names(self.latest.tag)

    async def look(self) -> None:
        """Have it read by a read that begins after this call. Raises what that does, and Unavailable in time."""
        wanted = self._begun + 1
        self.is_stale.set()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                while self._ended < wanted:
                    await self.shown()
        except TimeoutError as error:
            raise Unavailable(original_error=error) from error
        if self._error is not None:
            raise self._error

    async def shown(self) -> None:
        """Wait until somebody calls `show`."""
        future = asyncio.get_running_loop().create_future()
        self._shown.add(future)
        try:
            await future
        finally:
            self._shown.discard(future)

    def show(self) -> None:
        """Wake all waiters."""
        for future in self._shown:
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def _follow(self) -> None:
        while True:
            self.is_stale.clear()
            self._begun += 1
            try:
                self.latest = await self._read(self._id)
                self._error = None
            except Exception as error:  # noqa: BLE001 - whoever looks is told; whoever waits already goes on waiting
                self._error = error
            self._ended = self._begun
            self.show()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._error else None):
                    await self.is_stale.wait()


class Listener:
    """The connection that hears of changes. Connects again when it is lost, and says so to those that are told."""

    def __init__(self, url: str, told: Sequence[Watch]) -> None:
        self._url = url
        self._told = told

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = RETRY_SECONDS / 16
        while True:
            try:
                connection = await self._connect()
                pause = RETRY_SECONDS / 16
                await self._listen(connection)
            except Exception as error:
                if not (is_away(error) or isinstance(error, Unavailable)):
                    raise
                logger.warning("watch: not listening, trying again: %s", type(error).__name__)
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter, no secret
            pause = min(2 * pause, RETRY_SECONDS)

    async def _connect(self) -> Connection:
        """In a thread. One that is made although nobody waits for it any more is closed."""
        made = asyncio.get_running_loop().run_in_executor(None, self._open)
        try:
            return await asyncio.shield(made)
        except asyncio.CancelledError:
            made.add_done_callback(_close)
            raise

    def _open(self) -> Connection:
        connection = connect(self._url, application_name=APPLICATION_NAME)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            connection.close()
            raise
        return connection

    async def _listen(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        descriptor = connection.fileno()
        loop.add_reader(descriptor, readable.set)
        try:
            for watch in self._told:
                watch.connected()
            while True:
                await readable.wait()
                readable.clear()
                self._take(connection)
        finally:
            loop.remove_reader(descriptor)
            connection.close()
            for watch in self._told:
                watch.disconnected()

    def _take(self, connection: Connection) -> None:
        connection.poll()
        while connection.notifies:
            changed = connection.notifies.pop(0).payload
            for watch in self._told:
                watch.heard(changed)


def _close(made: asyncio.Future[Connection]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().close()
