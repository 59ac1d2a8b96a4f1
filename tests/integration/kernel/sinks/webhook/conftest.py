"""A receiver of webhooks over real connections, which a test tells what to answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, Self

import pytest


class Request(NamedTuple):
    """What came in; header names are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An HTTP answer as it goes over the wire."""
    head = [f"HTTP/1.1 {status} Because", f"content-length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Receiver:
    """Listens on a free port and keeps it; an answer of None breaks the connection."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = self.most_at_once = self._at_once = 0
        self.answer: Callable[[Request], Awaitable[bytes | None]] = self.take
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    reply = staticmethod(answer)

    @property
    def url(self) -> str:
        """Where it takes events."""
        return f"http://127.0.0.1:{self._port}/hooks?tenant=acme"

    async def take(self, _: Request) -> bytes | None:
        """Take everything."""
        return answer(204)

    def says(self, *answers: bytes | None) -> None:
        """Give these answers, one after another, the last one again and again."""
        left = list(answers)

        async def say(_: Request) -> bytes | None:
            return left.pop(0) if len(left) > 1 else left[0]

        self.answer = say

    async def start(self) -> None:
        """Listen, on the port of the last time."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Stop listening and break every connection."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    def serving(self) -> set[asyncio.Task[Any]]:
        """Its own tasks."""
        return {task for task in asyncio.all_tasks() if "Receiver" in repr(task.get_coro())}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(Request(line, headers, body))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            said = await self.answer(self.requests[-1])
        finally:
            self._at_once -= 1
        if said is None:
            writer.transport.abort()
            return False
        writer.write(said)
        await writer.drain()
        return True

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave nothing open."""
        await self.kill()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that listens and takes everything."""
    async with Receiver() as receiver:
        yield receiver
