"""Statements and transactions: what is sent, what comes back, and what becomes of errors."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    any_,
    bindparam,
    func,
    insert,
    select,
    update,
)

from mainstay.kernel.core.errors import NotFound, Unavailable
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.lease import Connection
from mainstay.kernel.db.statements import Statement

THINGS = Table(
    "toy_things",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("name", Text),
    Column("weight", Integer),
)
ADD = Statement(insert(THINGS).values(id=bindparam("id"), name=bindparam("name")))
GET = Statement(select(THINGS).where(THINGS.c.id == bindparam("id")))
ALL = Statement(select(THINGS.c.id).order_by(THINGS.c.id))
COUNT = Statement(select(func.count()).select_from(THINGS))


@pytest.fixture
async def toy_things(session: asyncpg.Connection) -> None:
    """A table whose constraints can be violated."""
    await session.execute("CREATE TABLE toy_things (id bigint PRIMARY KEY, name text, weight int CHECK (weight > 0))")


# Statements


def test_arguments_come_in_the_order_of_the_text_whatever_the_order_they_are_named_in() -> None:
    statement = Statement(
        update(THINGS)
        .where(THINGS.c.id == bindparam("which"))
        .values(name=bindparam("new_name"), weight=bindparam("new_weight"))
    )
    assert statement.text.index("$1") < statement.text.index("$2") < statement.text.index("$3")
    assert statement.arguments({"which": 7, "new_weight": 3, "new_name": "a"}) == ["a", 3, 7]
    assert statement.size == 3


def test_a_parameter_that_stands_twice_is_sent_once() -> None:
    value: BindParameter[int] = bindparam("value")
    statement = Statement(select(THINGS).where((THINGS.c.id == value) | (THINGS.c.weight == value)))
    assert statement.arguments({"value": 1}) == [1]


def test_what_is_not_in_the_statement_is_passed_over() -> None:
    assert GET.arguments({"id": 1, "other": 2}) == [1]


def test_a_missing_value_is_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError, match="name"):
        ADD.arguments({"id": 1})


@pytest.mark.parametrize("constant", ["plain", "", 0, False, None])
def test_constants_of_the_statement_are_sent_along(constant: object) -> None:
    statement = Statement(select(THINGS).where(THINGS.c.id == bindparam("id"), bindparam("x", constant).is_not(None)))
    assert statement.arguments({"id": 1}) == [1, constant]


def test_null_can_be_written_as_a_constant() -> None:
    statement = Statement(update(THINGS).where(THINGS.c.id == bindparam("which")).values(name=None))
    assert statement.arguments({"which": 1}) == [None, 1]


def test_a_list_whose_length_is_in_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="any_"):
        Statement(select(THINGS).where(THINGS.c.id.in_(bindparam("ids", expanding=True))))


async def test_a_list_is_one_parameter(database: Database, toy_things: None) -> None:
    for number in range(4):
        await database.fetch_one(ADD, {"id": number, "name": None})
    some = Statement(select(THINGS.c.id).where(THINGS.c.id == any_(bindparam("ids"))).order_by(THINGS.c.id))
    assert [row[0] for row in await database.fetch_all(some, {"ids": [3, 1, 9]})] == [1, 3]
    assert await database.fetch_all(some, {"ids": []}) == []


# What comes back


async def test_rows_come_back_as_they_are(database: Database, toy_things: None) -> None:
    await database.fetch_one(ADD, {"id": 1, "name": "one"})
    await database.fetch_one(ADD, {"id": 2, "name": None})
    assert tuple(await database.fetch_one(GET, {"id": 1}) or ()) == (1, "one", None)
    assert [tuple(row) for row in await database.fetch_all(ALL, {})] == [(1,), (2,)]
    assert await database.fetch_value(COUNT) == 2
    assert await database.fetch_text("SELECT $1::text", ["text"]) == "text"


async def test_no_row_is_none_or_an_empty_list(database: Database, toy_things: None) -> None:
    assert await database.fetch_one(GET, {"id": 1}) is None
    assert await database.fetch_all(ALL, {}) == []
    assert await database.fetch_value(GET, {"id": 1}) is None


async def test_sessions_are_in_utc_and_say_whose_they_are(database: Database) -> None:
    assert await database.fetch_text("SHOW timezone") == "UTC"
    assert await database.fetch_text("SHOW application_name") == "mainstay"


async def test_each_statement_is_its_own_transaction(database: Database, session: asyncpg.Connection) -> None:
    first, second = [await database.fetch_text("SELECT pg_current_xact_id()::text::bigint") for _ in range(2)]
    assert second > first
    states = await session.fetch("SELECT state FROM pg_stat_activity WHERE application_name = 'mainstay'")
    assert "idle in transaction" not in {row[0] for row in states}


# Transactions


async def test_a_transaction_commits_all_its_statements(
    database: Database, session: asyncpg.Connection, toy_things: None
) -> None:
    async with database.transaction() as connection:
        await connection.fetch_one(ADD, {"id": 1, "name": "a"})
        await connection.fetch_one(ADD, {"id": 2, "name": "b"})
        assert await connection.fetch_value(COUNT, {}) == 2
        assert await session.fetchval("SELECT count(*) FROM toy_things") == 0
    assert await session.fetchval("SELECT count(*) FROM toy_things") == 2


@pytest.mark.parametrize("error", [NotFound(), RuntimeError(), asyncio.CancelledError()])
async def test_an_error_in_a_transaction_rolls_it_back(
    database: Database, toy_things: None, error: BaseException
) -> None:
    async def write_and_fail() -> None:
        async with database.transaction() as connection:
            await connection.fetch_one(ADD, {"id": 1, "name": "a"})
            raise error

    with pytest.raises(type(error)):
        await write_and_fail()
    assert await database.fetch_value(COUNT) == 0


async def test_a_violation_in_a_transaction_rolls_it_back(database: Database, toy_things: None) -> None:
    async def write_twice() -> None:
        async with database.transaction() as connection:
            await connection.fetch_one(ADD, {"id": 1, "name": "a"})
            await connection.fetch_one(ADD, {"id": 1, "name": "b"})

    with pytest.raises(asyncpg.UniqueViolationError):
        await write_twice()
    assert await database.fetch_value(COUNT) == 0


async def test_a_connection_that_dies_in_a_transaction_is_unavailable(
    database: Database, session: asyncpg.Connection, toy_things: None
) -> None:
    async def between_statements() -> None:
        async with database.transaction() as connection:
            await connection.fetch_one(ADD, {"id": 1, "name": "a"})
            await session.execute("SELECT pg_terminate_backend($1)", connection.driver.get_server_pid())
            await connection.fetch_one(ADD, {"id": 2, "name": "b"})

    with pytest.raises(Unavailable):
        await between_statements()
    assert await database.fetch_value(COUNT) == 0


def closed(connection: Connection) -> Callable[[], Awaitable[bool]]:
    async def closed() -> bool:
        return bool(connection.driver.is_closed())

    return closed


async def test_a_transaction_that_idles_is_ended_by_the_server(
    database: Database, toy_things: None, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async def idle() -> None:
        async with database.transaction() as connection:
            await connection.fetch_one(ADD, {"id": 1, "name": "a"})
            await eventually(closed(connection))
            await connection.fetch_one(ADD, {"id": 2, "name": "b"})

    with pytest.raises(Unavailable):
        await idle()
    assert await database.fetch_value(COUNT) == 0


async def test_one_of_two_transactions_that_wait_for_each_other_is_unavailable(
    database: Database, session: asyncpg.Connection, toy_things: None
) -> None:
    await session.execute("INSERT INTO toy_things VALUES (1), (2)")
    await session.execute(
        f"ALTER DATABASE {database_of(session)} SET deadlock_timeout = '20ms'"  # else our lock_timeout is first
    )
    lock = Statement(select(THINGS.c.id).where(THINGS.c.id == bindparam("id")).with_for_update())
    both_hold_one = asyncio.Barrier(2)

    async def lock_both(first: int, second: int) -> None:
        async with database.transaction() as connection:
            await connection.fetch_one(lock, {"id": first})
            await both_hold_one.wait()
            await connection.fetch_one(lock, {"id": second})

    await database._idle.close()  # the next connections have the new setting
    ended = await asyncio.gather(lock_both(1, 2), lock_both(2, 1), return_exceptions=True)
    assert {type(end) for end in ended} <= {type(None), Unavailable}
    failed = [end for end in ended if isinstance(end, Unavailable)]
    assert len(failed) == 1
    assert isinstance(failed[0].original_error, asyncpg.DeadlockDetectedError)


def database_of(session: asyncpg.Connection) -> str:
    """The name of the database that a session is in."""
    name: str = session._params.database
    return name


# Errors


async def test_a_statement_that_takes_too_long_is_unavailable(database: Database) -> None:
    with pytest.raises(Unavailable) as raised:
        await database.fetch_text("SELECT pg_sleep(10)")
    assert isinstance(raised.value.original_error, asyncpg.QueryCanceledError)


async def test_a_lock_that_takes_too_long_is_unavailable(
    database: Database, session: asyncpg.Connection, toy_things: None
) -> None:
    async with session.transaction():
        await session.execute("LOCK TABLE toy_things")
        with pytest.raises(Unavailable) as raised:
            await database.fetch_all(ALL, {})
    assert isinstance(raised.value.original_error, asyncpg.LockNotAvailableError)
    assert await database.fetch_all(ALL, {}) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT 1 / 0", asyncpg.DivisionByZeroError),
        ("SELECT nothing FROM nowhere", asyncpg.UndefinedTableError),
        ("SELEC 1", asyncpg.PostgresSyntaxError),
        ("INSERT INTO toy_things VALUES (1, NULL, -1)", asyncpg.CheckViolationError),
        ("SELECT pg_sleep(10)", Unavailable),
    ],
)
async def test_a_statement_that_fails_leaves_its_connection_sound(
    database: Database, toy_things: None, text: str, error: type[Exception]
) -> None:
    before = await database.fetch_text("SELECT pg_backend_pid()")
    with pytest.raises(error):
        await database.fetch_text(text)
    assert await database.fetch_text("SELECT pg_backend_pid()") == before


@pytest.mark.parametrize("value", [2**63, "seven", object()])
async def test_a_value_that_is_not_of_the_parameters_type_is_our_fault_not_the_databases(
    database: Database, toy_things: None, value: object
) -> None:
    before = await database.fetch_text("SELECT pg_backend_pid()")
    with pytest.raises(asyncpg.DataError, match="invalid input"):
        await database.fetch_one(GET, {"id": value})
    assert await database.fetch_text("SELECT pg_backend_pid()") == before


@pytest.mark.parametrize(
    ("sqlstate", "meaning"),
    [
        ("08006", "connection failure"),
        ("25006", "read-only: the server has become a standby"),
        ("40001", "a standby cancels what stands in the way of replication"),
        ("40P01", "deadlock"),
        ("53100", "disk full"),
        ("53200", "out of memory"),
        ("53300", "too many connections"),
        ("55P03", "lock not available"),
        ("57014", "cancelled, such as by statement_timeout"),
        ("57P01", "shut down by its administrator"),
        ("57P03", "starting up"),
        ("58030", "I/O error"),
    ],
)
async def test_what_a_retry_may_mend_is_unavailable(database: Database, sqlstate: str, meaning: str) -> None:
    with pytest.raises(Unavailable) as raised:
        await database.fetch_text(f"DO $$BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{sqlstate}'; END$$")
    assert getattr(raised.value.original_error, "sqlstate", None) == sqlstate, meaning


async def test_a_table_that_changes_its_shape_is_no_trouble_to_prepared_statements(
    database: Database, session: asyncpg.Connection, toy_things: None
) -> None:
    await database.fetch_one(ADD, {"id": 1, "name": "a"})
    everything = "SELECT to_jsonb(toy_things) FROM toy_things"
    await database.fetch_text(everything)
    await session.execute("ALTER TABLE toy_things ADD COLUMN colour text")
    await session.execute("ALTER TABLE toy_things ALTER COLUMN weight TYPE bigint")
    assert "colour" in await database.fetch_text(everything)
    assert tuple(await database.fetch_one(GET, {"id": 1}) or ()) == (1, "a", None)


async def test_the_pool_opens_its_first_connections_at_the_start(
    database_url: str, session: asyncpg.Connection, eventually: Callable[..., Awaitable[Any]]
) -> None:
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mainstay' AND datname = current_database()"
    async with Database(database_url, pool_min=3, pool_max=5):
        assert await session.fetchval(ours) == 3

    async def gone() -> bool:
        return bool(await session.fetchval(ours) == 0)

    await eventually(gone)
