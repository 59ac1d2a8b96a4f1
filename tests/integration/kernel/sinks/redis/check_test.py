"""What the doctor asks of Redis: nothing is there afterwards that was not before."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from mainstay.kernel.core.sink import CheckedSink, Unusable
from mainstay.kernel.sinks.redis import RedisSink

KINDS = ["order", "pet"]


async def check(url: str) -> str:
    async with RedisSink(url, "shop") as sink:
        assert isinstance(sink, CheckedSink)
        return (await sink.check(KINDS)).found


@pytest.fixture
async def operator(own_redis: Any) -> AsyncIterator[Any]:
    async with Redis(port=own_redis.port, decode_responses=True) as operator:
        yield operator


async def test_streams_that_are_there_are_counted(own_redis: Any, redis_url: Callable[..., str], operator: Any) -> None:
    assert "0 of 2" in await check(redis_url(own_redis))
    await operator.xadd("shop:order", {"id": "1"})
    assert "1 of 2" in await check(redis_url(own_redis))
    assert await operator.keys("*") == ["shop:order"]
    assert await operator.xlen("shop:order") == 1


async def test_a_key_that_is_no_stream_is_said(own_redis: Any, redis_url: Callable[..., str], operator: Any) -> None:
    await operator.set("shop:pet", "x")
    with pytest.raises(Unusable, match="shop:pet") as raised:
        await check(redis_url(own_redis))
    assert "TOPIC_PREFIX" in raised.value.advice


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (["CONFIG SET requirepass right"], "AuthenticationError"),
        (["ACL SETUSER default -xadd"], "NOPERM"),
        (["CONFIG SET maxmemory 1"], "OutOfMemoryError"),
        (["REPLICAOF 127.0.0.1 1"], "ReadOnlyError"),
    ],
)
async def test_one_that_takes_no_writes_is_said(
    own_redis: Any, redis_url: Callable[..., str], operator: Any, commands: list[str], code: str
) -> None:
    for command in commands:
        await operator.execute_command(*command.split())
    with pytest.raises(Unusable, match=code) as raised:
        await check(redis_url(own_redis))
    assert "REDIS_URL" in raised.value.advice
