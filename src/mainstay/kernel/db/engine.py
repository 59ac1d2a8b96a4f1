"""The handle on PostgreSQL: one pool of connections, statements without BEGIN and COMMIT around them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self
from weakref import WeakSet

import asyncpg
from prometheus_client import CollectorRegistry

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.statements import Statement, Values
from mainstay.kernel.db.url import driver_url
from mainstay.kernel.ops.database_metrics import DatabaseMetrics, Observer, PoolMetrics

Row = Sequence[Any]
Slots = tuple[asyncio.Semaphore, ...]

# What asyncpg raises when the server cannot be reached, goes away, is overrun, or runs into one of our time-outs.
_AWAY = (
    OSError,  # includes TimeoutError and ConnectionError
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,  # a deadlock; on a standby also what replication had to cancel
    asyncpg.ReadOnlySQLTransactionError,  # after a fail-over: the old primary, now a standby
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
# After these nobody knows what state the connection is in, or it leads to the wrong server.
_BROKEN = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncio.CancelledError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. Together they keep a request's answer under two seconds when the database does not answer.

    That is: pool_wait + connect, pool_wait + statement, and, for a write (an id is drawn first), 2 pool_wait + lock.
    """

    connect: float = 1.3
    pool_wait: float = 0.4
    lock: float = 0.9
    statement: float = 1.3


class Connection:
    """A leased driver connection that runs compiled statements."""

    __slots__ = ("driver",)

    def __init__(self, driver: asyncpg.Connection) -> None:
        self.driver = driver

    async def fetch_one(self, statement: Statement, values: Values) -> Row | None:
        """The first row, if any."""
        row: Row | None = await self.driver.fetchrow(statement.text, *statement.arguments(values))
        return row

    async def fetch_all(self, statement: Statement, values: Values) -> list[Row]:
        """All rows."""
        rows: list[Row] = await self.driver.fetch(statement.text, *statement.arguments(values))
        return rows

    async def fetch_value(self, statement: Statement, values: Values) -> Any:
        """The first column of the first row."""
        return await self.driver.fetchval(statement.text, *statement.arguments(values))


class Database:
    """Runs statements, each its own transaction, on a pooled connection.

    Every call raises Unavailable where the database is away, overloaded or too slow; violated constraints come through
    as asyncpg raises them, because only the caller knows what they mean.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_min: int = 2,
        pool_max: int = 10,
        timeouts: Timeouts | None = None,
        metrics: DatabaseMetrics | None = None,
    ) -> None:
        self._url = driver_url(url)
        self._pool_min = pool_min
        self._timeouts = timeouts or Timeouts()
        self._opened: WeakSet[asyncpg.Connection] = WeakSet()
        self._idle = Idle()
        # How many connections there are at most. All are first come, first served, but for the shares: see `share`.
        self._slots: Slots = (asyncio.Semaphore(pool_max),)
        self._share = max(1, pool_max - max(1, pool_max // 5))
        self._listeners: list[Callable[[], None]] = []
        self._metrics = metrics or DatabaseMetrics(CollectorRegistry())
        self._pool_metrics = self._metrics.pool("main", pool_max)
        self._seconds = self._metrics.seconds("kernel")

    async def _connect(self) -> asyncpg.Connection:
        milliseconds = {
            "lock_timeout": self._timeouts.lock,
            "statement_timeout": self._timeouts.statement,
            "idle_in_transaction_session_timeout": self._timeouts.statement,
        }
        connection = await asyncpg.connect(
            self._url,
            timeout=self._timeouts.connect,
            # a little later than the server's own time-out: only a server that does not answer at all meets it
            command_timeout=self._timeouts.statement + 0.1,
            server_settings={
                "application_name": "mainstay",
                "timezone": "UTC",
                **{name: str(int(seconds * 1000)) for name, seconds in milliseconds.items()},
            },
        )
        self._opened.add(connection)
        return connection

    async def __aenter__(self) -> Self:
        """Open the first connections. Raises Unavailable where there is no database."""
        try:
            async with AsyncExitStack() as stack:
                for _ in range(self._pool_min):
                    await stack.enter_async_context(self.connection())
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections. A server that hangs answers no good-bye: after a moment they are cut off."""
        self._idle.is_over = True
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await self._idle.close()
        except TimeoutError:
            for connection in self._opened:
                connection.terminate()

    def on_events(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after every commit of events. It may not block: a caller waits for it."""
        self._listeners.append(listener)

    def committed_events(self) -> None:
        """Say that events were committed, as a unit does after it."""
        for listener in self._listeners:
            listener()

    def share(self, service: str = "kernel") -> Self:
        """The same pool for one service, under whose name its statements are timed.

        It may have four fifths of the connections at once, never all. A bulkhead: where a service's table is locked,
        its requests wait, each on a connection, and there is still one for the others.
        """
        share = copy(self)
        share._slots = (asyncio.Semaphore(self._share), *self._slots)  # noqa: SLF001 - its own
        share._seconds = self._metrics.seconds(service)  # noqa: SLF001 - the same
        return share

    async def fetch_one(self, statement: Statement, values: Values) -> Row | None:
        """The first row, if any."""
        async with self.connection() as connection:
            return await connection.fetch_one(statement, values)

    async def fetch_all(self, statement: Statement, values: Values) -> list[Row]:
        """All rows."""
        async with self.connection() as connection:
            return await connection.fetch_all(statement, values)

    async def fetch_value(self, statement: Statement, values: Values = MappingProxyType({})) -> Any:
        """The first column of the first row."""
        async with self.connection() as connection:
            return await connection.fetch_value(statement, values)

    async def fetch_text(self, text: str, arguments: Sequence[Any] = ()) -> Any:
        """The first column of the first row of a statement given as text with `$1, $2, …`."""
        async with self.connection() as connection:
            return await connection.driver.fetchval(text, *arguments)

    def connection(self) -> "Lease":
        """Lend a connection for a block: `async with database.connection() as connection`."""
        return Lease(
            self._idle, self._connect, self._slots, self._timeouts.pool_wait, self._pool_metrics, self._seconds
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction, for the flows that write several rows and emit no event."""
        async with self.connection() as connection, connection.driver.transaction():
            yield connection


class Idle:
    """Connections that are open and not lent; the one that came back last is lent first."""

    def __init__(self) -> None:
        self._connections: list[asyncpg.Connection] = []
        self.is_over = False

    def take(self) -> asyncpg.Connection | None:
        """One, if there is any; those that the server has closed meanwhile are dropped on the way."""
        while self._connections:
            connection = self._connections.pop()
            if not connection.is_closed():
                return connection
        return None

    def give_back(self, connection: asyncpg.Connection) -> None:
        """Keep it for the next, if there can be one."""
        if self.is_over:
            connection.terminate()
        else:
            self._connections.append(connection)

    async def close(self) -> None:
        """Say good-bye on all of them."""
        while self._connections:
            await self._connections.pop().close()


class Lease:
    """A connection on loan: waits its turn, gives back what is sound, throws away what may not be."""

    __slots__ = ("_began", "_connect", "_driver", "_idle", "_metrics", "_seconds", "_slots", "_wait")

    def __init__(  # noqa: PLR0913, PLR0917 - all that the database has, handed on
        self,
        idle: Idle,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        slots: Slots,
        wait: float,
        metrics: PoolMetrics,
        seconds: Observer,
    ) -> None:
        self._idle = idle
        self._connect = connect
        self._slots = slots
        self._wait = wait
        self._metrics = metrics
        self._seconds = seconds

    async def __aenter__(self) -> Connection:
        """Take a connection out of the pool. Raises Unavailable after the pool wait, or where none can be made."""
        if True in [slot.locked() for slot in self._slots]:  # a generator for `any` costs 1 us more
            await self._wait_for_slots()
        else:  # without the time-out, which would cost more than the rest of this function
            for slot in self._slots:
                await slot.acquire()
        try:
            self._driver = self._idle.take() or await self._connect()
        except BaseException as error:
            _release(self._slots)
            _raise_unavailable(error)
            raise
        self._metrics.in_use.inc()
        self._began = time.perf_counter()
        return Connection(self._driver)

    async def _wait_for_slots(self) -> None:
        taken: Slots = ()
        self._metrics.waiting.inc()
        try:
            async with asyncio.timeout(self._wait):
                for slot in self._slots:
                    await slot.acquire()
                    taken = (*taken, slot)
        except BaseException as error:
            _release(taken)
            if isinstance(error, TimeoutError):
                self._metrics.refused.inc()
                raise Unavailable("All database connections are busy; please try again.") from error
            raise
        finally:
            self._metrics.waiting.dec()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Give the connection back. Raises Unavailable in place of the driver's word for it."""
        self._seconds.observe(time.perf_counter() - self._began)
        self._metrics.in_use.dec()
        if isinstance(error, _BROKEN):
            self._driver.terminate()
        else:
            self._idle.give_back(self._driver)
        _release(self._slots)
        _raise_unavailable(error)


def _release(slots: Slots) -> None:
    for slot in slots:
        slot.release()


def _raise_unavailable(error: BaseException | None) -> None:
    if isinstance(error, _AWAY):
        raise Unavailable(original_error=error) from error
