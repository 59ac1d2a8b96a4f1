"""The session that makes a relay the one that is active."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from mainstay.kernel.db.url import driver_url

APPLICATION_NAME = "mainstay relay"
"""Of the session, in pg_stat_activity."""

LOCK_KEY = int.from_bytes(b"relaying")
"""Of the advisory lock. Any number does that nothing else here takes; this one can be recognised in pg_locks."""

CHANNEL = "outbox"
"""On which it is told of new events."""

_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 20.0  # for a thousand rows, on a disk that is busy
_CLOSE_SECONDS = 1.0

TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a session raises where PostgreSQL is away, hangs, or is not as it should be."""

_SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": f"{_STATEMENT_SECONDS:g}s",
    "idle_in_transaction_session_timeout": f"{_STATEMENT_SECONDS:g}s",
    # The tables grow a thousandfold within seconds and shrink again; no statistics keep up, and all has an index.
    "enable_seqscan": "off",
    "jit": "off",
    # The lock of a machine that went away is free after 25 s; the system's default is two hours. That of a process that
    # ended is free at once.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


@asynccontextmanager
async def open_session(url: str, application_name: str = APPLICATION_NAME) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own; the url must lead to PostgreSQL itself, as a pooler would give the lock to anybody."""
    session = await asyncpg.connect(
        driver_url(url),
        timeout=_CONNECT_SECONDS,
        command_timeout=_STATEMENT_SECONDS + 1,  # only a server that does not answer at all meets it
        server_settings={**_SETTINGS, "application_name": application_name},
    )
    try:
        yield session
        await session.close(timeout=_CLOSE_SECONDS)
    finally:
        session.terminate()  # says no good-bye: after an error nobody may be there to hear it


async def try_lock(session: asyncpg.Connection) -> bool:
    """Whether the session has the lock, which it keeps until its end."""
    return bool(await session.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY))


async def lost(session: asyncpg.Connection) -> None:
    """Wait for its end, then raise ConnectionError: somebody else may have the lock by now."""
    ended = asyncio.Event()
    session.add_termination_listener(lambda *_: ended.set())
    if not session.is_closed():
        await ended.wait()
    raise ConnectionError("the connection was lost")
