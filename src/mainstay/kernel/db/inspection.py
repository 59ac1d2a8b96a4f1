"""What an operator has to know of a database before trusting it with data, or putting other data into it."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import asyncpg

from mainstay.kernel.core.clock import now
from mainstay.kernel.db.relay.session import LOCK_KEY, TROUBLE
from mainstay.kernel.db.url import driver_url

_SECONDS = 4.0  # to connect, and for each statement

_SERVER = """
SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'),
    current_database()::text, current_user::text, current_schema()::text,
    pg_encoding_to_char(d.encoding)::text, current_setting('TimeZone'),
    pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
    least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0) - others.of_server,
        nullif(d.datconnlimit, -1) - others.of_database, nullif(r.rolconnlimit, -1) - others.of_role
    ),
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
FROM pg_database d, pg_roles r, LATERAL (
    SELECT count(*) AS of_server, count(*) FILTER (WHERE datid = d.oid) AS of_database,
        count(*) FILTER (WHERE usesysid = r.oid) AS of_role
    FROM pg_stat_activity
    WHERE datid IS NOT NULL AND pid <> pg_backend_pid()
        AND NOT (datid = d.oid AND usesysid = r.oid AND application_name LIKE 'mainstay%')
) AS others
WHERE d.datname = current_database() AND r.rolname = current_user
"""

# A table with rights on its columns alone counts as one without: the statements name all columns.
_CLOSED = """
SELECT c.relname::text FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY($1) AND CASE c.relkind
    WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE')
    ELSE NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
END
ORDER BY 1
"""

_RELAY = """
SELECT EXISTS (
    SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
        AND (l.classid::bigint << 32 | l.objid::bigint) = $1
)
"""

_RELATIONS = """
SELECT relname::text, relkind = 'S' FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'S') ORDER BY 1
"""

_PROGRAMS = """
SELECT application_name, count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'mainstay%'
GROUP BY 1 ORDER BY 1
"""


class InspectionError(Exception):
    """The database cannot be looked at; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server, and what of it this role and database have."""

    release: int
    """As in 16, of 16.14."""
    version: str
    database: str
    role: str
    schema: str | None
    """Where tables are made; None where the search path names none that is there."""
    encoding: str
    time_zone: str
    """Of a session that asked for UTC."""
    is_read_only: bool
    connections: int
    """That this program may have at once: what others, and the limits of server, database and role, leave."""
    may_create: bool
    is_encrypted: bool
    """The connection that was asked on."""


@dataclass(frozen=True, slots=True)
class Relations:
    """Names of what holds data."""

    tables: Sequence[str]
    sequences: Sequence[str]

    def among(self, names: Collection[str]) -> "Relations":
        """Those of them with one of these names."""
        return Relations(
            [name for name in self.tables if name in names], [name for name in self.sequences if name in names]
        )


@asynccontextmanager
async def open_inspection(url: str) -> AsyncIterator["Inspection"]:
    """An inspection on a session of its own. Raises InspectionError where the database is away."""
    try:
        session = await asyncpg.connect(
            driver_url(url),
            timeout=_SECONDS,
            command_timeout=_SECONDS,
            server_settings={"application_name": "mainstay inspection", "timezone": "UTC"},
        )
        try:
            yield Inspection(session)
        finally:
            session.terminate()  # says no good-bye: nobody may be there to hear it
    except TROUBLE as error:
        cause = error if str(error) else type(error).__name__
        raise InspectionError(
            f"The database cannot be used: {cause}. Check DATABASE_URL, and that PostgreSQL is running."
        ) from error


class Inspection:
    """Reads, never writes."""

    def __init__(self, session: asyncpg.Connection) -> None:
        self._session = session

    async def server(self) -> Server:
        """What this is, and what there is of it."""
        return Server(*await self._session.fetchrow(_SERVER))

    async def clock(self) -> timedelta:
        """How far the server's clock is before ours, to a few milliseconds."""
        before, begin = now(), monotonic()
        there: datetime = await self._session.fetchval("SELECT clock_timestamp()")
        return there - before - timedelta(seconds=(monotonic() - begin) / 2)

    async def closed(self, relations: Collection[str]) -> list[str]:
        """Which of these tables and sequences there are, but not for this role."""
        return [row[0] for row in await self._session.fetch(_CLOSED, list(relations))]

    async def has_relay(self) -> bool:
        """Whether a relay is at work, wherever it runs."""
        return bool(await self._session.fetchval(_RELAY, LOCK_KEY))

    async def relations(self) -> Relations:
        """The tables and sequences of the schema."""
        rows = await self._session.fetch(_RELATIONS)
        return Relations(*([name for name, is_sequence in rows if is_sequence == kind] for kind in (False, True)))

    async def filled(self, tables: Collection[str]) -> list[str]:
        """Which of these tables, which have to be there, have a row."""
        ask = "SELECT EXISTS (SELECT FROM {})"
        return [name for name in tables if await self._session.fetchval(ask.format(quoted(name)))]

    async def programs(self) -> Mapping[str, int]:
        """The sessions that this program has there, in any process, by what they are for."""
        return dict(await self._session.fetch(_PROGRAMS))


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'
