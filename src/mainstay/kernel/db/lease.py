"""Connections on loan: each in its turn, for as long as it is sound."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.statements import Statement, Values
from mainstay.kernel.ops.database_metrics import Observer, PoolMetrics

Row = Sequence[Any]

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


class Turns:
    """How many may go on at once; the others wait, first come, first served.

    `asyncio.Semaphore` looks at its waiters at each step, which costs three times as much where there are none.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a turn, if one is free: then nobody waits, as what is given back goes to who does."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """Take a turn when it comes."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came at that very moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """To the first who still waits, else to whoever comes."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What connections are lent on."""

    connect: Callable[[], Awaitable[asyncpg.Connection]]
    idle: Idle
    turns: Sequence[Turns]
    """All of which a caller needs: one of its service's share, and one of the pool."""
    wait: float
    """Seconds for them to come."""
    pool: PoolMetrics
    seconds: Observer
    """Takes for how long each was lent."""


class Lease:
    """A connection on loan: waits its turn, gives back what is sound, throws away what may not be."""

    __slots__ = ("_began", "_driver", "_terms")

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    async def __aenter__(self) -> Connection:
        """Take a connection out of the pool. Raises Unavailable after the pool wait, or where none can be made."""
        if not self._take_turns():
            await self._wait_for_turns()
        try:
            self._driver = self._terms.idle.take() or await self._terms.connect()
        except BaseException as error:
            _give_back(self._terms.turns)
            _raise_unavailable(error)
            raise
        self._terms.pool.in_use.inc()
        self._began = time.perf_counter()
        return Connection(self._driver)

    def _take_turns(self) -> bool:
        """All of them, or none."""
        for number, turns in enumerate(self._terms.turns):
            if not turns.take():
                _give_back(self._terms.turns[:number])
                return False
        return True

    async def _wait_for_turns(self) -> None:
        taken = 0
        self._terms.pool.waiting.inc()
        try:
            async with asyncio.timeout(self._terms.wait):
                for turns in self._terms.turns:
                    await turns.wait()
                    taken += 1
        except BaseException as error:
            _give_back(self._terms.turns[:taken])
            if isinstance(error, TimeoutError):
                self._terms.pool.refused.inc()
                raise Unavailable("All database connections are busy; please try again.") from error
            raise
        finally:
            self._terms.pool.waiting.dec()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Give the connection back. Raises Unavailable in place of the driver's word for it."""
        self._terms.seconds.observe(time.perf_counter() - self._began)
        self._terms.pool.in_use.dec()
        if isinstance(error, _BROKEN):
            self._driver.terminate()
        else:
            self._terms.idle.give_back(self._driver)
        _give_back(self._terms.turns)
        _raise_unavailable(error)


def _give_back(taken: Sequence[Turns]) -> None:
    for turns in taken:
        turns.give_back()


def _raise_unavailable(error: BaseException | None) -> None:
    if isinstance(error, _AWAY):
        raise Unavailable(original_error=error) from error
