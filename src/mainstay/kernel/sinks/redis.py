"""Redis Streams (Valkey has them too): an entry for each event, in one stream for each kind of aggregate.

What a reader has to know:
- The stream is called `<TOPIC_PREFIX>:<aggregate type>`, as in `mainstay:order`. An entry has the fields `id` (the
  event's), `type`, and `event`, which is one CloudEvents 1.0 event in JSON.
- Redis does not look at that id: an event that was sent twice is there twice, and the reader tells by `id`.
- Without REDIS_STREAM_LENGTH nothing is ever removed, and whoever reads trims (XTRIM). With it, a reader that falls
  behind by more entries than that loses some.
- An event is as durable as Redis is told to make it (`appendfsync`, replicas): that is not asked here.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from mainstay.kernel.core.sink import Away, Message, Outcome, Readiness, Refused, Unusable

SECONDS = 3.0
"""For a whole wave, connecting included."""

LARGEST = 512 * 1024 * 1024
"""Bytes of a value that Redis takes (its `proto-max-bulk-len`). It breaks the connection when a larger one comes."""


class RedisSink:
    """Adds to streams; `length` bounds each, roughly, and None does not."""

    name = "redis"

    def __init__(self, url: str, prefix: str, length: int | None = None) -> None:
        self._url = url
        self._prefix = prefix
        self._length = length

    async def __aenter__(self) -> Self:
        # The relay tries again when it is time to: a second try in here would only take its time.
        self._redis = Redis.from_url(self._url, retry=Retry(NoBackoff(), 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._redis.aclose()

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Add all in one go; ends within SECONDS."""
        outcomes = iter(await self._add([message for message in messages if len(message.body) <= LARGEST]))
        too_large = Refused(f"larger than {LARGEST} bytes")
        return [next(outcomes) if len(message.body) <= LARGEST else too_large for message in messages]

    async def check(self, aggregate_types: Collection[str]) -> Readiness:
        """See CheckedSink. Adds to a stream that is not there, and is not made by it: Redis refuses all it would."""
        streams = [f"{self._prefix}:{kind}" for kind in aggregate_types]
        try:
            await self._redis.xadd(f"{self._prefix}:doctor", {"id": ""}, nomkstream=True)
            kinds = [await self._redis.type(stream) for stream in streams]
        except (RedisError, OSError) as error:
            advice = "check REDIS_URL, its user's password and rights, and that Redis runs and takes writes"
            raise Unusable(_name(error), advice) from None
        if taken := [stream for stream, kind in zip(streams, kinds, strict=True) if kind not in {b"none", b"stream"}]:
            raise Unusable(f"no streams: {', '.join(taken)}", "choose another TOPIC_PREFIX, or remove these keys")
        return Readiness(
            f"{kinds.count(b'stream')} of {len(streams)} streams are there; one is made by its first event"
        )

    async def _add(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        pipeline = self._redis.pipeline(transaction=False)
        for message in messages:
            fields: dict[Any, Any] = {"id": str(message.id), "type": message.type, "event": message.body}
            pipeline.xadd(f"{self._prefix}:{message.aggregate_type}", fields, maxlen=self._length)
        try:
            async with asyncio.timeout(SECONDS):
                answers = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:  # the time-out is an OSError too
            return [Away(type(error).__name__)] * len(messages)
        return [_outcome(answer) for answer in answers]


def _outcome(answer: object) -> Outcome:
    """What an error is about: the stream (it is no stream, or not for us), else the whole of Redis (full, read-only).

    Of its text only the first word is told, a code: the rest may repeat what was sent.
    """
    if not isinstance(answer, ResponseError):
        return None
    code = answer.status_code or str(answer).partition(" ")[0]
    return Refused(code) if code in {"WRONGTYPE", "NOPERM"} else Away(code)


def _name(error: Exception) -> str:
    """What kind of error, and Redis's own code for it."""
    code = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    return f"{type(error).__name__} {code}" if code.isupper() else type(error).__name__
