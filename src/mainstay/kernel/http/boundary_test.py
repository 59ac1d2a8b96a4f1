"""What the boundary answers when the server cuts a request off."""

import asyncio

import orjson
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from mainstay.kernel.http.boundary import Boundary
from mainstay.kernel.http.cors import Cors
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.metrics import RequestMetrics


class Endless:
    """An application that never ends, having begun its answer or not."""

    def __init__(self, *, begins: bool) -> None:
        self.begins = begins
        self.running = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        self.running.set()
        await asyncio.Event().wait()


async def cut_off(app: Endless) -> list[Message]:
    """What was sent by an application that was cancelled in the middle."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    boundary = Boundary(app, RequestMetrics(CollectorRegistry()), AccessLog(json=True), Cors(()))
    state = FastAPI()
    state.state.show_cause = False
    scope = {
        "type": "http",
        "app": state,
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"mainstay")],
    }
    request = asyncio.ensure_future(boundary(scope, receive, send))
    await app.running.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    return sent


async def test_a_request_that_is_cut_off_is_told_to_come_again() -> None:
    start, body = await cut_off(Endless(begins=False))
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert orjson.loads(body["body"])["error"]["code"] == "unavailable"


async def test_an_answer_that_has_begun_is_left_as_it_is() -> None:
    assert [message["type"] for message in await cut_off(Endless(begins=True))] == ["http.response.start"]
