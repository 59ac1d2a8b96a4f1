"""What the doctor asks of a webhook: a connection, and no request."""

import asyncio
from typing import Any

import pytest

from mainstay.kernel.core.sink import CheckedSink, Unusable
from mainstay.kernel.sinks.webhook import WebhookSink


async def check(url: str) -> str:
    async with WebhookSink(url, (b"key",)) as sink:
        assert isinstance(sink, CheckedSink)
        return (await sink.check(["order"])).found


async def test_it_connects_and_posts_nothing(receiver: Any) -> None:
    assert "takes connections" in await check(receiver.url)
    assert receiver.requests == []


async def test_one_that_is_away_is_said_without_its_path(receiver: Any) -> None:
    await receiver.kill()
    with pytest.raises(Unusable) as raised:
        await check(receiver.url)
    assert "acme" not in str(raised.value)
    assert "WEBHOOK_URL" in raised.value.advice


async def test_one_that_speaks_no_tls_is_said() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unusable, match=f"127.0.0.1:{port}: "):
            await check(f"https://127.0.0.1:{port}/hook?key=hunter2")


async def test_a_name_that_is_nobodys_is_said() -> None:
    with pytest.raises(Unusable, match=r"nobody\.invalid:443"):
        await check("https://nobody.invalid/hook?key=hunter2")
