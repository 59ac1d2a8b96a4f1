import asyncio
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from mainstay.kernel.core.sink import Away, Message, Refused
from mainstay.kernel.ops.logging import configure_logging
from mainstay.kernel.sinks import webhook
from mainstay.kernel.sinks.signature import signing_keys
from mainstay.kernel.sinks.webhook import CONNECTIONS, WebhookSink

MakeMessage = Callable[..., Message]

SECRET = f"whsec_{b64encode(b'k' * 32).decode()}"
KEYS = signing_keys(SECRET)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short time-outs, so that the tests of what happens after them are."""
    monkeypatch.setattr(webhook, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(webhook, "TURN_SECONDS", 0.2)


async def never(_: Any) -> bytes | None:
    await asyncio.Event().wait()
    return None


async def test_one_that_is_away_at_the_start_and_comes_later_is_found_by_the_same_sink(
    receiver: Any, message: MakeMessage
) -> None:
    await receiver.kill()
    async with WebhookSink(receiver.url, KEYS) as sink:
        for _ in range(2):
            (away,) = await sink.publish([message()])
            assert isinstance(away, Away)
            assert away.retry_after is None
        await receiver.start()
        assert await sink.publish([message()]) == [None]


async def test_one_that_is_killed_before_it_answers_is_away_and_found_again(
    receiver: Any, message: MakeMessage
) -> None:
    receiver.says(receiver.reply(204), None)
    async with WebhookSink(receiver.url, KEYS) as sink:
        assert await sink.publish([message()]) == [None]
        events = [message(), message()]
        assert [type(outcome) for outcome in await sink.publish(events)] == [Away, Away]
        await receiver.kill()
        assert [type(outcome) for outcome in await sink.publish(events)] == [Away, Away]
        await receiver.start()
        receiver.answer = receiver.take
        assert await sink.publish(events) == [None, None]


@pytest.mark.usefixtures("impatient")
async def test_no_answer_in_time_is_away(receiver: Any, message: MakeMessage) -> None:
    receiver.answer = never
    async with WebhookSink(receiver.url, KEYS) as sink:
        (away,) = await sink.publish([message()])
        assert isinstance(away, Away)
        assert "no answer" in str(away)
        receiver.answer = receiver.take
        assert await sink.publish([message()]) == [None]


@pytest.mark.usefixtures("impatient")
async def test_one_that_is_silent_about_one_message_alone_refuses_it_and_holds_up_no_other(
    receiver: Any, message: MakeMessage
) -> None:
    poison = message()

    async def choke(request: Any) -> bytes | None:
        return await (never if request.headers["webhook-id"] == str(poison.id) else receiver.take)(request)

    receiver.answer = choke
    async with WebhookSink(receiver.url, KEYS) as sink:
        refused, taken = await sink.publish([poison, message()])
    assert isinstance(refused, Refused)
    assert taken is None


@pytest.mark.usefixtures("impatient")
async def test_a_wave_that_is_too_large_for_a_slow_receiver_ends_in_time_and_the_rest_is_for_the_next(
    receiver: Any, message: MakeMessage
) -> None:
    receiver.answer = never
    started = time.monotonic()
    async with WebhookSink(receiver.url, KEYS) as sink:
        outcomes = await sink.publish([message() for _ in range(CONNECTIONS + 5)])
    assert time.monotonic() - started < 3
    assert [type(outcome) for outcome in outcomes[-5:]] == [Away] * 5
    assert [getattr(outcome, "retry_after", None) for outcome in outcomes[-5:]] == [0] * 5
    assert len(receiver.requests) == CONNECTIONS


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 204 ", b"HTTP/1.1 200 OK\r\nx: ", b"SSH-2.0-OpenSSH\r\n\r\n", b"\r\n" * 99]
)
async def test_one_that_does_not_speak_http_is_away(receiver: Any, message: MakeMessage, said: bytes) -> None:
    receiver.says(said)
    async with WebhookSink(receiver.url, KEYS) as sink:
        (away,) = await sink.publish([message()])
    assert isinstance(away, Away)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("rest", [b"", b"x" * 500_000])
async def test_the_status_counts_although_the_answer_does_not_end(
    receiver: Any, message: MakeMessage, status: int, rest: bytes
) -> None:
    receiver.says(b"HTTP/1.1 %d Because\r\ncontent-length: 99999999\r\n\r\n" % status + rest)
    async with WebhookSink(receiver.url, KEYS) as sink:
        (outcome,) = await sink.publish([message()])
    assert isinstance(outcome, Refused) is (status == 500)
    assert outcome is None or "500" in str(outcome)


async def test_an_answer_that_never_ends_is_not_read_to_the_end(receiver: Any, message: MakeMessage) -> None:
    """Without the bound this one would take all of the time that an answer has."""
    receiver.says(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 500_000)
    started = time.monotonic()
    async with WebhookSink(receiver.url, KEYS) as sink:
        assert await sink.publish([message()]) == [None]
    assert time.monotonic() - started < webhook.ANSWER_SECONDS / 2


async def test_a_cancelled_wave_leaves_neither_a_task_nor_a_connection(
    receiver: Any, message: MakeMessage, cancelled: Callable[..., Any]
) -> None:
    receiver.answer = never
    async with WebhookSink(receiver.url, KEYS) as sink:
        tasks = asyncio.all_tasks()

        async def in_flight() -> bool:
            return len(receiver.requests) == CONNECTIONS

        await cancelled(sink.publish([message() for _ in range(CONNECTIONS + 5)]), in_flight)
        assert asyncio.all_tasks() - tasks - receiver.serving() == set()
        receiver.answer = receiver.take
        assert await sink.publish([message() for _ in range(CONNECTIONS)]) == [None] * CONNECTIONS


async def test_the_environment_and_the_home_folder_send_no_event_elsewhere(
    receiver: Any, message: MakeMessage, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("default login somebody password hunter2\n")
    for name, value in {
        "HOME": str(tmp_path),
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    async with WebhookSink(receiver.url, KEYS) as sink:
        assert await sink.publish([message()]) == [None]
    assert "authorization" not in receiver.requests[0].headers


@pytest.mark.usefixtures("restore_logging", "impatient")
async def test_no_line_and_no_outcome_shows_a_secret(
    receiver: Any, message: MakeMessage, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("DEBUG", json=True)
    url = receiver.url.replace("http://", "http://user:hunter2@").replace("tenant=acme", "token=hunter2")
    receiver.says(
        receiver.reply(200), receiver.reply(500, body=b"hunter2"), receiver.reply(503), None, b"hunter2\r\n\r\n"
    )
    shown = []
    async with WebhookSink(url, KEYS) as sink:
        for _ in range(5):
            (outcome,) = await sink.publish([message()])
            shown.append(f"{outcome!r} {outcome} {outcome and outcome.__cause__!r}")
        await receiver.kill()
        shown += [repr(outcome) for outcome in await sink.publish([message()])]
    assert receiver.requests[0].headers["authorization"].startswith("Basic ")
    logged = capsys.readouterr()
    for secret in ("hunter2", SECRET.removeprefix("whsec_"), receiver.requests[0].headers["authorization"]):
        assert secret not in "".join(shown) + logged.out + logged.err


@pytest.mark.parametrize(
    "url",
    [
        "http://hunter2:port/",
        "http://a/hunter2\udcff",
        "http://a\x00hunter2/",
        "hunter2",
        "ftp://hunter2/",
        "http:///hunter2",
    ],
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as raised:
        WebhookSink(url, KEYS)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__context__ is None


def test_the_waits_together_are_shorter_than_what_running_work_has_at_the_end() -> None:
    assert webhook.TURN_SECONDS + webhook.ANSWER_SECONDS < 10
