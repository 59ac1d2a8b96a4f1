"""Which of several relays works, what wakes it, and what it does when something goes away."""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, Self

import asyncpg
import pytest

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.core.sink import Away, Message, Outcome
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.db.migrations import up
from mainstay.kernel.db.notify import Notifier
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.db.unit import PostgresUnit
from tests.integration.kernel.relay.recording import ListSink, Log, commit

Eventually = Callable[..., Awaitable[Any]]
KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mainstay relay' "
    "AND datname = current_database()"
)
NEVER = RelayOptions(poll=3600.0)


class OwnPostgres(Protocol):
    """What the fixture `own_postgres` gives."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


async def reaches(eventually: Eventually, sink: ListSink, count: int) -> None:
    async def taken() -> bool:
        return len(sink.taken) >= count

    await eventually(taken)


async def active(eventually: Eventually, *relays: Relay) -> Relay:
    """The one that works; waits for it."""

    async def some() -> list[Relay]:
        return [relay for relay in relays if relay.is_active]

    (relay,) = await eventually(some)
    return relay  # type: ignore[no-any-return]


@asynccontextmanager
async def notifying(url: str, local: Relay | None = None) -> AsyncIterator[Database]:
    async with Database(url, pool_min=1) as database, Notifier(database, local):
        yield database


# One works


async def test_one_of_several_works_and_another_takes_over(database_url: str, log: Log, eventually: Eventually) -> None:
    sinks = [ListSink() for _ in range(3)]
    relays = [Relay(database_url, [sink], RelayOptions(poll=0.05)) for sink in sinks]
    async with AsyncExitStack() as stack:
        stops = [await stack.enter_async_context(AsyncExitStack()) for _ in relays]
        for relay, stop in zip(relays, stops, strict=True):
            await stop.enter_async_context(relay.running())
        for number in range(1, 4):
            first = await active(eventually, *relays)
            index = relays.index(first)
            await log.append("a", number)
            await reaches(eventually, sinks[index], 1)
            began = time.monotonic()
            await stops[index].aclose()
            if number < 3:
                await active(eventually, *relays)
                assert time.monotonic() - began < 3
    assert sorted(sink.versions("a")[0] for sink in sinks) == [1, 2, 3]


async def test_who_stands_by_opens_no_sink(database_url: str, eventually: Eventually) -> None:
    sinks = [ListSink(), ListSink()]
    first, second = (Relay(database_url, [sink]) for sink in sinks)
    async with first.running():
        await active(eventually, first)
        async with second.running():
            assert await second.run_once() is None
    assert [(sink.opened, sink.closed) for sink in sinks] == [(1, 1), (0, 0)]


async def test_the_lock_is_free_as_soon_as_the_relay_has_stopped(database_url: str, eventually: Eventually) -> None:
    relay = Relay(database_url, [ListSink()])
    async with relay.running():
        await active(eventually, relay)
    assert await Relay(database_url, []).run_once() is not None


async def test_a_relay_whose_session_was_ended_stops_at_once_and_begins_anew(
    database_url: str, log: Log, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """It no longer has the lock: what it would still send, another one sends too."""
    sending, go_on = asyncio.Event(), asyncio.Event()

    class Slow(ListSink):
        async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
            sending.set()
            await go_on.wait()
            return await super().publish(messages)

    await log.append("a", 1)
    sink = Slow()
    async with Relay(database_url, [sink], NEVER).running():
        await sending.wait()
        sending.clear()
        await log.session.execute(KILL)
        await asyncio.wait_for(sending.wait(), 10)  # once more, of a second session
        assert sink.taken == []
        go_on.set()
        await reaches(eventually, sink, 1)
    assert sink.versions("a") == [1]
    assert "relay: trying again" in caplog.text
    assert sink.opened == 1


# What wakes it


async def test_a_commit_wakes_the_relay_of_its_own_process(database_url: str, eventually: Eventually) -> None:
    sink = ListSink()
    relay = Relay(database_url, [sink], NEVER)
    async with relay.running():
        await active(eventually, relay)
        async with notifying(database_url, relay) as database:
            for number in range(1, 11):
                await commit(database, number)
                await reaches(eventually, sink, number)


async def test_a_commit_wakes_the_relay_of_another_process(database_url: str, eventually: Eventually) -> None:
    sink = ListSink()
    relay, standby = Relay(database_url, [sink], NEVER), Relay(database_url, [], NEVER)
    async with relay.running():
        await active(eventually, relay)
        async with notifying(database_url, standby) as database:
            for number in range(1, 11):
                await commit(database, number)
                await reaches(eventually, sink, number)


async def test_without_a_wake_up_it_looks_by_itself(database_url: str, log: Log, eventually: Eventually) -> None:
    sink = ListSink()
    relay = Relay(database_url, [sink], RelayOptions(poll=0.05))
    async with relay.running():
        await active(eventually, relay)
        await log.append("a", 1)
        await reaches(eventually, sink, 1)


async def test_commits_of_a_moment_send_one_notification(
    database_url: str, session: asyncpg.Connection, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainstay.kernel.db.notify._REST_SECONDS", 3600.0)
    heard: list[object] = []
    await session.add_listener("outbox", lambda *what: heard.append(what))

    async def is_told() -> bool:
        return bool(heard)

    async with notifying(database_url) as database:
        for number in range(1, 31):
            await commit(database, number)
        await eventually(is_told)
        await session.execute("SELECT 1")
    assert len(heard) == 1


async def test_the_last_of_many_commits_is_told_too(
    database_url: str, session: asyncpg.Connection, eventually: Eventually
) -> None:
    heard: list[object] = []
    await session.add_listener("outbox", lambda *what: heard.append(what))
    async with notifying(database_url) as database:
        await asyncio.gather(*(commit(database, number) for number in range(1, 31)))

        async def more_than_the_first() -> bool:
            return len(heard) > 1

        await eventually(more_than_the_first)


async def test_a_change_without_an_event_wakes_nobody(database_url: str) -> None:
    told: list[int] = []
    async with Database(database_url, pool_min=1) as database:
        database.share().on_events(lambda: told.append(1))
        await PostgresUnit(database).commit(Reply(200, b""), None)
        assert told == []
        await commit(database.share(), 1)
        assert told == [1]


async def test_a_notification_that_cannot_be_sent_is_let_go(
    database_url: str, session: asyncpg.Connection, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []
    await session.add_listener("outbox", lambda *heard_of: heard.append(heard_of))
    impatient = Timeouts(pool_wait=0.01, connect=5)
    async with Database(database_url, pool_min=1, pool_max=1, timeouts=impatient) as database, Notifier(database):
        async with database.connection():
            database.committed_events()
            with pytest.raises(Unavailable):
                await database.fetch_text("SELECT 1")
        await commit(database, 1)

        async def some() -> bool:
            return bool(heard)

        await eventually(some)
    gc.collect()
    assert "never retrieved" not in caplog.text


# What goes away


async def test_a_sink_that_is_away_is_left_alone_for_as_long_as_it_asks(
    database_url: str, log: Log, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, float | None]] = []

    def away(failures: int, retry_after: float | None = None) -> float:
        asked.append((failures, retry_after))
        return 0.01

    monkeypatch.setattr("mainstay.kernel.db.relay.backoff.away", away)
    answers: list[Outcome] = [Away("x"), Away("x", retry_after=7.0), None, Away("x")]
    sink = ListSink(answer=lambda _: answers.pop(0) if answers else None)
    other = ListSink("other")
    async with Relay(database_url, [sink, other], RelayOptions(poll=0.05)).running():
        await log.append("a", 1)
        await reaches(eventually, sink, 1)
        await log.append("a", 2)
        await reaches(eventually, sink, 2)
        await reaches(eventually, other, 2)
    assert asked == [(1, None), (2, 7.0), (1, None)]


async def test_a_sink_that_hangs_holds_up_no_other_and_not_the_stop(
    database_url: str, log: Log, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(ListSink):
        async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
            await asyncio.Event().wait()
            return []

    monkeypatch.setattr("mainstay.kernel.db.relay.relay._WAVE_SECONDS", 0.1)
    hanging, sound = Hanging("hanging"), ListSink("sound")
    async with Relay(database_url, [hanging, sound], RelayOptions(poll=0.05)).running():
        for number in (1, 2, 3):
            await log.append("a", number)
            await reaches(eventually, sound, number)
    assert await log.positions() == {"hanging": 0, "sound": 3}
    assert hanging.closed == 1


async def test_a_wave_that_is_being_taken_is_waited_for(
    database_url: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = asyncio.Event()

    class Slow(ListSink):
        async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
            sending.set()
            await asyncio.sleep(0.2)
            return await super().publish(messages)

    monkeypatch.setattr("mainstay.kernel.db.relay.relay._STOP_SECONDS", 0.01)
    await log.append("a", 1, 2)
    sink = Slow()
    async with Relay(database_url, [sink]).running():
        await sending.wait()
    assert sink.versions("a") == [1]
    assert await log.positions() == {"list": 1}


async def test_stopping_in_the_middle_of_a_batch_keeps_what_was_taken(
    database_url: str, log: Log, relay_once: Callable[..., Any]
) -> None:
    sink = ListSink()
    relay = Relay(database_url, [sink], RelayOptions(poll=0.05))

    def third(message: Message) -> None:
        if len(sink.taken) == 2 and message.aggregate_id == "a":
            relay.stop()

    sink.answer = third
    for number in range(1, 50):
        await log.append("a", number)
        await log.append("b", number)
    await asyncio.wait_for(relay.run(), 10)
    assert len(sink.taken) == 4  # that wave to its end, and no more
    assert await log.deliveries() == []
    await relay_once(sink)
    assert sorted(sink.seen) == [(aggregate, number) for aggregate in "ab" for number in range(1, 50)]
    assert all(sink.versions(aggregate) == list(range(1, 50)) for aggregate in "ab")


async def test_a_sink_that_cannot_be_opened_is_said_and_tried_again(
    database_url: str, log: Log, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    class Misfit(ListSink):
        async def __aenter__(self) -> Self:
            await super().__aenter__()
            if self.opened == 1:
                raise RuntimeError("no such broker")
            return self

    await log.append("a", 1)
    sink = Misfit()
    async with Relay(database_url, [sink]).running():
        await reaches(eventually, sink, 1)
    assert "no such broker" in caplog.text


async def test_a_database_that_is_not_migrated_is_waited_for(
    empty_database_url: str, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    async def said() -> bool:
        return "outbox_sinks" in caplog.text

    async with Relay(empty_database_url, [ListSink()]).running():
        await eventually(said)


async def test_postgresql_away_and_back_again_costs_nothing_but_time(
    own_postgres: OwnPostgres, eventually: Eventually
) -> None:
    await up(own_postgres.url)
    sink = ListSink()
    relay = Relay(own_postgres.url, [sink], RelayOptions(poll=0.05))
    async with relay.running():
        await active(eventually, relay)
        for number in (1, 2):
            session = await asyncpg.connect(own_postgres.url)
            await Log(session).append("a", number)
            await session.close()
            own_postgres.stop()
            own_postgres.start()
        await reaches(eventually, sink, 2)
    assert list(dict.fromkeys(sink.versions("a"))) == [1, 2]


async def test_a_server_that_answers_nothing_does_not_hold_up_the_stop(
    own_postgres: OwnPostgres, eventually: Eventually
) -> None:
    await up(own_postgres.url)
    relay = Relay(own_postgres.url, [ListSink()], RelayOptions(poll=0.01))
    async with asyncio.timeout(20):
        async with relay.running():
            await active(eventually, relay)
            own_postgres.freeze()
            began = time.monotonic()
        assert time.monotonic() - began < 5
    own_postgres.thaw()
