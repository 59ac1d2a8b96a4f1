"""psycopg2 beside an event loop: a pool of connections, as many threads, and a fair queue before them.

A thread does all that may block: connecting, statements, commit, rollback, closing. The event loop waits for it, and
cuts the connection where that takes too long, so that the thread comes back.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import psycopg2
from prometheus_client import CollectorRegistry
from psycopg2.errors import ReadOnlySqlTransaction
from psycopg2.extensions import STATUS_READY
from psycopg2.extras import RealDictCursor
from psycopg2.pool import ThreadedConnectionPool

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Timeouts
from mainstay.kernel.ops.database_metrics import DatabaseMetrics
from mainstay.services.configs.driver import Connection, connect, is_away

P = ParamSpec("P")
T = TypeVar("T")

APPLICATION_NAME = "mainstay configs"
"""Of the pool's sessions, in pg_stat_activity."""


class Pool:
    """Lends connections for work in threads; an async context manager.

    Work is a plain function that takes a cursor, and whatever else it is given. Every call raises Unavailable where the
    database is away, overloaded or too slow, within `pool_wait` and the longer of `connect` and `statement` together.
    Violated constraints come through as psycopg2 raises them, because only the caller knows what they mean.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 10,
        timeouts: Timeouts | None = None,
        metrics: DatabaseMetrics | None = None,
        name: str = "configs",
    ) -> None:
        """`name` is what the metrics of this pool, and of its statements, are told apart by."""
        self._url = url
        self._size = size
        self._timeouts = timeouts or Timeouts()
        # A little later than the server's own time-out: only a server that does not answer at all meets it.
        self._patience = max(self._timeouts.connect, self._timeouts.statement) + 0.1
        self._slots = asyncio.Semaphore(size)  # fair; so psycopg2's pool is never asked for more than it has
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="configs")
        self._connections = _Connections(self._connect, size)
        self._returns: set[asyncio.Task[None]] = set()
        metrics = metrics or DatabaseMetrics(CollectorRegistry())
        self._metrics = metrics.pool(name, size)
        self._seconds = metrics.seconds(name)

    async def __aenter__(self) -> Self:
        """Open the first connection. Raises Unavailable where there is no database."""
        try:
            await self.run(lambda cursor: cursor.execute("SELECT 1"))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections and end the threads. What still runs after a moment is cut off."""
        try:
            async with asyncio.timeout(self._timeouts.connect):
                for _slot in range(self._size):
                    await self._slots.acquire()
        except TimeoutError:
            self._connections.cut()
        self._executor.shutdown(wait=False)
        await asyncio.to_thread(self._connections.closeall)

    async def run(self, function: Callable[Concatenate[RealDictCursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work that sends ONE text, whose statements are a transaction: one round trip, one job for a thread."""
        lease = await self._lend(autocommit=True)
        try:
            return await lease.run_alone(function, *args, **kwargs)
        finally:
            self._take_back(lease)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["Lease"]:
        """Lend a connection for a block, which is one transaction: rolled back where it raises, else committed.

        The block as a whole has the time that a statement has: do nothing else in it.
        """
        lease = await self._lend(autocommit=False)
        try:
            yield lease
            await lease.commit()
        finally:
            self._take_back(lease)

    async def _lend(self, *, autocommit: bool) -> "Lease":
        if self._slots.locked():
            await self._wait_for_slot()
        else:  # without the time-out, which costs more
            await self._slots.acquire()
        self._metrics.in_use.inc()
        deadline = asyncio.get_running_loop().time() + self._patience
        return Lease(self._connections, self._executor, deadline, autocommit=autocommit)

    async def _wait_for_slot(self) -> None:
        self._metrics.waiting.inc()
        try:
            async with asyncio.timeout(self._timeouts.pool_wait):
                await self._slots.acquire()
        except TimeoutError as error:
            self._metrics.refused.inc()
            raise Unavailable("All database connections are busy; please try again.") from error
        finally:
            self._metrics.waiting.dec()

    def _take_back(self, lease: "Lease") -> None:
        """Free the slot once its thread is free: mostly it is; a caller that failed or left does not wait for it."""
        if lease.is_over:
            self._free(lease)
            return
        task = asyncio.create_task(lease.end())
        self._returns.add(task)  # the loop alone would let it be collected
        task.add_done_callback(self._returns.discard)
        task.add_done_callback(lambda _: self._free(lease))

    def _free(self, lease: "Lease") -> None:
        self._seconds.observe(asyncio.get_running_loop().time() - lease.deadline + self._patience)
        self._metrics.in_use.dec()
        self._slots.release()

    def _connect(self) -> Connection:
        milliseconds = {
            "lock_timeout": self._timeouts.lock,
            "statement_timeout": self._timeouts.statement,
            "idle_in_transaction_session_timeout": self._timeouts.statement,
        }
        settings = {name: f"{seconds * 1000:.0f}" for name, seconds in milliseconds.items()}
        return connect(self._url, application_name=APPLICATION_NAME, timezone="UTC", **settings)


class Lease:
    """A connection on loan, with one thread to work in. Taken out of the pool by the first work, in its thread."""

    def __init__(
        self, connections: "_Connections", executor: ThreadPoolExecutor, deadline: float, *, autocommit: bool
    ) -> None:
        self._connections = connections
        self._executor = executor
        self.deadline = deadline
        """On the event loop's clock."""
        self._autocommit = autocommit
        self._connection: Connection | None = None
        self._busy = False  # its thread is
        self._freed: asyncio.Future[None] | None = None
        self._left = False

    async def run(self, function: Callable[Concatenate[RealDictCursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work inside the block's transaction. Raises Unavailable as the pool does."""
        return await self._in_thread(self._work, function, args, kwargs)

    async def run_alone(
        self, function: Callable[Concatenate[RealDictCursor, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do work without a transaction, and give the connection back at once: for the pool."""
        return await self._in_thread(self._work_alone, function, args, kwargs)

    async def commit(self) -> None:
        """End the block as it should: for the pool."""
        if self._connection is not None:
            await self._in_thread(self._commit)

    @property
    def is_over(self) -> bool:
        """Whether the connection is back and the thread free."""
        return self._connection is None and not self._busy

    async def end(self) -> None:
        """Get the connection back from a block that failed or was left; by force, where time is over. For the pool."""
        self._left = True
        await self._free_thread()
        if self._connection is not None:
            self._begin(self._give_back).cancel()  # nobody waits for the answer
            await self._free_thread()

    async def _in_thread(self, job: Callable[..., T], *args: Any) -> T:
        if self._busy:
            raise RuntimeError("a connection does one thing at a time")
        answer = self._begin(job, *args)
        timer = answer.get_loop().call_at(self.deadline, _give_up, answer)
        try:
            return await answer
        except (psycopg2.Error, OSError) as error:  # TimeoutError is one of the latter
            if is_away(error):
                raise Unavailable(original_error=error) from error
            raise
        finally:
            timer.cancel()

    def _begin(self, job: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """What the job will answer. Who waits for that may leave; the job goes on.

        `run_in_executor` with `shield` and `timeout` around it does the same, and made a read cost a quarter more.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._executor.submit(self._do, answer, job, args)
        self._busy = True
        return answer

    def _done(self, answer: asyncio.Future[T], result: T, error: BaseException | None) -> None:
        self._busy = False
        if self._freed is not None:
            self._freed.set_result(None)
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    async def _free_thread(self) -> None:
        if not self._busy:
            return
        loop = asyncio.get_running_loop()
        self._freed = loop.create_future()
        await asyncio.wait([self._freed], timeout=self.deadline - loop.time())
        if not self._freed.done() and self._connection is not None:  # one that still connects gives up by itself
            self._connection.cut()
        await self._freed
        self._freed = None

    # What follows runs in threads.

    def _do(self, answer: asyncio.Future[Any], job: Callable[..., Any], args: Any) -> None:
        result, error = None, None
        try:
            result = job(*args)
        except BaseException as raised:  # noqa: BLE001 - for whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits
            answer.get_loop().call_soon_threadsafe(self._done, answer, result, error)

    def _work(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        if self._connection is None:
            self._connection = self._connections.getconn()
            if self._connection.autocommit is not self._autocommit:  # asking is cheaper
                self._connection.autocommit = self._autocommit
        if self._left:  # it took long to connect: nobody waits for this any more
            raise TimeoutError
        try:
            with self._connection.rows() as cursor:
                return function(cursor, *args, **kwargs)
        except ReadOnlySqlTransaction:
            self._connection.close()  # there was a fail-over, it leads to a standby now
            raise

    def _work_alone(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        try:
            return self._work(function, args, kwargs)
        finally:
            self._give_back()

    def _commit(self) -> None:
        if self._connection is not None:
            self._connection.commit()
            self._give_back()

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if connection.status != STATUS_READY:  # `putconn` would roll back with the pool's lock held
                with contextlib.suppress(psycopg2.Error):
                    connection.rollback()
            self._connections.putconn(connection, close=bool(connection.closed))


def _give_up(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


class _Connections(ThreadedConnectionPool):
    """psycopg2's pool. This one hands out no dead connection, and holds no lock while it connects."""

    # What the base has, and its stubs don't name.
    _lock: threading.Lock
    _pool: list[Connection]
    _used: dict[Hashable, Connection]
    _getconn: Callable[[Hashable | None], Connection]

    def __init__(self, connect: Callable[[], Connection], size: int) -> None:
        super().__init__(0, size)
        self.minconn = size  # so many it keeps; those above the number that it began with it would close
        self._new = connect

    def getconn(self, key: Hashable | None = None) -> Connection:
        """One that is idle and sound, else a new one. Raises what psycopg2.connect does."""
        while (idle := self._idle(key)) is not None:
            if not idle.dropped:
                return idle
            self.putconn(idle, close=True)
        new = self._new()
        with self._lock:
            if self.closed:  # meanwhile; now the base raises
                new.close()
            self._pool.append(new)  # of which the last is taken first
            return self._getconn(key)

    def cut(self) -> None:
        """Cut what is lent."""
        with self._lock:
            for connection in self._used.values():
                connection.cut()

    def _idle(self, key: Hashable | None) -> Connection | None:
        with self._lock:
            return self._getconn(key) if self._pool else None
