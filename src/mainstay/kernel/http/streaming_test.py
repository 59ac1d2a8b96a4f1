from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.kernel.http.streaming import Streamed
from mainstay.kernel.http.types import HEAD_KEY


class Pieces:
    """Counts what was asked of it."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.made = 0
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.made += 1
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Caller:
    """Takes messages, and leaves after so many of them."""

    def __init__(self, *, leaves_after: float = float("inf")) -> None:
        self.got: list[dict[str, Any]] = []
        self._leaves_after = leaves_after

    async def receive(self) -> dict[str, Any]:
        left = len(self.got) >= self._leaves_after
        return {"type": "http.disconnect"} if left else {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Any) -> None:
        self.got.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.got[1:])

    @property
    def is_done(self) -> bool:
        return self.got[-1].get("more_body") is None


async def stream(pieces: Pieces, caller: Caller, **scope: Any) -> None:
    response = await Streamed.of(aiter(pieces))
    await response({"type": "http", **scope}, caller.receive, caller.send)


@pytest.mark.parametrize("pieces", [(b"[]",), (b"[1", b",2", b"]")])
async def test_all_pieces_are_sent_and_the_last_message_says_so(pieces: tuple[bytes, ...]) -> None:
    caller = Caller()
    await stream(Pieces(*pieces), caller)
    start, *_ = caller.got
    assert start["status"] == 200
    assert start["headers"] == [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    assert caller.body == b"".join(pieces)
    assert caller.is_done


async def test_a_first_piece_that_fails_does_so_before_anything_is_sent() -> None:
    with pytest.raises(OSError, match="away"):
        await Streamed.of(aiter(Pieces(OSError("away"))))


async def test_a_later_piece_that_fails_leaves_the_answer_without_its_end() -> None:
    caller = Caller()
    with pytest.raises(OSError, match="away"):
        await stream(Pieces(b"[1", OSError("away"), b"]"), caller)
    assert caller.body == b"[1"
    assert not caller.is_done


async def test_nothing_more_is_made_for_a_caller_that_has_gone() -> None:
    caller, pieces = Caller(leaves_after=3), Pieces(*[b"x"] * 100)
    await stream(pieces, caller)
    assert pieces.made < 6
    assert not caller.is_done


async def test_who_wants_the_headers_alone_gets_no_piece() -> None:
    caller, pieces = Caller(), Pieces(b"[1", b"]")
    await stream(pieces, caller, **{HEAD_KEY: True})
    assert (caller.body, caller.is_done, pieces.made) == (b"", True, 1)
