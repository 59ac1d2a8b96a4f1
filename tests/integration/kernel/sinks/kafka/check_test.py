"""What the doctor asks of Kafka: no topic is made by it."""

from typing import Any

import pytest

from mainstay.kernel.core.sink import CheckedSink, Readiness, Unusable
from mainstay.kernel.sinks.kafka import KafkaSink


async def check(cluster: Any) -> Readiness:
    async with KafkaSink(cluster.servers, "shop") as sink:
        assert isinstance(sink, CheckedSink)
        return await sink.check(["order", "pet"])


async def test_topics_that_are_missing_are_named(cluster: Any) -> None:
    cluster.make_topic("shop.order", 1)
    for _ in range(2):  # the first time did not make it
        readiness = await check(cluster)
        assert readiness.found == "there is no topic shop.pet"
        assert "auto.create.topics.enable" in readiness.advice
    cluster.make_topic("shop.pet", 1)
    assert await check(cluster) == Readiness("all topics are there")


async def test_brokers_that_are_away_are_said(cluster: Any) -> None:
    cluster.kill()
    with pytest.raises(Unusable) as raised:
        await check(cluster)
    assert "KAFKA_BOOTSTRAP_SERVERS" in raised.value.advice
