"""psycopg2's connections as the pool and the migrations need them."""

import os
import socket
from typing import Any

import psycopg2
from psycopg2.extensions import connection, make_dsn, parse_dsn
from psycopg2.extras import RealDictCursor
from psycopg2.pool import PoolError

from mainstay.kernel.core.errors import Unavailable

CONNECT_SECONDS = 2
"""That long libpq tries each address. It takes whole seconds, and no fewer than these."""

# Classes of SQLSTATE that say that the server cannot be reached, goes away, is overrun or had to give way, and the few
# codes of other classes that do: it is a standby now, our idle time-out, our lock time-out.
_AWAY_CLASSES = frozenset({"08", "28", "3D", "40", "53", "57", "58"})
_AWAY_CODES = frozenset({"25006", "25P03", "55P03"})


class Connection(connection):
    """A connection that another thread can look at, and cut, while one waits in it.

    It keeps a second descriptor of its socket: libpq may close its own at any moment, and the number could then be
    somebody else's. Needs Linux or macOS.
    """

    def __init__(self, dsn: str, **options: Any) -> None:
        super().__init__(dsn, **options)
        self._socket = socket.socket(fileno=os.dup(self.fileno()))

    @property
    def dropped(self) -> bool:
        """Whether an idle connection is of no use: the server says good-bye, or is gone. One system call."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:  # nothing to read, as it should be
            return False
        except OSError:
            return True
        return True

    def cut(self) -> None:
        """End what a thread waits for in this connection, which is of no use after that. Does not block."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # cut already, or by the other side
            return

    def rows(self) -> RealDictCursor:
        """A cursor whose rows are dicts."""
        return self.cursor(cursor_factory=RealDictCursor)

    def close(self) -> None:
        """Close it."""
        self._socket.close()
        super().close()


def connect(url: str, *, application_name: str, **settings: str) -> Connection:
    """A connection with the server's `settings` for its session.

    Raises psycopg2.OperationalError where there is no server, and Unavailable where libpq cannot read the url.
    """
    try:
        options = [parse_dsn(url).get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())]
        dsn = make_dsn(
            url, application_name=application_name, connect_timeout=CONNECT_SECONDS, options=" ".join(options)
        )
    except psycopg2.ProgrammingError:  # its text may hold the password
        raise Unavailable("libpq cannot read DATABASE_URL; look at its options and at what is %-encoded.") from None
    return psycopg2.connect(dsn, connection_factory=Connection)


def is_away(error: BaseException) -> bool:
    """Whether the error says that the database is away, overloaded or too slow: the same may work later."""
    if not isinstance(error, psycopg2.Error):
        return isinstance(error, OSError)
    if error.pgcode is None:  # libpq's own words, for instance that the server closed the connection; a pool is closed
        return (
            isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError, PoolError))
            or type(error) is psycopg2.DatabaseError
        )
    return error.pgcode[:2] in _AWAY_CLASSES or error.pgcode in _AWAY_CODES
