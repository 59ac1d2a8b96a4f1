"""The outbox in figures: what the database knows, with a relay in whatever process."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mainstay.kernel.core.sink import Away, Gone, Message, Outcome, Refused
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.outbox_metrics import OutboxMetrics
from mainstay.kernel.db.relay import backoff
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.db.relay.session import LOCK_KEY, open_session, try_lock
from mainstay.kernel.ops.database_metrics import RelayMetrics
from tests.integration.kernel.relay.recording import ListSink, Log, version

HOUR = 3600.0
ALL = ("backlog_events", "oldest_event_age_seconds", "dead_events", "published_total", "failed_total", "dead_total")


class Look:
    """Looks at the outbox, each time anew."""

    def __init__(self, database: Database, scraped: Callable[[str], Any]) -> None:
        self._metrics = OutboxMetrics(database, kept=0)
        self._scraped = scraped

    async def __call__(self) -> Any:
        """What a scrape would show."""
        registry = CollectorRegistry()
        found = await self._metrics.look()
        registry.register(type("Found", (), {"collect": lambda _: found})())
        return self._scraped(generate_latest(registry).decode())


@pytest.fixture
async def look(database_url: str, scraped: Callable[[str], Any]) -> AsyncIterator[Look]:
    async with Database(database_url, pool_min=1, pool_max=2) as database:
        yield Look(database, scraped)


@pytest.fixture
def log(session: asyncpg.Connection) -> Log:
    return Log(session)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is not due again before a test says so."""
    monkeypatch.setattr(backoff, "refused", lambda _: HOUR)


async def relay_once(url: str, *sinks: ListSink, **options: Any) -> None:
    assert await Relay(url, sinks, RelayOptions(**options)).run_once() is not None


def figures(found: Any, sink: str = "list") -> dict[str, float | None]:
    """All but the age, which no two looks see the same."""
    return {name: found.value(f"outbox_{name}", sink=sink) for name in ALL if not name.startswith("oldest")}


def age(found: Any, sink: str = "list") -> float:
    """Of the oldest event that the sink has yet to take."""
    seconds: float = found.value("outbox_oldest_event_age_seconds", sink=sink)
    return seconds


def refuse(*versions: int) -> Callable[[Message], Outcome]:
    return lambda message: Refused("no") if version(message) in versions else None


async def make_old(log: Log, number: int, seconds: float) -> None:
    """Let an event have happened so long ago."""
    await log.session.execute(
        "UPDATE outbox SET created_at = now() - make_interval(secs => $2) WHERE aggregateversion = $1", number, seconds
    )


async def test_without_a_relay_there_is_what_nobody_has_seen(look: Look, log: Log) -> None:
    await log.append("1", 1, 2, 3)
    found = await look()
    assert found.value("outbox_unseen_events") == 3
    assert found.value("outbox_relays") == 0
    assert found.total("outbox_backlog_events") == 0  # no sink is known


async def test_what_a_sink_takes_is_counted_with_its_lag(look: Look, log: Log, database_url: str) -> None:
    await log.append("1", 1, 2)
    await log.append("2", 3)
    await make_old(log, 3, 100)
    await relay_once(database_url, ListSink())
    found = await look()
    assert found.value("outbox_unseen_events") == 0
    assert figures(found) == {
        "backlog_events": 0,
        "dead_events": 0,
        "published_total": 3,
        "failed_total": 0,
        "dead_total": 0,
    }
    assert age(found) == 0
    assert found.value("outbox_publish_lag_seconds_count", sink="list") == 3
    assert 100 <= found.value("outbox_publish_lag_seconds_sum", sink="list") < 115


async def test_an_event_that_was_sent_again_counts_once_each_time_it_is_refused(
    look: Look, log: Log, database_url: str, patience: None
) -> None:
    await log.append("1", 1, 2)
    await log.append("2", 3)
    await make_old(log, 1, 500)
    sink = ListSink(answer=refuse(1))
    await relay_once(database_url, sink)
    found = await look()
    assert figures(found) == {
        "backlog_events": 2,  # the one behind it waits too
        "dead_events": 0,
        "published_total": 1,
        "failed_total": 1,
        "dead_total": 0,
    }
    assert 500 <= age(found) < 515
    await log.make_due()
    await relay_once(database_url, sink)
    assert (await look()).value("outbox_failed_total", sink="list") == 2
    sink.answer = refuse()
    await log.make_due()
    await relay_once(database_url, sink)
    found = await look()
    assert figures(found) == {
        "backlog_events": 0,
        "dead_events": 0,
        "published_total": 3,
        "failed_total": 2,
        "dead_total": 0,
    }
    assert age(found) == 0
    assert 500 <= found.value("outbox_publish_lag_seconds_sum", sink="list") < 530


@pytest.mark.parametrize("attempts", [1, 2])
async def test_what_is_given_up_is_dead_and_no_backlog(
    look: Look, log: Log, database_url: str, patience: None, attempts: int
) -> None:
    await log.append("1", 1, 2)
    for _ in range(attempts):
        await relay_once(database_url, ListSink(answer=refuse(1)), max_attempts=attempts)
        await log.make_due()
    await relay_once(database_url, ListSink(), max_attempts=attempts)
    found = await look()
    assert figures(found) == {
        "backlog_events": 0,
        "dead_events": 1,
        "published_total": 1,
        "failed_total": attempts,
        "dead_total": 1,
    }
    assert age(found) == 0


async def test_a_sink_that_is_away_has_all_of_it_before_it(look: Look, log: Log, database_url: str) -> None:
    await relay_once(database_url, ListSink("away"), ListSink("there"))
    await log.append("1", *range(1, 8))
    await make_old(log, 1, 60)
    for _ in range(2):
        await relay_once(database_url, ListSink("away", lambda _: Away("gone")), ListSink("there"))
    await log.append("1", 8)  # nobody has seen this one
    found = await look()
    assert figures(found, "away") == dict.fromkeys(figures(found), 0) | {"backlog_events": 8}
    assert found.value("outbox_backlog_events", sink="there") == 1
    assert found.value("outbox_published_total", sink="there") == 7
    assert 60 <= age(found, "away") < 75
    assert 0 <= age(found, "there") < 15


async def test_a_sink_that_wants_no_more_still_has_a_backlog(look: Look, log: Log, database_url: str) -> None:
    await log.append("1", 1, 2)
    await relay_once(database_url, ListSink(answer=lambda _: Gone("410")))
    await relay_once(database_url, ListSink())
    assert (await look()).value("outbox_backlog_events", sink="list") == 2


async def test_a_sink_that_nobody_sends_to_any_more_is_none_until_it_is_again(
    look: Look, log: Log, database_url: str
) -> None:
    await log.append("1", 1)
    await relay_once(database_url, ListSink("old"), ListSink("kept"))
    await relay_once(database_url, ListSink("kept"))
    await log.append("1", 2)
    found = await look()
    assert found.value("outbox_backlog_events", sink="old") is None
    assert found.value("outbox_backlog_events", sink="kept") == 1
    await relay_once(database_url, ListSink("old"))
    found = await look()
    assert found.value("outbox_published_total", sink="old") == 2
    assert found.value("outbox_published_total", sink="kept") is None


async def test_a_purged_log_leaves_the_figures_as_they_are(look: Look, log: Log, database_url: str) -> None:
    await log.append("1", 1, 2)
    await relay_once(database_url, ListSink())
    await log.session.execute("DELETE FROM outbox")
    found = await look()
    assert (found.value("outbox_backlog_events", sink="list"), age(found)) == (0, 0)
    assert found.value("outbox_published_total", sink="list") == 2


async def test_the_relay_at_work_is_seen_from_everywhere(
    look: Look, database_url: str, eventually: Callable[..., Any]
) -> None:
    here, elsewhere = CollectorRegistry(), CollectorRegistry()
    async with Relay(database_url, [], metrics=RelayMetrics(here)).running():

        async def at_work() -> bool:
            return bool((await look()).value("outbox_relays") == 1 and here.get_sample_value("relay_active") == 1)

        await eventually(at_work)
        async with Relay(database_url, [], metrics=RelayMetrics(elsewhere)).running():
            assert elsewhere.get_sample_value("relay_active") == 0
            assert (await look()).value("outbox_relays") == 1
    assert here.get_sample_value("relay_active") == 0

    async def gone() -> bool:
        return bool((await look()).value("outbox_relays") == 0)

    await eventually(gone)


async def test_the_lock_of_another_database_or_another_lock_is_no_relay(
    look: Look, session: asyncpg.Connection, empty_database_url: str
) -> None:
    async with open_session(empty_database_url) as elsewhere:
        assert await try_lock(elsewhere)
        await session.execute("SELECT pg_advisory_lock($1)", LOCK_KEY + 1)
        assert (await look()).value("outbox_relays") == 0
        assert await try_lock(session)
        assert (await look()).value("outbox_relays") == 1


@pytest.mark.parametrize("trouble", ["ALTER TABLE outbox_sinks RENAME TO gone", "LOCK TABLE outbox_sinks"])
async def test_what_the_database_does_not_tell_soon_is_left_out(
    look: Look, session: asyncpg.Connection, trouble: str
) -> None:
    transaction = session.transaction()
    if trouble.startswith("LOCK"):
        await transaction.start()
    await session.execute(trouble)
    began = time.monotonic()
    assert (await look()).values == {}
    assert time.monotonic() - began < 2
    if trouble.startswith("LOCK"):
        await transaction.rollback()
        assert (await look()).value("outbox_relays") == 0


async def test_a_database_that_is_away_costs_a_scrape_little_and_is_asked_again(database_url: str) -> None:
    away = OutboxMetrics(Database("postgresql://nobody@127.0.0.1:1/nothing"), kept=0)
    for _ in range(2):
        assert await away.look() == ()


async def test_figures_are_kept_for_a_moment(database_url: str, log: Log) -> None:
    async with Database(database_url, pool_min=1) as database:
        metrics = OutboxMetrics(database, kept=HOUR)
        found = await metrics.look()
        await log.append("1", 1)
        assert await metrics.look() is found
        assert await OutboxMetrics(database, kept=HOUR).look() != found
