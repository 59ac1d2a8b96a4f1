"""The server killed, and its PostgreSQL, while customers order.

What a customer was told stands, with its event; nothing stands by halves; a retry gets the order that there is already;
and every event reaches Redis, the events of each order one after another.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainstay.kernel.db.embedded import EmbeddedPostgres
from tests.faults.customers import Ledger, Shop, assert_one_for_each_key, assert_whole, ordering

if TYPE_CHECKING:
    from tests.conftest import ServerProcess
    from tests.faults.stream import Stream
    from tests.integration.kernel.sinks.conftest import Broker

ANSWERS = 60
"""So many are waited for before a blow: by then all customers are at it, with old orders and new ones."""

Serve = Callable[..., "ServerProcess"]


@pytest.fixture
def sell(serve: Serve, redis: "Broker") -> Serve:
    """Starts a server that publishes to Redis."""
    return lambda **more: serve(SINKS="redis", REDIS_URL=f"redis://127.0.0.1:{redis.port}", **more)


async def kill_again_and_again(sell: Serve, stream: "Stream", database_url: str, rounds: int) -> None:
    shop, ledger = Shop(), Ledger()
    server = sell()
    shop.open(server.url)
    async with ordering(shop, ledger):
        for _ in range(rounds):
            await ledger.more(ANSWERS)
            shop.shut()
            server.stop(signal.SIGKILL)
            server = sell()
            await assert_whole(database_url, ledger)
            shop.open(server.url)
    assert ledger.unanswered >= rounds
    await assert_one_for_each_key(shop, database_url, ledger)
    await stream.assert_all_in_order(database_url)


async def test_a_killed_server_loses_no_order_and_no_event(sell: Serve, stream: "Stream", database_url: str) -> None:
    await kill_again_and_again(sell, stream, database_url, rounds=3)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_server_killed_fifty_times_loses_no_order_and_no_event(
    sell: Serve, stream: "Stream", database_url: str
) -> None:
    await kill_again_and_again(sell, stream, database_url, rounds=50)


class Restarted:
    """A durable PostgreSQL that comes up again after every blow."""

    def __init__(self, folder: Path) -> None:
        self._pid_file = folder / "data" / "postmaster.pid"
        self._server = EmbeddedPostgres(folder)
        self.url = self._server.start()

    def strike(self, how: int) -> None:
        """Send its postmaster a signal: SIGQUIT is what `pg_ctl stop --mode immediate` sends."""
        os.kill(int(self._pid_file.read_text().split()[0]), how)

    async def keep(self) -> None:
        """Start it again whenever it has ended."""
        await self._server.keep()

    def stop(self) -> None:
        """Stop it for good."""
        self._server.stop()


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[Restarted]:
    """Of the test's own."""
    postgres = Restarted(tmp_path / "postgres")
    keeper = asyncio.create_task(postgres.keep())
    yield postgres
    keeper.cancel()
    await asyncio.wait([keeper])
    postgres.stop()


async def restart_again_and_again(sell: Serve, stream: "Stream", postgres: Restarted, rounds: int) -> None:
    """Every second time by killing it, whereupon its sessions end one by one."""
    shop, ledger = Shop(), Ledger()
    server = sell(DATABASE_URL=postgres.url)
    shop.open(server.url)
    async with ordering(shop, ledger):
        for number in range(rounds):
            await ledger.more(ANSWERS)
            unavailable = ledger.unavailable
            postgres.strike(signal.SIGKILL if number % 2 else signal.SIGQUIT)
            await ledger.more(ANSWERS)
            assert ledger.unavailable > unavailable
            await assert_whole(postgres.url, ledger)
    assert ledger.unanswered == 0
    assert "Traceback" not in server.log
    await assert_one_for_each_key(shop, postgres.url, ledger)
    await stream.assert_all_in_order(postgres.url)


async def test_a_postgresql_restarted_under_load_costs_no_order_no_event_and_no_restart_of_the_server(
    sell: Serve, stream: "Stream", postgres: Restarted
) -> None:
    await restart_again_and_again(sell, stream, postgres, rounds=2)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_postgresql_restarted_ten_times_under_load_costs_no_order_no_event_and_no_restart_of_the_server(
    sell: Serve, stream: "Stream", postgres: Restarted
) -> None:
    await restart_again_and_again(sell, stream, postgres, rounds=10)
