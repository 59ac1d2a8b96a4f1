from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import nats
import pytest

from mainstay.kernel.core.sink import Away, Message, Refused
from mainstay.kernel.sinks.nats import NatsSink

MakeMessage = Callable[..., Message]


@pytest.fixture
def prefix() -> str:
    """Subjects of this test's own."""
    return uuid4().hex


@pytest.fixture
async def sink(shared_nats: Any, nats_url: Callable[..., str], prefix: str) -> AsyncIterator[NatsSink]:
    async with NatsSink([nats_url(shared_nats)], prefix, prefix) as sink:
        yield sink


@pytest.fixture
async def stream(operator: Any, prefix: str) -> str:
    """A stream that takes the subjects."""
    await operator.add_stream(name=prefix, subjects=[f"{prefix}.>"], max_msg_size=2000)
    return prefix


def types(outcomes: Any) -> list[type]:
    return [type(outcome) for outcome in outcomes]


async def stored(operator: Any, stream: str) -> list[Any]:
    """All that is in a stream."""
    count = (await operator.stream_info(stream)).state.messages
    return [await operator.get_msg(stream, number + 1) for number in range(count)]


async def test_events_are_stored_as_they_are_each_under_the_subject_of_its_type(
    sink: NatsSink, operator: Any, message: MakeMessage, stream: str
) -> None:
    events = [message(), message(type="order.closed"), message(type="task.status_changed")]
    assert await sink.publish(events) == [None] * 3
    found = {one.headers["Nats-Msg-Id"]: one for one in await stored(operator, stream)}
    assert len(found) == 3
    for event in events:
        one = found[str(event.id)]
        assert (one.subject, one.data) == (f"{stream}.{event.type}", event.body)
        assert one.headers["content-type"] == "application/cloudevents+json"


async def test_nothing_to_send_is_nothing_sent(sink: NatsSink, operator: Any, stream: str) -> None:
    assert await sink.publish([]) == []
    assert await stored(operator, stream) == []


async def test_a_second_delivery_is_taken_and_dropped_by_its_id(
    sink: NatsSink, operator: Any, message: MakeMessage, stream: str
) -> None:
    event = message()
    assert await sink.publish([event]) == [None]
    assert await sink.publish([event, message()]) == [None, None]
    assert len(await stored(operator, stream)) == 2


async def test_a_missing_stream_is_away_and_there_the_next_time(
    sink: NatsSink, operator: Any, message: MakeMessage, prefix: str
) -> None:
    assert types(await sink.publish([message(), message()])) == [Away, Away]
    assert await sink.publish([message()]) == [None]
    config = (await operator.stream_info(prefix)).config
    assert config.subjects == [f"{prefix}.>"]
    assert (config.max_age, config.duplicate_window) == (7 * 86_400, 600)
    assert await sink.publish([message()]) == [None]


async def test_a_stream_that_is_removed_is_made_again(
    sink: NatsSink, operator: Any, message: MakeMessage, stream: str
) -> None:
    await sink.publish([message()])
    await operator.delete_stream(stream)
    assert types(await sink.publish([message()])) == [Away]
    assert await sink.publish([message()]) == [None]


async def test_a_stream_of_another_name_is_used_as_it_is(
    shared_nats: Any, nats_url: Callable[..., str], operator: Any, message: MakeMessage, stream: str
) -> None:
    async with NatsSink([nats_url(shared_nats)], stream, "NOT_NEEDED") as sink:
        assert await sink.publish([message()]) == [None]
    with pytest.raises(nats.js.errors.NotFoundError):
        await operator.stream_info("NOT_NEEDED")


async def test_a_stream_that_cannot_be_made_is_away_and_says_why(
    shared_nats: Any, nats_url: Callable[..., str], operator: Any, message: MakeMessage, prefix: str
) -> None:
    await operator.add_stream(name=prefix, subjects=[f"{prefix}.task.>"])
    async with NatsSink([nats_url(shared_nats)], prefix, f"{prefix}-2") as sink:
        assert types(await sink.publish([message(), message(type="task.created")])) == [Away, type(None)]
        (away,) = await sink.publish([message()])
    assert isinstance(away, Away)
    assert "overlap" in str(away)


async def test_a_message_that_the_stream_finds_too_large_is_refused_and_holds_up_no_other(
    sink: NatsSink, message: MakeMessage, stream: str
) -> None:
    outcomes = await sink.publish([message(), message(body=b"x" * 2001), message()])
    assert types(outcomes) == [type(None), Refused, type(None)]
    assert "size" in str(outcomes[1])


@pytest.mark.parametrize("over", [-1024, 0, 1])
async def test_what_the_server_would_break_the_connection_for_is_refused_before(
    shared_nats: Any, nats_url: Callable[..., str], operator: Any, message: MakeMessage, prefix: str, over: int
) -> None:
    """A megabyte, headers included, is what a server takes when it is told nothing else."""
    await operator.add_stream(name=prefix, subjects=[f"{prefix}.>"])
    async with NatsSink([nats_url(shared_nats)], prefix, prefix) as sink:
        outcomes = await sink.publish([message(), message(body=bytes(1_048_576 + over))])
    assert types(outcomes) == [type(None), type(None) if over == -1024 else Refused]


async def test_a_subject_that_cannot_be_is_refused(sink: NatsSink, message: MakeMessage, stream: str) -> None:
    assert types(await sink.publish([message(type="order confirmed"), message()])) == [Refused, type(None)]


async def test_a_full_stream_is_away_until_it_has_room(
    sink: NatsSink, operator: Any, message: MakeMessage, prefix: str
) -> None:
    await operator.add_stream(name=prefix, subjects=[f"{prefix}.>"], max_msgs=1, discard="new")
    assert await sink.publish([message()]) == [None]
    assert types(await sink.publish([message(), message()])) == [Away, Away]
    await operator.purge_stream(prefix)
    assert await sink.publish([message()]) == [None]
