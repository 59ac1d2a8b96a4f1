"""Kafka: a record for each event, acknowledged by every replica that is in sync (`acks=all`).

What a consumer has to know:
- The topic is `<TOPIC_PREFIX>.<aggregate type>`, as in `mainstay.order`. The key is `<tenant>/<aggregate's id>`: all
  events of an aggregate are in one partition, in order. The value is one CloudEvents 1.0 event in JSON, as its binding
  for Kafka says (structured mode). The headers `ce_id` and `ce_type` repeat what it holds, to choose by.
- The producer is idempotent: what it repeats by itself is stored once. What the relay sends again is a new record with
  the same `ce_id`.
- Topics are not made here. Where the brokers do not make them either (`auto.create.topics.enable`), do it beforehand.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from mainstay.kernel.core.sink import CONTENT_TYPE, Away, Message, Outcome, Readiness, Refused, Unusable

SECONDS = 5.0
"""For a whole wave, connecting included."""

CLOSE_SECONDS = 2.0

_ABOUT_THE_MESSAGE = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)


class KafkaSink:
    """Produces with one producer, and makes a new one after everything that went wrong."""

    name = "kafka"

    def __init__(self, bootstrap_servers: Sequence[str], prefix: str) -> None:
        self._servers = list(bootstrap_servers)
        self._prefix = prefix
        self._producer: _Producer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Send all at once; ends within SECONDS + CLOSE_SECONDS."""
        ends = asyncio.get_running_loop().time() + SECONDS
        try:
            async with asyncio.timeout_at(ends):
                producer = await self._started()
        except (KafkaError, OSError) as error:  # the time-out is an OSError too
            await self._stop()
            return [Away(type(error).__name__)] * len(messages)
        try:
            async with asyncio.TaskGroup() as wave:
                sent = [wave.create_task(self._send(producer, message, ends)) for message in messages]
        except asyncio.CancelledError:
            await self._stop()  # else it would go on sending by itself
            raise
        outcomes = [task.result() for task in sent]
        if any(isinstance(outcome, Away) for outcome in outcomes):
            await self._stop()
        return outcomes

    async def check(self, aggregate_types: Collection[str]) -> Readiness:
        """See CheckedSink. Asks for all topics: asking for one would make it."""
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._servers, client_id="mainstay", request_timeout_ms=int(SECONDS * 1000)
        )
        try:
            await admin.start()
            topics = set(await admin.list_topics())
        except (KafkaError, OSError) as error:
            advice = "check KAFKA_BOOTSTRAP_SERVERS, and that the brokers are running"
            raise Unusable(type(error).__name__, advice) from None
        finally:
            with suppress(KafkaError, OSError):
                await admin.close()
        missing = [topic for kind in sorted(aggregate_types) if (topic := f"{self._prefix}.{kind}") not in topics]
        if not missing:
            return Readiness("all topics are there")
        advice = "make them, unless the brokers do so by themselves (auto.create.topics.enable)"
        return Readiness(f"there is no topic {', '.join(missing)}", advice)

    async def _started(self) -> "_Producer":
        if self._producer is None:
            self._producer = _Producer(
                bootstrap_servers=self._servers,
                client_id="mainstay",
                acks="all",
                enable_idempotence=True,
                request_timeout_ms=int(SECONDS * 1000),
            )
            await self._producer.start()
        return self._producer

    async def _send(self, producer: "_Producer", message: Message, ends: float) -> Outcome:
        headers = {"content-type": CONTENT_TYPE, "ce_id": str(message.id), "ce_type": message.type}
        try:
            async with asyncio.timeout_at(ends):
                await producer.send_and_wait(
                    f"{self._prefix}.{message.aggregate_type}",
                    key=f"{message.tenant}/{message.aggregate_id}".encode(),
                    value=message.body,
                    headers=[(name, value.encode()) for name, value in headers.items()],
                )
        except _ABOUT_THE_MESSAGE as error:
            return Refused(type(error).__name__)
        except (KafkaError, OSError) as error:
            return Away(type(error).__name__)
        return None

    async def _stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await producer.stop()


class _Producer(AIOKafkaProducer):  # type: ignore[misc]  # the library has no types
    """Forgets what it has not sent when it is stopped.

    The library's way is to go on until that is sent, for ever if need be. But the relay was told that it was not taken
    and sends it again, perhaps with later events behind it: sent twice is fine, sent in the wrong order is not.
    """

    async def stop(self) -> None:
        """End the sender, which waits for what is under way, together with the connections that this waits for."""
        self._closed = True
        await asyncio.gather(self._sender.close(), self.client.close())
