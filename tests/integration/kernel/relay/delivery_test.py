"""What becomes of events at one sink and at several, whatever those say."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from mainstay.kernel.core.sink import Away, Gone, Message, Outcome, Refused
from mainstay.kernel.db.relay.repository import OutboxRepository
from tests.integration.kernel.relay.recording import ListSink, Log, version

Once = Callable[..., Any]


def refuses(aggregate: str, *versions: int) -> Callable[[Message], Outcome]:
    """Refuse these versions of an aggregate."""
    return lambda m: Refused("no") if m.aggregate_id == aggregate and version(m) in versions else None


async def test_events_are_taken_in_the_order_of_the_log(log: Log, relay_once: Once) -> None:
    for number in (1, 2, 3):
        for aggregate in ("a", "b"):
            await log.append(aggregate, number)
    sink = ListSink()
    counts = await relay_once(sink)
    assert sink.seen == [(aggregate, number) for number in (1, 2, 3) for aggregate in ("a", "b")]
    assert (counts.taken, counts.refused, counts.dead) == (6, 0, 0)
    assert await log.deliveries() == []
    assert (sink.opened, sink.closed) == (1, 1)


async def test_what_was_taken_is_not_sent_again(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2)
    sink = ListSink()
    await relay_once(sink)
    await log.append("a", 3)
    await relay_once(sink)
    await relay_once(sink)
    assert sink.versions("a") == [1, 2, 3]


async def test_a_log_longer_than_a_batch_is_taken_whole(log: Log, relay_once: Once) -> None:
    for aggregate in "abcde":
        await log.append(aggregate, *range(1, 12))
    sink = ListSink()
    assert (await relay_once(sink, batch=7)).taken == 55
    assert all(sink.versions(aggregate) == list(range(1, 12)) for aggregate in "abcde")


async def test_events_get_positions_in_the_order_of_their_sequence_numbers(log: Log, relay_once: Once) -> None:
    """Also where they lie in another order on the disk."""
    await log.session.execute(
        "INSERT INTO outbox (tenant_id, id, seq, aggregatetype, aggregateid, aggregateversion, "
        "type, payload, created_at) OVERRIDING SYSTEM VALUE SELECT '', gen_random_uuid(), s, 'pet', 'a', s, 'x', '{}', "
        "now() FROM generate_series(1, 3000) AS s ORDER BY md5(s::text)"
    )
    await relay_once(ListSink(), batch=700)
    rows = await log.session.fetch("SELECT seq FROM outbox ORDER BY position")
    assert [row[0] for row in rows] == list(range(1, 3001))


async def test_a_wave_has_each_aggregate_once(log: Log, relay_once: Once) -> None:
    for aggregate in "abc":
        await log.append(aggregate, 1, 2, 3, 4)
    sink = ListSink()
    await relay_once(sink)
    assert sink.waves == 4


@pytest.mark.usefixtures("patience")
async def test_tenants_and_types_are_different_aggregates(log: Log, relay_once: Once) -> None:
    other = {1: "tenant_id = tenant_id", 2: "tenant_id = 'acme'", 3: "aggregatetype = 'dog'"}
    sink = ListSink(answer=lambda m: None if m.tenant or m.aggregate_type == "dog" else Refused("no"))
    for _ in range(2):
        for number, change in other.items():
            await log.append("a", number)
            await log.session.execute(f"UPDATE outbox SET {change} WHERE aggregateversion = $1", number)
        await relay_once(sink)
    assert sink.versions("a") == [2, 3, 2, 3]
    assert await log.deliveries() == [("a", 1, "waiting", 1), ("a", 1, "held", 0)]


# Refused


@pytest.mark.usefixtures("patience")
async def test_a_refused_event_holds_back_its_aggregate_alone(log: Log, relay_once: Once) -> None:
    for number in (1, 2, 3):
        await log.append("a", number)
        await log.append("b", number)
    sink = ListSink(answer=refuses("a", 2))
    await relay_once(sink)
    await log.append("a", 4)
    await relay_once(sink)
    assert (sink.versions("a"), sink.versions("b")) == ([1], [1, 2, 3])
    assert await log.deliveries() == [("a", 2, "waiting", 1), ("a", 3, "held", 0), ("a", 4, "held", 0)]


@pytest.mark.usefixtures("patience")
async def test_it_is_tried_again_alone_and_the_rest_follows_in_order(log: Log, relay_once: Once) -> None:
    await log.append("a", *range(1, 8))
    sink = ListSink(answer=refuses("a", 1))
    await relay_once(sink, batch=3)
    await log.make_due()
    await relay_once(sink, batch=3)
    assert (await log.deliveries())[:2] == [("a", 1, "waiting", 2), ("a", 2, "held", 0)]
    assert [version(message) for message in sink.tried] == [1, 1]
    sink.answer = lambda _: None
    await log.make_due()
    await relay_once(sink, batch=3)
    assert sink.versions("a") == list(range(1, 8))
    assert await log.deliveries() == []


@pytest.mark.usefixtures("patience")
async def test_one_that_is_refused_while_it_follows_holds_back_the_rest(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2, 3, 4)
    sink = ListSink(answer=refuses("a", 1, 3))
    await relay_once(sink)
    sink.answer = refuses("a", 3)
    await log.make_due()
    await relay_once(sink)
    assert sink.versions("a") == [1, 2]
    assert await log.deliveries() == [("a", 3, "waiting", 1), ("a", 4, "held", 0)]


async def test_it_is_not_due_before_its_time(log: Log, relay_once: Once, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mainstay.kernel.db.relay.backoff.refused", lambda attempts: 100.0 * attempts)
    await log.append("a", 1)
    sink = ListSink(answer=refuses("a", 1))
    await relay_once(sink)
    await relay_once(sink)
    assert len(sink.tried) == 1
    seconds = await log.session.fetchval("SELECT extract(epoch FROM due_at - now()) FROM outbox_deliveries")
    assert 50 < seconds <= 100


async def test_after_its_last_attempt_it_is_dead_and_its_aggregate_goes_on(
    log: Log, relay_once: Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainstay.kernel.db.relay.backoff.refused", lambda _: 0.0)
    await log.append("a", 1, 2, 3)
    await log.append("b", 1)
    sink = ListSink(answer=refuses("a", 1))
    counts = await relay_once(sink, max_attempts=3)
    assert (counts.taken, counts.refused, counts.dead) == (3, 3, 1)
    assert sink.versions("a") == [2, 3]
    assert await log.deliveries() == [("a", 1, "dead", 3)]
    assert await log.session.fetchval("SELECT last_error FROM outbox_deliveries") == "no"
    await log.append("a", 4)
    await relay_once(sink, max_attempts=3)
    assert sink.versions("a") == [2, 3, 4]


async def test_with_one_attempt_alone_it_is_dead_at_once(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2, 3)
    sink = ListSink(answer=refuses("a", 1, 2))
    await relay_once(sink, max_attempts=1)
    assert sink.versions("a") == [3]
    assert await log.deliveries() == [("a", 1, "dead", 1), ("a", 2, "dead", 1)]


@pytest.mark.usefixtures("patience")
async def test_whatever_a_sink_says_can_be_kept(log: Log, relay_once: Once) -> None:
    """What the database cannot hold must not keep the relay from its work."""
    await log.append("a", 1)
    await log.append("b", 1)
    await log.append("c", 1)
    reasons = {"a": "nul \0 and half a pair \ud800", "b": "x" * 10_000, "c": ""}
    sink = ListSink(answer=lambda m: Refused(reasons[m.aggregate_id]))
    await relay_once(sink)
    rows = await log.session.fetch("SELECT last_error FROM outbox_deliveries ORDER BY position")
    assert [row[0] for row in rows] == ["nul \ufffd and half a pair ?", "x" * 500, "Refused"]


# Away


async def test_for_a_sink_that_is_away_no_row_is_touched(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2)
    await log.append("b", 1)
    sink = ListSink(answer=lambda _: Away("no route"))
    await relay_once(sink)
    assert len(sink.tried) == 2  # one wave
    assert await log.positions() == {"list": 0}
    assert await log.deliveries() == []
    sink.answer = lambda _: None
    await relay_once(sink)
    assert sink.seen == [("a", 1), ("b", 1), ("a", 2)]


async def test_what_a_sink_took_before_it_went_away_is_not_sent_again(log: Log, relay_once: Once) -> None:
    for aggregate in "abcd":
        await log.append(aggregate, 1, 2)
    sink = ListSink(answer=lambda m: Away("busy") if m.aggregate_id in "bd" else None)
    await relay_once(sink)
    assert sink.seen == [("a", 1), ("c", 1)]
    assert await log.deliveries() == [("a", 2, "waiting", 0), ("b", 1, "waiting", 0), ("b", 2, "held", 0)]
    sink.answer = lambda _: None
    await relay_once(sink)
    assert sorted(sink.seen) == [(aggregate, number) for aggregate in "abcd" for number in (1, 2)]
    assert all(sink.versions(aggregate) == [1, 2] for aggregate in "abcd")
    assert await log.deliveries() == []


@pytest.mark.usefixtures("patience")
async def test_one_that_goes_away_while_something_is_tried_again_counts_no_attempt(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2, 3)
    sink = ListSink(answer=refuses("a", 1))
    await relay_once(sink)
    await log.make_due()
    sink.answer = lambda m: Away("busy") if version(m) == 2 else None
    await relay_once(sink)
    assert await log.deliveries() == [("a", 2, "waiting", 0), ("a", 3, "held", 0)]
    sink.answer = lambda _: None
    await relay_once(sink)
    assert sink.versions("a") == [1, 2, 3]


@pytest.mark.parametrize("wrong", ["raises", "says too little"])
async def test_a_sink_whose_code_fails_is_away(
    log: Log, relay_once: Once, wrong: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def publish(messages: list[Message]) -> list[Outcome]:
        if wrong == "raises":
            raise ZeroDivisionError
        return [None] * (len(messages) + 1)

    await log.append("a", 1, 2)
    broken, sound = ListSink("broken"), ListSink("sound")
    with monkeypatch.context() as patched:
        patched.setattr(broken, "publish", publish)
        await relay_once(broken, sound)
    assert sound.versions("a") == [1, 2]
    assert await log.positions() == {"broken": 0, "sound": 2}
    assert "sink broken failed" in caplog.text
    assert "Traceback" in caplog.text
    await relay_once(broken, sound)
    assert broken.versions("a") == [1, 2]


# Gone


async def test_a_sink_that_is_gone_is_sent_nothing_more(
    log: Log, relay_once: Once, caplog: pytest.LogCaptureFixture
) -> None:
    await log.append("a", 1)
    await log.append("b", 1, 2)
    gone, other = ListSink("gone", lambda m: Gone("410") if m.aggregate_id == "b" else None), ListSink("other")
    await relay_once(gone, other)
    gone.answer = lambda _: None
    await relay_once(gone, other)
    assert gone.seen == [("a", 1)]
    assert sorted(other.seen) == [("a", 1), ("b", 1), ("b", 2)]
    disabled = await log.session.fetch("SELECT sink, last_error FROM outbox_sinks WHERE disabled_at IS NOT NULL")
    assert [tuple(row) for row in disabled] == [("gone", "410")]
    assert "gone wants no more events: 410" in caplog.text
    await log.session.execute("UPDATE outbox_sinks SET disabled_at = NULL")
    await relay_once(gone, other)
    assert gone.seen == [("a", 1), ("b", 1), ("b", 2)]


# Several sinks


@pytest.mark.usefixtures("patience")
async def test_each_sink_has_its_own_progress(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2)
    away, refusing, taking = ListSink("away", lambda _: Away("x")), ListSink("no", refuses("a", 1)), ListSink("yes")
    await relay_once(away, refusing, taking)
    assert (away.taken, refusing.taken, taking.versions("a")) == ([], [], [1, 2])
    assert await log.positions() == {"away": 0, "no": 2, "yes": 2}
    away.answer = refusing.answer = lambda _: None
    await log.make_due()
    await relay_once(away, refusing, taking)
    assert away.versions("a") == refusing.versions("a") == taking.versions("a") == [1, 2]


async def test_a_sink_added_later_begins_where_the_others_are(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2)
    await relay_once(ListSink("first"), ListSink("behind", lambda _: Away("x")))
    await log.append("a", 3)
    late = ListSink("late")
    await relay_once(late)
    assert late.versions("a") == [3]


async def test_the_first_sink_of_all_gets_what_is_there(log: Log, relay_once: Once) -> None:
    await log.append("a", 1, 2)
    await relay_once()
    sink = ListSink()
    await relay_once(sink)
    assert sink.versions("a") == [1, 2]


# The envelope


async def test_an_event_is_the_same_to_the_byte_at_every_delivery_and_for_every_sink(
    log: Log, relay_once: Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainstay.kernel.db.relay.backoff.refused", lambda _: 0.0)
    await log.append("a", 1)
    await log.session.execute("""UPDATE outbox SET payload = '{"b": [1.50, "ü"], "a": null}', request_id = 'r-1'""")
    one, other = ListSink("one", lambda _: Refused("no")), ListSink("other")
    await relay_once(one, other, max_attempts=3)
    assert len(one.tried) == 3
    (body,) = {message.body for message in [*one.tried, *other.taken]}
    event = orjson.loads(body)
    assert event["data"] == {"b": [1.5, "ü"], "a": None}
    assert b'"data":{"a": null, "b": [1.50, "\xc3\xbc"]}' in body
    assert (event["requestid"], event["sequence"]) == ("r-1", "0000000000000000001")


# Many


async def test_a_backlog_of_twenty_thousand_is_taken_whole(log: Log, relay_once: Once) -> None:
    await log.session.execute(
        "INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at) "
        "SELECT '', gen_random_uuid(), 'pet', n % 50, n / 50 + 1, 'x', '{}', now() FROM generate_series(0, 19999) AS n "
        "ORDER BY n"
    )
    sink = ListSink()
    assert (await relay_once(sink)).taken == 20_000
    assert all(sink.versions(str(aggregate)) == list(range(1, 401)) for aggregate in range(50))


async def test_an_aggregate_that_is_held_back_holds_up_no_other(
    log: Log, relay_once: Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of it stands in front; and later it follows in batches."""
    settle, marks = OutboxRepository.settle, []

    async def counted(*arguments: Any) -> None:
        marks.append(arguments)
        await settle(*arguments)

    monkeypatch.setattr(OutboxRepository, "settle", counted)
    await log.append("a", *range(1, 5001))
    for aggregate in "bcde":
        await log.append(aggregate, *range(1, 101))
    sink = ListSink(answer=refuses("a", 1))
    async with asyncio.timeout(20):
        await relay_once(sink)
    assert len(sink.taken) == 400
    assert all(sink.versions(aggregate) == list(range(1, 101)) for aggregate in "bcde")
    assert len(await log.deliveries()) == 5000
    sink.answer = lambda _: None
    await log.make_due()
    async with asyncio.timeout(20):
        await relay_once(sink)
    assert sink.versions("a") == list(range(1, 5001))
    assert len(marks) < 10
