"""The outermost layer around applications that misbehave, and around requests that the server cuts off."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainstay.kernel.core.context import request_context
from mainstay.kernel.core.errors import Conflict, StartupError
from mainstay.kernel.http.boundary import Boundary
from mainstay.kernel.http.cors import Cors
from mainstay.kernel.http.rendering import respond
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.metrics import RequestMetrics

HOST = (b"host", b"mainstay")


async def receive() -> Message:
    raise AssertionError


def into(messages: list[Message]) -> Send:
    """Keeps what is sent."""

    async def send(message: Message) -> None:
        messages.append(message)

    return send


def raising(error: BaseException, *, begins: bool = False) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


class Endless:
    """An application that never ends, having begun its answer or not."""

    def __init__(self, *, begins: bool) -> None:
        self._begins = begins
        self.running = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        if self._begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        self.running.set()
        await asyncio.Event().wait()


class Around:
    """A boundary with an application inside; keeps what it sends and counts."""

    def __init__(self, app: ASGIApp) -> None:
        self._registry = CollectorRegistry()
        self._boundary = Boundary(app, RequestMetrics(self._registry), AccessLog(json=True), Cors([]))
        self.sent: list[Message] = []

    async def call(self, method: str = "GET", *headers: tuple[bytes, bytes]) -> Any:
        """The status and the body of the answer, None where there is none."""
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [HOST, *headers],
            "app": SimpleNamespace(state=SimpleNamespace(show_cause=False)),
        }
        await self._boundary(scope, receive, into(self.sent))
        return (self.sent[0]["status"], self.sent[1]["body"]) if self.sent else None

    def counted(self, status: int, method: str = "GET") -> float | None:
        """How many answers of this status there were."""
        labels = {"method": method, "route": "unmatched", "status": str(status)}
        return self._registry.get_sample_value("http_requests_total", labels)

    @property
    def in_flight(self) -> float | None:
        """How many requests it believes to be running."""
        return self._registry.get_sample_value("http_requests_in_flight")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (KeyError("hunter2"), 500, "internal_error"),
        (AssertionError("hunter2"), 500, "internal_error"),
        (TimeoutError("hunter2"), 500, "internal_error"),
        (RecursionError("hunter2"), 500, "internal_error"),
        (ExceptionGroup("hunter2", [ValueError("hunter2")]), 500, "internal_error"),
        (Conflict("Taken."), 409, "conflict"),
    ],
)
async def test_whatever_is_raised_is_answered_in_the_envelope(error: Exception, status: int, code: str) -> None:
    around = Around(raising(error))
    answered, body = await around.call()
    assert (answered, json.loads(body)["error"]["code"]) == (status, code)
    assert b"hunter2" not in body
    assert (around.counted(status), around.in_flight) == (1, 0)


async def test_an_answer_that_has_begun_is_broken_off(caplog: pytest.LogCaptureFixture) -> None:
    around = Around(raising(KeyError("late"), begins=True))
    with pytest.raises(KeyError):
        await around.call()
    assert [message["type"] for message in around.sent] == ["http.response.start"]
    assert [record.message for record in caplog.records if record.exc_info] == ["unexpected error"]
    assert around.in_flight == 0


async def cut_off(app: Endless) -> Around:
    """What became of a request that the server cancelled in the middle."""
    around = Around(app)
    request = asyncio.ensure_future(around.call())
    await app.running.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert around.in_flight == 0
    return around


async def test_a_request_that_is_cut_off_is_told_to_come_again() -> None:
    start, body = (await cut_off(Endless(begins=False))).sent
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert json.loads(body["body"])["error"]["code"] == "unavailable"


async def test_an_answer_that_has_begun_is_left_as_it_is() -> None:
    around = await cut_off(Endless(begins=True))
    assert [message["type"] for message in around.sent] == ["http.response.start"]


async def test_a_caller_that_has_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    around = Around(raising(ClientDisconnect()))
    assert await around.call() is None
    assert (around.counted(499), around.in_flight) == (1, 0)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_head_is_get_to_the_layers_below_and_has_no_body() -> None:
    methods: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        methods.append(scope["method"])
        await respond({"a": 1})(scope, receive, send)

    around = Around(app)
    assert await around.call("HEAD") == (200, b"")
    assert methods == ["GET"]
    assert (b"content-length", b"7") in around.sent[0]["headers"]
    assert around.counted(200, "HEAD") == 1


async def test_the_layers_below_see_no_range() -> None:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await respond({})(scope, receive, send)

    await Around(app).call("GET", (b"range", b"bytes=0-"), (b"accept", b"*/*"), (b"range", b"bytes=1-"))
    assert seen == [b"host", b"accept"]


async def test_the_layers_below_know_whose_request_it_is() -> None:
    seen: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context = request_context.get()
        seen.append(context.request_id if context else None)
        await respond({})(scope, receive, send)

    await Around(app).call("GET", (b"x-request-id", b"mine"))
    assert seen == ["mine"]


@pytest.mark.parametrize("name", [b"host", b"authorization"])
async def test_a_head_that_is_refused_reaches_no_layer_below(name: bytes) -> None:
    status, _ = await Around(raising(AssertionError("reached"))).call("GET", (name, b"a"), (name, b"b"))
    assert status == 400


def trace(error: Exception) -> str:
    """What Starlette says of an application that cannot start."""
    return (
        f"Traceback (most recent call last):\n  File …\n{type(error).__module__}.{type(error).__qualname__}: {error}\n"
    )


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [
        (trace(StartupError("No database: check DATABASE_URL.")), "Cannot start. No database: check DATABASE_URL."),
        (trace(KeyError("x")), trace(KeyError("x"))),
        ("", ""),
    ],
)
async def test_a_start_that_fails_says_what_to_do(said: str, passed_on: str) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.failed", "message": said})

    sent: list[Message] = []
    boundary = Boundary(app, RequestMetrics(CollectorRegistry()), AccessLog(json=True), Cors([]))
    await boundary({"type": "lifespan"}, receive, into(sent))
    assert sent == [{"type": "lifespan.startup.failed", "message": passed_on}]
