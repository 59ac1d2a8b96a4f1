"""The handle on PostgreSQL: one pool of connections, statements without BEGIN and COMMIT around them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Self
from weakref import WeakSet

import asyncpg
from prometheus_client import CollectorRegistry

from mainstay.kernel.db.lease import Connection, Idle, Lease, Row, Terms, Turns
from mainstay.kernel.db.statements import Statement, Values
from mainstay.kernel.db.url import driver_url
from mainstay.kernel.ops.database_metrics import DatabaseMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. Together they keep a request's answer under two seconds when the database does not answer.

    That is: pool_wait + connect, pool_wait + statement, and, for a write (an id is drawn first), 2 pool_wait + lock.
    """

    connect: float = 1.3
    pool_wait: float = 0.4
    lock: float = 0.9
    statement: float = 1.3


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
        self._share = max(1, pool_max - max(1, pool_max // 5))
        self._listeners: list[Callable[[], None]] = []
        self._metrics = metrics or DatabaseMetrics(CollectorRegistry())
        self._idle = Idle()
        self._terms = Terms(
            connect=self._connect,
            idle=self._idle,
            turns=(Turns(pool_max),),
            wait=self._timeouts.pool_wait,
            pool=self._metrics.pool("main", pool_max),
            seconds=self._metrics.seconds("kernel"),
        )

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
        turns, seconds = (Turns(self._share), *self._terms.turns), self._metrics.seconds(service)
        share._terms = replace(self._terms, turns=turns, seconds=seconds)  # noqa: SLF001 - its own
        return share

    async def fetch_one(self, statement: Statement, values: Values) -> Row | None:
        """The first row, if any."""
        async with self.connection() as connection:
            row: Row | None = await connection.driver.fetchrow(statement.text, *statement.arguments(values))
            return row

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

    def connection(self) -> Lease:
        """Lend a connection for a block: `async with database.connection() as connection`."""
        return Lease(self._terms)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction, for the flows that write several rows and emit no event."""
        async with self.connection() as connection, connection.driver.transaction():
            yield connection
