import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from mainstay.kernel.core.sink import Away, Message, Refused
from mainstay.kernel.ops.logging import configure_logging
from mainstay.kernel.sinks import redis
from mainstay.kernel.sinks.redis import RedisSink

MakeMessage = Callable[..., Message]


@pytest.fixture
def prefix() -> str:
    """Streams of this test's own."""
    return uuid4().hex


@pytest.fixture
async def sink(shared_redis: Any, redis_url: Callable[[Any], str], prefix: str) -> AsyncIterator[RedisSink]:
    async with RedisSink(redis_url(shared_redis), prefix) as sink:
        yield sink


def types(outcomes: Any) -> list[type]:
    return [type(outcome) for outcome in outcomes]


async def test_events_stand_in_the_stream_of_their_kind_in_order(
    sink: RedisSink, reader: Any, message: MakeMessage, prefix: str
) -> None:
    events = [message(), message(type="order.closed"), message(aggregate_type="task", type="task.created")]
    assert await sink.publish(events) == [None] * 3
    fields = [{"id": str(event.id), "type": event.type, "event": event.body.decode()} for event in events]
    assert [entry for _, entry in await reader.xrange(f"{prefix}:order")] == fields[:2]
    assert [entry for _, entry in await reader.xrange(f"{prefix}:task")] == fields[2:]


async def test_nothing_to_send_is_nothing_sent(sink: RedisSink, reader: Any, prefix: str) -> None:
    assert await sink.publish([]) == []
    assert await reader.keys(f"{prefix}:*") == []


async def test_a_second_delivery_is_told_by_its_id(
    sink: RedisSink, reader: Any, message: MakeMessage, prefix: str
) -> None:
    event = message()
    await sink.publish([event])
    await sink.publish([event])
    first, second = [entry for _, entry in await reader.xrange(f"{prefix}:order")]
    assert first == second
    assert first["id"] == str(event.id)


@pytest.mark.parametrize("length", [None, 100])
async def test_a_stream_is_bounded_where_a_length_is_set(
    shared_redis: Any,
    redis_url: Callable[[Any], str],
    reader: Any,
    message: MakeMessage,
    prefix: str,
    length: int | None,
) -> None:
    async with RedisSink(redis_url(shared_redis), prefix, length) as sink:
        assert await sink.publish([message() for _ in range(1000)]) == [None] * 1000
    kept = await reader.xlen(f"{prefix}:order")
    assert kept == 1000 if length is None else length <= kept < 500


async def test_what_is_no_stream_refuses_its_own_messages_alone(
    sink: RedisSink, reader: Any, message: MakeMessage, prefix: str
) -> None:
    await reader.set(f"{prefix}:task", "taken")
    task, order = await sink.publish([message(aggregate_type="task"), message()])
    assert isinstance(task, Refused)
    assert str(task) == "WRONGTYPE"
    assert order is None


async def test_a_stream_that_is_not_for_us_refuses_its_own_messages_alone(
    shared_redis: Any, reader: Any, redis_url: Callable[[Any], str], message: MakeMessage, prefix: str
) -> None:
    rights = {"categories": ["+@connection"], "commands": ["+xadd"], "keys": [f"{prefix}:order"]}
    await reader.acl_setuser(prefix, enabled=True, passwords=["+secret"], **rights)
    url = redis_url(shared_redis).replace("redis://", f"redis://{prefix}:secret@")
    async with RedisSink(url, prefix) as sink:
        task, order = await sink.publish([message(aggregate_type="task"), message()])
    assert isinstance(task, Refused)
    assert str(task) == "NOPERM"
    assert order is None


async def test_what_redis_would_break_the_connection_for_is_refused_and_holds_up_no_other(
    sink: RedisSink, message: MakeMessage
) -> None:
    assert types(await sink.publish([message(), message(body=bytes(redis.LARGEST + 1)), message()])) == [
        type(None),
        Refused,
        type(None),
    ]


async def test_what_is_too_large_for_us_is_too_large_for_redis(reader: Any) -> None:
    assert await reader.config_get("proto-max-bulk-len") == {"proto-max-bulk-len": str(redis.LARGEST)}


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"maxmemory": "1", "maxmemory-policy": "noeviction"}, "OOM"),
        ({"min-replicas-to-write": "1"}, "NOREPLICAS"),
    ],
)
async def test_one_that_takes_no_writes_is_away_until_it_does(
    own_redis: Any, redis_url: Callable[[Any], str], message: MakeMessage, settings: dict[str, str], code: str
) -> None:
    async with RedisSink(redis_url(own_redis), "full") as sink, Redis(port=own_redis.port) as operator:
        for name, value in settings.items():
            await operator.config_set(name, value)
        away, other = await sink.publish([message(), message()])
        assert isinstance(away, Away)
        assert isinstance(other, Away)
        assert str(away) == code
        for name in settings:
            await operator.config_set(name, "noeviction" if name.endswith("policy") else "0")
        assert await sink.publish([message()]) == [None]


async def test_a_replica_is_away(own_redis: Any, redis_url: Callable[[Any], str], message: MakeMessage) -> None:
    async with RedisSink(redis_url(own_redis), "replica") as sink, Redis(port=own_redis.port) as operator:
        await operator.replicaof("127.0.0.1", "1")
        assert types(await sink.publish([message()])) == [Away]
        await operator.replicaof("NO", "ONE")
        assert await sink.publish([message()]) == [None]


async def test_one_that_is_away_at_the_start_and_comes_later_is_found_by_the_same_sink(
    own_redis: Any, redis_url: Callable[[Any], str], message: MakeMessage
) -> None:
    own_redis.kill()
    async with RedisSink(redis_url(own_redis), "late") as sink:
        for _ in range(2):
            assert types(await sink.publish([message(), message()])) == [Away, Away]
        own_redis.start()
        assert await sink.publish([message()]) == [None]


async def test_one_that_is_killed_loses_nothing_it_took_and_is_found_again(
    own_redis: Any, redis_url: Callable[[Any], str], message: MakeMessage
) -> None:
    taken, lost, again = message(), message(), message()
    async with RedisSink(redis_url(own_redis), "killed") as sink:
        assert await sink.publish([taken]) == [None]
        own_redis.kill()
        assert types(await sink.publish([lost])) == [Away]
        own_redis.start()
        assert await sink.publish([again]) == [None]
    async with Redis(port=own_redis.port, decode_responses=True) as reader:
        entries: Any = await reader.xrange("killed:order")
        assert [entry["id"] for _, entry in entries] == [str(taken.id), str(again.id)]


async def test_no_answer_in_time_is_away_and_the_next_answer_is_not_mistaken_for_it(
    own_redis: Any, redis_url: Callable[[Any], str], message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RedisSink(redis_url(own_redis), "slow") as sink, Redis(port=own_redis.port) as operator:
        await sink.publish([message()])
        monkeypatch.setattr(redis, "SECONDS", 0.2)
        own_redis.freeze()
        started = time.monotonic()
        assert types(await sink.publish([message(), message()])) == [Away, Away]
        assert types(await sink.publish([message()])) == [Away]
        assert time.monotonic() - started < 2
        own_redis.thaw()
        monkeypatch.undo()
        await operator.set("slow:task", "taken")
        assert types(await sink.publish([message(aggregate_type="task"), message()])) == [Refused, type(None)]


async def test_a_cancelled_wave_leaves_neither_a_task_nor_a_connection(
    own_redis: Any, redis_url: Callable[[Any], str], message: MakeMessage, cancelled: Callable[..., Any]
) -> None:
    async with RedisSink(redis_url(own_redis), "cancelled") as sink, Redis(port=own_redis.port) as operator:
        await sink.publish([message()])
        own_redis.freeze()
        tasks = asyncio.all_tasks()
        turns = iter(range(20))

        async def a_while_later() -> bool:
            return next(turns) == 19

        await cancelled(sink.publish([message() for _ in range(10)]), a_while_later)
        assert asyncio.all_tasks() == tasks
        own_redis.thaw()
        assert await sink.publish([message()]) == [None]
        clients = await operator.client_list()
        assert len(clients) <= 2


async def test_it_closes_in_time_although_nobody_answers(
    own_redis: Any, redis_url: Callable[[Any], str], message: MakeMessage
) -> None:
    async with RedisSink(redis_url(own_redis), "closing") as sink:
        await sink.publish([message()])
        own_redis.freeze()
        started = time.monotonic()
    assert time.monotonic() - started < 2
    own_redis.thaw()


@pytest.mark.usefixtures("restore_logging")
@pytest.mark.parametrize("user", ["", "somebody"])
async def test_a_wrong_password_is_away_and_shown_nowhere(
    own_redis: Any,
    redis_url: Callable[[Any], str],
    message: MakeMessage,
    user: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("DEBUG", json=True)
    async with Redis(port=own_redis.port) as operator:
        await operator.config_set("requirepass", "another")
    url = redis_url(own_redis).replace("redis://", f"redis://{user}:hunter2@")
    async with RedisSink(url, "secret") as sink:
        (away,) = await sink.publish([message()])
    assert isinstance(away, Away)
    logged = capsys.readouterr()
    assert "hunter2" not in f"{away!r} {away} {away.__cause__} {away.__context__}" + logged.out + logged.err
