"""Answers that are too long to be held in memory: sent piece by piece, as fast as the caller reads."""

from collections.abc import AsyncIterator
from typing import Self

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mainstay.kernel.http.rendering import JSON, NO_STORE
from mainstay.kernel.http.types import HEAD_KEY


class Streamed(Response):
    """JSON in pieces.

    Where a later piece fails, the connection is broken off: without the last, empty chunk no HTTP/1.1 caller takes it
    for the whole.
    """

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self.status_code = 200
        self.raw_headers = [JSON, NO_STORE]
        self.background = None
        self._first = first
        self._rest = rest

    @classmethod
    async def of(cls, pieces: AsyncIterator[bytes]) -> Self:
        """Make the first piece now: what goes wrong with that one can still be answered with an error."""
        return cls(await anext(pieces), pieces)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces: none where the caller wants the headers alone, no more of them once it has gone."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if HEAD_KEY not in scope:
            request = Request(scope, receive)
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for piece in self._rest:
                if await request.is_disconnected():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
