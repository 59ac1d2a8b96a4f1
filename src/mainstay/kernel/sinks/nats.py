"""NATS JetStream: a message for each event, acknowledged once the stream has stored it.

What a consumer has to know:
- The subject is `<TOPIC_PREFIX>.<event's type>`, as in `mainstay.order.confirmed`: `mainstay.order.>` is all of orders.
  The body is one CloudEvents 1.0 event in JSON.
- `Nats-Msg-Id` is the event's id, by which the stream drops what comes again within its duplicate window (ten minutes
  in the stream that is made here). After that the consumer tells by the id.
- A stream that takes these subjects is used as it is. Where there is none, one is made: NATS_STREAM, in files, messages
  kept for a week. Make it yourself beforehand for other limits or replicas.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Self

from nats.aio.client import Client
from nats.errors import BadSubjectError, Error
from nats.js import JetStreamContext
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError, NotFoundError

from mainstay.kernel.core.sink import CONTENT_TYPE, Away, Message, Outcome, Readiness, Refused, Unusable

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0

_HEADER_BYTES = 1024  # more than ours have: they count, too, against what the server takes
_KEPT_SECONDS = 7 * 86_400.0
_DUPLICATE_WINDOW_SECONDS = 600.0


class NatsSink:
    """Publishes over one connection, and makes a new one after everything that went wrong."""

    name = "nats"

    def __init__(self, servers: Sequence[str], prefix: str, stream: str) -> None:
        self._servers = list(servers)
        self._prefix = prefix
        self._stream = stream
        self._stream_is_missing = False
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish all at once; ends within CONNECT_SECONDS twice and ANSWER_SECONDS, which a full buffer may double."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await self._connected()
                await self._make_missing_stream(client)
        except (Error, OSError) as error:  # the time-out is an OSError too
            return [Away(_reason(error))] * len(messages)
        async with asyncio.TaskGroup() as wave:
            sent = [wave.create_task(self._send(client, message)) for message in messages]
        outcomes = [task.result() for task in sent]
        if any(isinstance(outcome, Away) for outcome in outcomes):  # it may be dead, and not know yet
            await self._disconnect()
        return outcomes

    async def check(self, aggregate_types: Collection[str]) -> Readiness:
        """See CheckedSink."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await self._connected()
        except (Error, OSError) as error:
            advice = "check NATS_URL, its user and password, and that NATS is running"
            raise Unusable(_reason(error), advice) from None
        jetstream = client.jetstream(timeout=ANSWER_SECONDS)
        try:
            await jetstream.account_info()
        except (Error, OSError) as error:
            raise Unusable(_reason(error), "start NATS with JetStream (-js), and let this user have it") from None
        return await self._streams(jetstream, aggregate_types)

    async def _streams(self, jetstream: JetStreamContext, aggregate_types: Collection[str]) -> Readiness:
        """Which streams take the events. Raises Unusable where none does, and none can be made."""
        subjects = [f"{self._prefix}.{kind}.created" for kind in aggregate_types]
        found = {subject: await _stream_of(jetstream, subject) for subject in subjects}
        streams = ", ".join(sorted({stream for stream in found.values() if stream is not None}))
        missing = [subject for subject, stream in found.items() if stream is None]
        if not missing:
            return Readiness(f"taken by the stream {streams}")
        if streams or await _is_there(jetstream, self._stream):
            raise Unusable(
                f"no stream takes {', '.join(missing)}",
                f"give {self._prefix}.> to the stream {streams or self._stream}; it is there, so none is made",
            )
        return Readiness(f"the stream {self._stream} is made with the first event")

    async def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            await self._disconnect()
            self._client = Client()
            # It would reconnect by itself, in its own time: the relay knows better when to try.
            await self._client.connect(
                self._servers,
                error_cb=_say_nothing,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
            )
        return self._client

    async def _make_missing_stream(self, client: Client) -> None:
        if self._stream_is_missing:
            await client.jetstream().add_stream(
                name=self._stream,
                subjects=[f"{self._prefix}.>"],
                max_age=_KEPT_SECONDS,
                duplicate_window=_DUPLICATE_WINDOW_SECONDS,
            )
            self._stream_is_missing = False

    async def _send(self, client: Client, message: Message) -> Outcome:
        largest = client.max_payload - _HEADER_BYTES
        if len(message.body) > largest:  # the server would break the connection, for all
            return Refused(f"larger than {largest} bytes")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await client.jetstream().publish(
                    f"{self._prefix}.{message.type}",
                    message.body,
                    headers={"Nats-Msg-Id": str(message.id), "content-type": CONTENT_TYPE},
                    # The client swallows a cancellation, ours above too, while it waits for room in its buffer.
                    timeout=ANSWER_SECONDS,
                )
        except NoStreamResponseError as error:
            self._stream_is_missing = True
            return Away(_reason(error))
        except (BadRequestError, BadSubjectError) as error:
            return Refused(_reason(error))
        except (Error, OSError) as error:
            return Away(_reason(error))
        return None

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Error, OSError):  # gone already, or it does not even take a good-bye
                async with asyncio.timeout(CONNECT_SECONDS):
                    await client.close()


async def _say_nothing(_: Exception) -> None:
    """What goes wrong is told as an outcome; the client's own line has a trace, each time."""


def _reason(error: Exception) -> str:
    """Its name, and what the stream says of it."""
    description = f": {error.description}" if isinstance(error, APIError) else ""
    return f"{type(error).__name__}{description}"


async def _stream_of(jetstream: JetStreamContext, subject: str) -> str | None:
    try:
        return await jetstream.find_stream_name_by_subject(subject)
    except NotFoundError:
        return None


async def _is_there(jetstream: JetStreamContext, stream: str) -> bool:
    try:
        await jetstream.stream_info(stream)
    except NotFoundError:
        return False
    return True
