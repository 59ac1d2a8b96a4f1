import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from mainstay.kernel.core.sink import Away, Message, Refused
from mainstay.kernel.sinks import kafka
from mainstay.kernel.sinks.kafka import KafkaSink

MakeMessage = Callable[..., Message]

MESSAGE_TOO_LARGE, INVALID_TOPIC, NOT_ENOUGH_REPLICAS, TOPIC_FORBIDDEN, CLUSTER_FORBIDDEN = 10, 17, 19, 29, 31


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short time-outs, so that the tests of what happens after them are."""
    monkeypatch.setattr(kafka, "SECONDS", 0.7)


def types(outcomes: Any) -> list[type]:
    return [type(outcome) for outcome in outcomes]


async def records(cluster: Any, topic: str, count: int) -> list[Any]:
    """The first records of a topic; fails the test where there are fewer."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=cluster.servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(10):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_events_are_records_of_the_topic_of_their_kind(cluster: Any, message: MakeMessage) -> None:
    order, task = message(), message(aggregate_type="task", type="task.created", aggregate_id="7", tenant="")
    async with KafkaSink(cluster.servers, "acme.events") as sink:
        assert await sink.publish([order, task]) == [None, None]
    for event, topic, key in ((order, "order", f"acme/{order.aggregate_id}"), (task, "task", "/7")):
        (record,) = await records(cluster, f"acme.events.{topic}", 1)
        assert (record.key, record.value) == (key.encode(), event.body)
        assert dict(record.headers) == {
            "content-type": b"application/cloudevents+json",
            "ce_id": str(event.id).encode(),
            "ce_type": event.type.encode(),
        }


async def test_events_of_an_aggregate_are_in_one_partition_in_order(cluster: Any, message: MakeMessage) -> None:
    cluster.make_topic("p.order", 8)
    async with KafkaSink(cluster.servers, "p") as sink:
        for number in range(10):
            events = [message(aggregate_id=aggregate, body=b"%d" % number) for aggregate in "abcdef"]
            assert await sink.publish(events) == [None] * 6
    found = await records(cluster, "p.order", 60)
    for aggregate in "abcdef":
        own = [record for record in found if record.key == f"acme/{aggregate}".encode()]
        assert [record.value for record in sorted(own, key=lambda record: record.offset)] == [
            b"%d" % number for number in range(10)
        ]
        assert len({record.partition for record in own}) == 1
    assert len({record.partition for record in found}) > 1


async def test_a_second_delivery_has_the_same_id(cluster: Any, message: MakeMessage) -> None:
    event = message()
    async with KafkaSink(cluster.servers, "p") as sink:
        await sink.publish([event])
        await sink.publish([event])
    first, second = await records(cluster, "p.order", 2)
    assert (first.key, first.value, first.headers) == (second.key, second.value, second.headers)


async def test_nothing_to_send_is_nothing_sent(cluster: Any) -> None:
    async with KafkaSink(cluster.servers, "p") as sink:
        assert await sink.publish([]) == []


async def test_a_message_that_is_too_large_is_refused_and_holds_up_no_other(cluster: Any, message: MakeMessage) -> None:
    async with KafkaSink(cluster.servers, "p") as sink:
        outcomes = await sink.publish([message(), message(body=bytes(1_048_577)), message()])
    assert types(outcomes) == [type(None), Refused, type(None)]
    assert len(await records(cluster, "p.order", 2)) == 2


@pytest.mark.parametrize("code", [MESSAGE_TOO_LARGE, INVALID_TOPIC, TOPIC_FORBIDDEN])
async def test_what_the_broker_has_against_a_record_or_its_topic_is_a_refusal(
    cluster: Any, message: MakeMessage, code: int
) -> None:
    async with KafkaSink(cluster.servers, "p") as sink:
        await sink.publish([message()])
        cluster.fail_produce(code)
        assert types(await sink.publish([message()])) == [Refused]
        assert await sink.publish([message()]) == [None]


async def test_a_topic_that_is_forbidden_holds_up_no_other(cluster: Any, message: MakeMessage) -> None:
    cluster.fail_topic("p.task", TOPIC_FORBIDDEN)
    async with KafkaSink(cluster.servers, "p") as sink:
        outcomes = await sink.publish([message(aggregate_type="task"), message()])
    assert types(outcomes) == [Refused, type(None)]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [NOT_ENOUGH_REPLICAS, CLUSTER_FORBIDDEN])
async def test_a_cluster_that_cannot_write_is_away_until_it_can(cluster: Any, message: MakeMessage, code: int) -> None:
    async with KafkaSink(cluster.servers, "p") as sink:
        await sink.publish([message()])
        cluster.fail_produce(code, times=1000)
        assert types(await sink.publish([message(), message()])) == [Away, Away]
        cluster.stop_failing()
        assert await sink.publish([message()]) == [None]


async def test_a_leader_that_moves_is_found_by_the_client_itself(cluster: Any, message: MakeMessage) -> None:
    not_leader = 6
    async with KafkaSink(cluster.servers, "p") as sink:
        await sink.publish([message()])
        cluster.fail_produce(not_leader)
        assert await sink.publish([message()]) == [None]


async def test_one_that_is_away_at_the_start_and_comes_later_is_found_by_the_same_sink(
    cluster: Any, message: MakeMessage
) -> None:
    cluster.kill()
    async with KafkaSink(cluster.servers, "p") as sink:
        for _ in range(2):
            assert types(await sink.publish([message(), message()])) == [Away, Away]
        cluster.start()
        assert await sink.publish([message()]) == [None]


@pytest.mark.usefixtures("impatient")
async def test_one_that_is_killed_loses_nothing_it_took_and_is_found_again(cluster: Any, message: MakeMessage) -> None:
    taken, lost, again = message(), message(), message()
    async with KafkaSink(cluster.servers, "p") as sink:
        assert await sink.publish([taken]) == [None]
        cluster.kill()
        started = time.monotonic()
        for _ in range(2):
            assert types(await sink.publish([lost])) == [Away]
        assert time.monotonic() - started < 4
        cluster.start()
        assert await sink.publish([again]) == [None]
    found = await records(cluster, "p.order", 2)
    assert {record.value for record in found} == {taken.body, again.body}


@pytest.mark.usefixtures("impatient")
async def test_no_answer_in_time_is_away(cluster: Any, message: MakeMessage) -> None:
    async with KafkaSink(cluster.servers, "p") as sink:
        await sink.publish([message()])
        cluster.delay(60)
        started = time.monotonic()
        assert types(await sink.publish([message(), message()])) == [Away, Away]
        assert time.monotonic() - started < 4
        cluster.delay(0)
        assert await sink.publish([message()]) == [None]


@pytest.mark.usefixtures("impatient")
async def test_a_cancelled_wave_leaves_nothing_that_goes_on_sending(
    cluster: Any, message: MakeMessage, cancelled: Callable[..., Any]
) -> None:
    turns = iter(range(20))

    async def a_while_later() -> bool:
        return next(turns) == 19

    before = asyncio.all_tasks()
    async with KafkaSink(cluster.servers, "p") as sink:
        await sink.publish([message()])
        cluster.delay(60)
        await cancelled(sink.publish([message() for _ in range(10)]), a_while_later)
        assert asyncio.all_tasks() == before
        cluster.delay(0)
        assert await sink.publish([message()]) == [None]
    assert asyncio.all_tasks() == before
