import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from mainstay.kernel.http.waiting import while_connected


@pytest.fixture
def gone() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def request_(gone: asyncio.Event) -> Request:
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


async def forever(cancelled: asyncio.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.set()


async def test_the_outcome_is_that_of_the_work(request_: Request) -> None:
    assert await while_connected(request_, asyncio.sleep(0, "done")) == "done"


async def test_an_error_of_the_work_comes_through(request_: Request) -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await while_connected(request_, fail())


async def test_work_for_a_caller_that_leaves_is_cancelled(request_: Request, gone: asyncio.Event) -> None:
    cancelled = asyncio.Event()
    waiting = asyncio.create_task(while_connected(request_, forever(cancelled)))
    await asyncio.sleep(0)
    gone.set()
    with pytest.raises(ClientDisconnect):
        await waiting
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_work_of_a_request_that_is_cancelled_is_cancelled_too(request_: Request) -> None:
    cancelled = asyncio.Event()
    waiting = asyncio.create_task(while_connected(request_, forever(cancelled)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_nothing_goes_on_after_the_outcome(request_: Request) -> None:
    before = asyncio.all_tasks()
    await while_connected(request_, asyncio.sleep(0))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
