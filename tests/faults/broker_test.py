"""Redis away while customers order: they do not notice, the other sink has its events meanwhile, Redis afterwards."""

import re
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.conftest import until
from tests.faults.customers import Ledger, Shop, Version, assert_in_order, assert_whole, ordering

if TYPE_CHECKING:
    from tests.conftest import ServerProcess
    from tests.faults.stream import Stream
    from tests.integration.kernel.sinks.conftest import Broker

ANSWERS = 100
"""So many are waited for at least before Redis goes, and before it comes back."""
LINE = re.compile(r"\] (?P<type>order\.\w+) .* aggregate_id=(?P<order>\S+) .* tenant=(?P<tenant>\S+)")
VERSIONS = {"order.created": 1, "order.confirmed": 2, "order.closed": 3}
SLACK = 0.1
"""Seconds that half of the requests may take longer than usual, as other tests come and go; they take some 0.015."""
LONGEST = 2.0
"""Seconds that any request may take: a relay that holds up the event loop while it waits for Redis takes more."""


def logged(server: "ServerProcess") -> list[Version]:
    """What the sink that is always there was given, in that order."""
    return [Version(found["tenant"], found["order"], VERSIONS[found["type"]]) for found in LINE.finditer(server.log)]


async def until_logged(server: "ServerProcess", told: set[Version]) -> None:
    async def has_all() -> bool:
        return told <= set(logged(server))

    await until(has_all)


async def take_redis_away(
    server: "ServerProcess",
    stream: "Stream",
    database_url: str,
    go: Callable[[], None],
    come: Callable[[], None],
    *,
    seconds: float,
) -> None:
    """The relay looks for it less and less often, at last each half minute."""
    shop, ledger = Shop(), Ledger()
    shop.open(server.url)
    async with ordering(shop, ledger):
        await ledger.more(ANSWERS)
        usual = statistics.median(ledger.seconds)
        go()
        before, back_at = len(ledger.seconds), time.monotonic() + seconds
        while time.monotonic() < back_at:
            await ledger.more(ANSWERS)
            await until_logged(server, set(ledger.told))
        meanwhile = ledger.seconds[before:]
        come()
        await ledger.more(ANSWERS)
    assert ledger.unheard() == 0
    assert statistics.median(meanwhile) < usual + SLACK
    assert max(meanwhile) < LONGEST
    await assert_whole(database_url, ledger)
    await stream.assert_all_in_order(database_url, seconds=2 * seconds + 20)
    await until_logged(server, set(ledger.told))
    assert_in_order(logged(server))


@pytest.fixture
def server(serve: "Callable[..., ServerProcess]", redis: "Broker") -> "ServerProcess":
    """Publishes to Redis and to the log."""
    return serve(SINKS="redis,log", REDIS_URL=f"redis://127.0.0.1:{redis.port}")


async def test_nobody_notices_that_redis_is_away_for_a_moment(
    server: "ServerProcess", redis: "Broker", stream: "Stream", database_url: str
) -> None:
    await take_redis_away(server, stream, database_url, redis.kill, redis.start, seconds=1)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_nobody_notices_that_redis_is_away_for_half_a_minute(
    server: "ServerProcess", redis: "Broker", stream: "Stream", database_url: str
) -> None:
    await take_redis_away(server, stream, database_url, redis.kill, redis.start, seconds=30)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_nobody_notices_that_redis_hangs_for_half_a_minute(
    server: "ServerProcess", redis: "Broker", stream: "Stream", database_url: str
) -> None:
    await take_redis_away(server, stream, database_url, redis.freeze, redis.thaw, seconds=30)
    assert stream.duplicates  # what lay before it when it went on was sent again meanwhile
