import socket

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.pool import PoolError

from mainstay.kernel.core.errors import Unavailable
from mainstay.services.configs.driver import connect, is_away


def of_server(code: str) -> psycopg2.Error:
    """The error that psycopg2 makes of the server's code."""
    error = errors.lookup(code)("said the server")
    error.__setstate__({"pgcode": code})  # type: ignore[no-untyped-call]
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError("no descriptor left"),
        TimeoutError(),
        psycopg2.OperationalError("server closed the connection unexpectedly"),
        psycopg2.InterfaceError("connection already closed"),
        psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message from the libpq"),
        PoolError("connection pool is closed"),
        of_server("08006"),
        of_server("25006"),  # read-only: a standby, after a fail-over
        of_server("25P03"),  # idle in a transaction for too long
        of_server("40P01"),
        of_server("53300"),  # too many connections
        of_server("55P03"),  # a lock was not to be had in time
        of_server("57014"),  # the statement took too long
        of_server("57P01"),  # shut down by an administrator
        of_server("57P03"),  # starting up
        of_server("58030"),
    ],
    ids=repr,
)
def test_the_same_may_work_later(error: BaseException) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("A string literal cannot contain NUL (0x00) characters."),
        psycopg2.ProgrammingError("can't adapt type 'object'"),
        psycopg2.errors.UniqueViolation("without a code"),
        of_server("23505"),
        of_server("23503"),
        of_server("22001"),
        of_server("42P01"),
        of_server("54000"),  # a limit of PostgreSQL's: it would be met again
        of_server("55006"),
    ],
    ids=repr,
)
def test_the_same_would_go_wrong_again(error: BaseException) -> None:
    assert not is_away(error)


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter%2@h/d", "postgresql://u:hunter2@h/d?hunter2=1", "postgresql://u:hunter2@[h/d"]
)
def test_a_url_that_libpq_cannot_read_is_not_repeated(url: str) -> None:
    with pytest.raises(Unavailable) as raised:
        connect(url, application_name="test")
    assert "DATABASE_URL" in str(raised.value)
    assert "hunter" not in f"{raised.value!r} {raised.value.original_error} {raised.value.__cause__}"
    assert raised.value.__suppress_context__


def test_a_port_where_nobody_listens_is_an_error_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(psycopg2.OperationalError) as raised:
        connect(f"postgresql://u:hunter2@127.0.0.1:{port}/d", application_name="test")
    assert "hunter2" not in str(raised.value)
