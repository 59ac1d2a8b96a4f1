"""The parts that need no server. What needs one is in tests/integration/configs."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg2.extensions import STATUS_BEGIN

from mainstay.kernel.core.errors import Unavailable
from mainstay.services.configs.pool import Lease, Pool, _Connections


class Connection:
    """Stands for one of psycopg2's."""

    def __init__(self) -> None:
        self.closed = False
        self.dropped = False
        self.was_cut = False
        self.info = self
        self.transaction_status = 0

    def close(self) -> None:
        self.closed = True

    def cut(self) -> None:
        self.was_cut = True


def connections(size: int, connect: Callable[[], Any] = Connection) -> Any:
    """psycopg2's pool, of connections of ours."""
    return _Connections(connect, size)


def test_what_comes_back_is_lent_again() -> None:
    pool = connections(2)
    first, second = pool.getconn(), pool.getconn()
    pool.putconn(first)
    pool.putconn(second)
    assert {pool.getconn(), pool.getconn()} == {first, second}
    assert not first.closed
    assert not second.closed


def test_no_dead_connection_is_lent() -> None:
    pool = connections(3)
    sound, *dead = [pool.getconn() for _ in range(3)]
    for connection in (sound, *dead):
        pool.putconn(connection)
    for connection in dead:
        connection.dropped = True
    assert pool.getconn() is sound
    assert [connection.closed for connection in dead] == [True, True]
    assert pool.getconn() not in dead


def test_where_all_are_dead_there_is_a_new_one() -> None:
    pool = connections(1)
    dead = pool.getconn()
    pool.putconn(dead)
    dead.dropped = True
    assert pool.getconn() is not dead


def test_who_connects_holds_up_nobody() -> None:
    """psycopg2's own pool keeps its lock meanwhile: a slow look-up of a name would stop all who give back."""
    slow, going = threading.Event(), threading.Event()

    def connect() -> Connection:
        if going.is_set():
            assert slow.wait(10)
        return Connection()

    pool = connections(3, connect)
    lent = pool.getconn()
    going.set()
    connecting = threading.Thread(target=pool.getconn)
    connecting.start()
    pool.putconn(lent)
    assert pool.getconn() is lent
    slow.set()
    connecting.join(10)
    assert not connecting.is_alive()


def test_who_rolls_back_holds_up_nobody() -> None:
    held: list[bool] = []

    class Slow(Connection):
        autocommit = False
        status = STATUS_BEGIN

        def rows(self) -> Any:
            raise LookupError("no rows")

        def rollback(self) -> None:
            held.append(pool._lock.locked())

    pool = connections(1, Slow)
    lease = Lease(pool, ThreadPoolExecutor(1), 0, autocommit=False)
    with pytest.raises(LookupError, match="no rows"):
        lease._work_alone(str, (), {})
    assert held == [False]


def test_what_was_made_for_a_pool_that_is_closed_is_closed() -> None:
    made: list[Connection] = []

    def connect() -> Connection:
        pool.closeall()
        made.append(Connection())
        return made[0]

    pool = connections(1, connect)
    with pytest.raises(Exception, match="closed"):
        pool.getconn()
    assert made[0].closed


def test_only_what_is_lent_is_cut() -> None:
    pool = connections(2)
    idle, lent = pool.getconn(), pool.getconn()
    pool.putconn(idle)
    pool.cut()
    assert (idle.was_cut, lent.was_cut) == (False, True)


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Where connections are taken, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"postgresql://u:hunter2@127.0.0.1:{listener.getsockname()[1]}/d?sslmode=disable"


@pytest.fixture
def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"postgresql://u:hunter2@127.0.0.1:{listener.getsockname()[1]}/d"


async def test_without_a_server_the_pool_does_not_open(closed_url: str) -> None:
    others = set(threading.enumerate())
    pool = Pool(closed_url)
    with pytest.raises(Unavailable) as raised:
        await pool.__aenter__()
    assert "hunter2" not in f"{raised.value} {raised.value.original_error}"
    await until(lambda: not any(thread.name.startswith("configs") for thread in {*threading.enumerate()} - others))


async def test_a_server_that_says_nothing_is_unavailable_in_time(silent_url: str) -> None:
    loop = asyncio.get_running_loop()
    pool = Pool(silent_url, size=2)
    started = loop.time()
    ends = await asyncio.gather(*(pool.run(str) for _ in range(20)), return_exceptions=True)
    assert loop.time() - started < 2 + 0.5  # the machine may be busy
    assert {type(end) for end in ends} == {Unavailable}
    await pool.__aexit__()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
