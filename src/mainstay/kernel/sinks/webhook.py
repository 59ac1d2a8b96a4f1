"""A POST for each event, signed as Standard Webhooks says (https://www.standardwebhooks.com has libraries for it).

What a receiver has to know:
- The body is one CloudEvents 1.0 event in JSON. `webhook-id` is the event's id, the same each time it is sent;
  `webhook-timestamp` and `webhook-signature` are of this sending; while a secret is changed, it has several signatures.
- 2xx within 5 s: taken. Answer first and work later; what stands in the answer is not looked at.
- 429, 502, 503, 504: nothing is sent for as long as `Retry-After` says (an hour at the most), else for a while.
- 410: nothing is sent any more.
- Anything else, a redirect too: this event is sent again later, and given up in the end.
- No answer at all: all events wait. No answer to one event, while others are taken: as a refusal of that one.

The environment's proxies and ~/.netrc are not looked at: only settings say where events go.
"""

import asyncio
import ssl
import time
from collections.abc import Collection, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Self

import httpx

from mainstay.kernel.core.sink import CONTENT_TYPE, Away, Gone, Message, Outcome, Readiness, Refused, Unusable
from mainstay.kernel.sinks.signature import signatures

CONNECTIONS = 20
"""To the receiver at once: enough to hide the way there and back, few enough not to be an attack."""

TURN_SECONDS = 3.0
"""A message waits so long for one of these connections; the rest of a large wave is left for the next."""

ANSWER_SECONDS = 5.0
"""From the first byte of the request to the last of the answer."""

_LARGEST_ANSWER = 65_536  # bytes; reading to the end keeps the connection, a longer answer costs it
_LONGEST_REST = 3600.0  # seconds; a receiver that asks for a year has made a mistake
_LATER = frozenset({429, 502, 503, 504})


class WebhookSink:
    """Posts to one URL; signs with every key. Raises ValueError for a URL that is none, without showing it."""

    name = "webhook"

    def __init__(self, url: str, keys: tuple[bytes, ...]) -> None:
        self._url = webhook_url(url)
        self._keys = keys
        self._turns = asyncio.Semaphore(CONNECTIONS)

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        self._client = httpx.AsyncClient(
            verify=_trusted(), limits=limits, timeout=ANSWER_SECONDS, follow_redirects=False, trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Send all, a bounded number at a time; ends within TURN_SECONDS + ANSWER_SECONDS."""
        turns_end = asyncio.get_running_loop().time() + TURN_SECONDS
        async with asyncio.TaskGroup() as wave:
            sent = [wave.create_task(self._send_in_turn(message, turns_end)) for message in messages]
        outcomes = [task.result() for task in sent]
        if None in outcomes:  # the receiver is there: that it is silent about one message is about this message
            return [Refused(str(outcome)) if isinstance(outcome, _Silent) else outcome for outcome in outcomes]
        return outcomes

    async def check(self, _: Collection[str]) -> Readiness:
        """See CheckedSink: resolves and connects, up to where a request would begin."""
        secure = self._url.scheme == "https"
        port = self._url.port or (443 if secure else 80)
        try:
            _reader, writer = await asyncio.open_connection(self._url.host, port, ssl=_trusted() if secure else None)
        except OSError as error:  # of names and of TLS too
            reason = error.strerror or type(error).__name__
            raise Unusable(
                f"{self._url.host}:{port}: {reason}", "check WEBHOOK_URL, and that its host answers"
            ) from None
        writer.transport.abort()
        return Readiness(f"{self._url.host}:{port} takes connections")

    async def _send_in_turn(self, message: Message, turns_end: float) -> Outcome:
        try:
            async with asyncio.timeout_at(turns_end):
                await self._turns.acquire()
        except TimeoutError:
            return Away("there was no time for all messages at once", retry_after=0)
        try:
            return await self._send(message)
        finally:
            self._turns.release()

    async def _send(self, message: Message) -> Outcome:
        answer: httpx.Response | None = None
        failure: Outcome = None
        request = self._client.stream("POST", self._url, content=message.body, headers=self._headers(message))
        try:
            async with asyncio.timeout(ANSWER_SECONDS), request as answer:
                await _read_to_end(answer)
        except (TimeoutError, httpx.ReadTimeout):
            failure = _Silent(f"no answer within {ANSWER_SECONDS:g} s")
        except httpx.HTTPError as error:
            failure = Away(f"{type(error).__name__}")  # its text may hold the URL
        return failure if answer is None else _outcome(answer)

    def _headers(self, message: Message) -> dict[str, str]:
        message_id, timestamp = str(message.id), str(int(time.time()))
        return {
            "content-type": CONTENT_TYPE,
            "user-agent": "mainstay",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signatures(self._keys, message_id, timestamp, message.body),
        }


def webhook_url(url: str) -> httpx.URL:
    """The URL. Raises ValueError, which does not show it."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("has to be a URL such as https://hooks.example/events")
    return parsed


def _trusted() -> ssl.SSLContext:
    trusted = httpx.create_ssl_context(trust_env=False)
    trusted.load_default_certs()  # a receiver within the company has a certificate that only its machines know
    return trusted


class _Silent(Away):
    """The request went out, and no answer came."""


async def _read_to_end(answer: httpx.Response) -> None:
    """Read what is left, so that the connection can be used again, unless it is too much."""
    read = 0
    async for chunk in answer.aiter_raw():
        read += len(chunk)
        if read > _LARGEST_ANSWER:
            break


def _outcome(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if answer.is_success:
        return None
    if status == httpx.codes.GONE:
        return Gone(f"answered {status}")
    if status in _LATER:
        return Away(f"answered {status}", retry_after=_seconds(answer.headers.get("retry-after", "")))
    return Refused(f"answered {status}")


def _seconds(retry_after: str) -> float | None:
    """What Retry-After says, as a number or a date (RFC 9110, section 10.2.3); None where it says nothing sensible."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_REST)
    try:
        date = parsedate_to_datetime(retry_after)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_REST)
