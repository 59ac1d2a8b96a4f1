"""What the relay deletes, and what it keeps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from mainstay.kernel.core.sink import Refused
from mainstay.kernel.db.relay import purge
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.purge import Purge, Purged
from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.db.relay.repository import OutboxRepository
from tests.integration.kernel.relay.recording import ListSink, Log

Once = Callable[..., Any]
OPTIONS = RelayOptions(keep_events=timedelta(days=7), keep_keys=timedelta(hours=72))
KEYS = """
INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body, created_at)
SELECT '', 's', n::text, '', 200, '', now() - interval '1 hour' * n FROM generate_series(1, $1) AS n
"""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows make several."""
    monkeypatch.setattr(purge, "_BATCH", 4)
    monkeypatch.setattr(purge, "_REST_SECONDS", 0)


async def purged(session: asyncpg.Connection, *sinks: str) -> Purged:
    return await Purge(OutboxRepository(session), sinks, OPTIONS).run_once()


async def age(log: Log, *versions: int, days: float = 7.01) -> None:
    await log.session.execute(
        "UPDATE outbox SET created_at = now() - $1::interval WHERE aggregateversion = ANY($2)",
        timedelta(days=days),
        versions,
    )


async def left(log: Log) -> list[int]:
    rows = await log.session.fetch("SELECT aggregateversion FROM outbox ORDER BY seq")
    return [row[0] for row in rows]


async def test_old_events_that_every_sink_is_past_are_deleted(log: Log, relay_once: Once) -> None:
    await log.append("a", *range(1, 12))
    await age(log, *range(1, 10))
    await relay_once(ListSink("one"), ListSink("other"))
    assert await purged(log.session, "one", "other") == Purged(events=9)
    assert await left(log) == [10, 11]
    assert await purged(log.session, "one", "other") == Purged()


async def test_an_event_is_kept_for_its_time(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2)
    await age(log, 1, 2, days=6.99)
    await relay_once(ListSink())
    assert await purged(log.session, "list") == Purged()


async def test_what_a_sink_has_yet_to_see_is_kept_however_old(log: Log, relay_once: Once) -> None:
    sink = ListSink("one")
    await relay_once(sink, ListSink("other"))
    await log.append("a", 1, 2, 3)
    await age(log, 1, 2, 3)
    await relay_once(sink)
    assert await purged(log.session, "one", "other") == Purged()
    await relay_once(ListSink("other"))
    assert await purged(log.session, "one", "other") == Purged(events=3)


async def test_what_no_relay_has_seen_is_kept(log: Log) -> None:
    await log.append("a", 1)
    await age(log, 1)
    assert await purged(log.session) == Purged()


async def test_a_sink_that_is_no_longer_used_holds_up_nothing(log: Log, relay_once: Once) -> None:
    await relay_once(ListSink("former"), ListSink("one"))
    await log.append("a", 1)
    await age(log, 1)
    await relay_once(ListSink("one"))
    assert await purged(log.session, "one") == Purged(events=1)
    assert await log.positions() == {"former": 0, "one": 1}


@pytest.mark.usefixtures("patience")
async def test_nor_does_what_such_a_sink_has_refused(log: Log, relay_once: Once) -> None:
    await log.append("a", 1)
    await age(log, 1)
    await relay_once(ListSink("former", lambda _: Refused("no")), ListSink("one"))
    assert await purged(log.session, "former", "one") == Purged()
    assert await purged(log.session, "one") == Purged(events=1)
    assert await log.session.fetchval("SELECT count(*) FROM outbox_deliveries") == 0


async def test_without_a_sink_all_that_is_old_goes(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2)
    await age(log, 1)
    await relay_once()
    assert await purged(log.session) == Purged(events=1)


@pytest.mark.usefixtures("patience")
async def test_an_event_that_is_tried_again_is_kept_and_a_dead_one_goes_with_its_delivery(
    log: Log, relay_once: Once
) -> None:
    await log.append("a", 1, 2)
    await log.append("b", 3)
    await age(log, 1, 2, 3)
    sink = ListSink(answer=lambda m: Refused("no") if m.aggregate_id == "a" else None)
    await relay_once(sink)
    assert await purged(log.session, "list") == Purged(events=1)
    await log.make_due()
    await relay_once(sink, max_attempts=2)  # the first is dead, the second refused
    assert await log.deliveries() == [("a", 1, "dead", 2), ("a", 2, "waiting", 1)]
    assert await purged(log.session, "list") == Purged(events=1)
    assert await log.deliveries() == [("a", 2, "waiting", 1)]
    assert await log.session.fetchval("SELECT count(*) FROM outbox_deliveries") == 1


@pytest.mark.usefixtures("patience")
async def test_a_page_that_is_kept_whole_hides_nothing_behind_it(log: Log, relay_once: Once) -> None:
    await log.append("a", *range(1, 10))
    await log.append("b", 10, 11)
    await age(log, *range(1, 12))
    await relay_once(ListSink(answer=lambda m: Refused("no") if m.aggregate_id == "a" else None))
    assert await purged(log.session, "list") == Purged(events=2)


async def test_old_answers_to_keys_are_deleted(session: asyncpg.Connection) -> None:
    await session.execute(KEYS, 90)
    assert await purged(session) == Purged(keys=19)
    assert await session.fetchval("SELECT max(key::int) FROM idempotency_keys") == 71
    assert await purged(session) == Purged()


async def test_the_active_relay_purges(
    database_url: str, log: Log, eventually: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "_INTERVAL_SECONDS", 0.01)
    await log.session.execute(KEYS, 90)

    async def gone() -> bool:
        keys = await log.session.fetchval("SELECT count(*) FROM idempotency_keys")
        return keys == 71 and await left(log) == []

    async with Relay(database_url, [ListSink()], RelayOptions(poll=0.01)).running():
        await log.append("a", 1)
        await age(log, 1)
        await eventually(gone)


async def test_a_page_without_anything_old_ends_the_search(log: Log, relay_once: Once) -> None:
    """The log may hold millions of events that are to be kept."""
    await log.append("a", *range(1, 13))
    await age(log, 1, 2, 12)
    await relay_once(ListSink())
    assert await purged(log.session, "list") == Purged(events=2)
    assert 12 in await left(log)
