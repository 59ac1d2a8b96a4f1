import asyncio
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mainstay.kernel.core.sink import Away, Gone, Message, Refused
from mainstay.kernel.sinks.signature import signing_keys
from mainstay.kernel.sinks.webhook import CONNECTIONS, WebhookSink

MakeMessage = Callable[..., Message]

OLD, NEW = (f"whsec_{b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))
KEYS = signing_keys(OLD)


async def outcome(url: str, message: Message) -> Any:
    """What becomes of one message."""
    async with WebhookSink(url, KEYS) as sink:
        (outcome,) = await sink.publish([message])
    return outcome


async def test_an_event_arrives_as_it_is_with_a_signature_that_the_library_of_the_standard_accepts(
    receiver: Any, message: MakeMessage
) -> None:
    event = message()
    assert await outcome(receiver.url, event) is None
    (request,) = receiver.requests
    assert request.line == "POST /hooks?tenant=acme HTTP/1.1"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["webhook-id"] == str(event.id)
    assert request.body == event.body
    assert Webhook(OLD).verify(request.body, request.headers)["id"] == str(event.id)


async def test_while_a_secret_is_changed_the_old_one_and_the_new_one_both_verify(
    receiver: Any, message: MakeMessage
) -> None:
    async with WebhookSink(receiver.url, signing_keys(f"{NEW}, {OLD}")) as sink:
        await sink.publish([message()])
    (request,) = receiver.requests
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(request.body, request.headers)


@pytest.mark.parametrize("part", ["secret", "body", "webhook-id", "webhook-timestamp"])
async def test_another_secret_and_a_changed_message_are_seen(receiver: Any, message: MakeMessage, part: str) -> None:
    await outcome(receiver.url, message())
    (request,) = receiver.requests
    headers, body = dict(request.headers), request.body
    if part == "body":
        body += b" "
    elif part == "webhook-timestamp":
        headers[part] = str(int(headers[part]) - 1)
    elif part != "secret":
        headers[part] += "0"
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW if part == "secret" else OLD).verify(body, headers)


async def test_a_second_delivery_has_the_same_id_and_body_and_a_signature_of_its_own_time(
    receiver: Any, message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, now = message(), time.time()
    async with WebhookSink(receiver.url, KEYS) as sink:
        await sink.publish([event])
        monkeypatch.setattr("mainstay.kernel.sinks.webhook.time.time", lambda: now + 100)
        await sink.publish([event])
    first, second = receiver.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert Webhook(OLD).verify(second.body, second.headers)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_means_taken(receiver: Any, message: MakeMessage, status: int) -> None:
    receiver.says(receiver.reply(status))
    assert await outcome(receiver.url, message()) is None


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_refused_and_not_followed(receiver: Any, message: MakeMessage, status: int) -> None:
    receiver.says(receiver.reply(status, f"location: {receiver.url}"))
    refused = await outcome(receiver.url, message())
    assert isinstance(refused, Refused)
    assert str(refused) == f"answered {status}"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 501, 505, 599])
async def test_any_other_status_refuses_the_one_message(receiver: Any, message: MakeMessage, status: int) -> None:
    receiver.says(receiver.reply(status, "retry-after: 7", body=b"hunter2"))
    refused = await outcome(receiver.url, message())
    assert isinstance(refused, Refused)
    assert str(refused) == f"answered {status}"


async def test_410_ends_it(receiver: Any, message: MakeMessage) -> None:
    receiver.says(receiver.reply(410))
    assert isinstance(await outcome(receiver.url, message()), Gone)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_receiver_that_is_busy_is_left_alone(receiver: Any, message: MakeMessage, status: int) -> None:
    receiver.says(receiver.reply(status, "retry-after: 7"))
    away = await outcome(receiver.url, message())
    assert isinstance(away, Away)
    assert (str(away), away.retry_after) == (f"answered {status}", 7)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("3601", 3600),
        ("9" * 5000, 3600),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 31 Dec 9999 23:59:59", 3600),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
        ("Fri, 99 Dec 2026 23:59:59 GMT", None),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", None),
    ],
)
async def test_what_retry_after_may_say(
    receiver: Any, message: MakeMessage, header: str, seconds: float | None
) -> None:
    receiver.says(receiver.reply(503, f"retry-after: {header}"))
    assert (await outcome(receiver.url, message())).retry_after == seconds


async def test_retry_after_may_be_a_date(receiver: Any, message: MakeMessage) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    receiver.says(receiver.reply(503, f"retry-after: {date}"))
    assert 60 < (await outcome(receiver.url, message())).retry_after <= 100


async def test_the_outcomes_are_in_the_order_of_the_messages_whichever_came_first(
    receiver: Any, message: MakeMessage
) -> None:
    events = [message(tenant=str(number)) for number in range(4)]
    statuses = {str(event.id): status for event, status in zip(events, (204, 500, 503, 410), strict=True)}
    last_one_came = asyncio.Event()

    async def answer_from_the_last_to_the_first(request: Any) -> bytes:
        if request.headers["webhook-id"] == str(events[-1].id):
            last_one_came.set()
        await last_one_came.wait()
        return bytes(receiver.reply(statuses[request.headers["webhook-id"]]))

    receiver.answer = answer_from_the_last_to_the_first
    async with WebhookSink(receiver.url, KEYS) as sink:
        outcomes = await sink.publish(events)
    assert [type(outcome) for outcome in outcomes] == [type(None), Refused, Away, Gone]


async def test_a_wave_goes_out_at_once_over_a_bounded_number_of_connections_which_are_used_again(
    receiver: Any, message: MakeMessage
) -> None:
    together = asyncio.Barrier(CONNECTIONS)

    async def wait_for_the_others(_: Any) -> bytes:
        await together.wait()
        return bytes(receiver.reply(200, body=b"thank you"))

    receiver.answer = wait_for_the_others
    async with WebhookSink(receiver.url, KEYS) as sink:
        assert await sink.publish([message() for _ in range(3 * CONNECTIONS)]) == [None] * 3 * CONNECTIONS
    assert receiver.most_at_once == CONNECTIONS
    assert receiver.connections == CONNECTIONS


async def test_nothing_to_send_is_nothing_sent(receiver: Any) -> None:
    async with WebhookSink(receiver.url, KEYS) as sink:
        assert await sink.publish([]) == []
    assert receiver.requests == []
