import asyncio
import logging
from typing import Any, cast

import pytest
from starlette.types import Message
from uvicorn.protocols.http.flow_control import FlowControl

from mainstay.kernel.http.exchange import Exchange

LENGTH_2 = (b"content-length", b"2")


class Wire:
    """What a transport is asked to do."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True


class Asked(Exchange):
    """A request that is to be answered."""

    def __init__(self, method: str = "GET", *, keep_alive: bool = True) -> None:
        self.wire = Wire()
        self.ends = 0
        transport = cast("asyncio.Transport", self.wire)
        super().__init__(
            scope=cast("Any", {"method": method}),
            transport=transport,
            flow=FlowControl(transport),
            logger=logging.getLogger(),
            access_logger=logging.getLogger(),
            access_log=False,
            default_headers=[(b"date", b"today")],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=self._count,
        )

    def _count(self) -> None:
        self.ends += 1

    async def begin(self, *headers: tuple[bytes, bytes], status: int = 200) -> "Asked":
        await self.send(start(*headers, status=status))
        return self


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def test_the_head_goes_out_with_the_body_in_one_write_spelled_as_it_was_given() -> None:
    asked = await Asked().begin((b"ETag", b'"1"'), LENGTH_2)
    assert asked.wire.writes == []
    await asked.send(piece(b"{}"))
    assert asked.wire.writes == [b'HTTP/1.1 200 OK\r\ndate: today\r\nETag: "1"\r\ncontent-length: 2\r\n\r\n{}']
    assert (asked.ends, asked.wire.is_closed) == (1, False)


async def test_what_has_no_length_goes_out_in_chunks_each_at_once() -> None:
    asked = await Asked().begin()
    for body, more in ((b"abc", True), (b"", True), (b"0123456789abcdef", True), (b"", False)):
        await asked.send(piece(body, more=more))
    first, *others = asked.wire.writes
    assert first == b"HTTP/1.1 200 OK\r\ndate: today\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    assert others == [b"", b"10\r\n0123456789abcdef\r\n", b"0\r\n\r\n"]
    assert asked.ends == 1


@pytest.mark.parametrize(
    ("method", "status", "headers"), [("HEAD", 200, [LENGTH_2]), ("HEAD", 200, []), ("GET", 204, []), ("GET", 304, [])]
)
async def test_an_answer_without_a_body_ends_with_its_head(
    method: str, status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    asked = await Asked(method).begin(*headers, status=status)
    await asked.send(piece(b"{}" if method == "HEAD" else b""))
    (written,) = asked.wire.writes
    assert written.endswith(b"\r\n\r\n")
    assert b"chunked" not in written
    assert (b"content-length" in written) is bool(headers)


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\nb", b"a\rb", b"a\0b", b"\x1f", b"\x7f"])
@pytest.mark.parametrize("place", [0, 1])
async def test_a_header_that_would_be_read_as_two_is_not_sent(value: bytes, place: int) -> None:
    asked = Asked()
    with pytest.raises(ValueError, match="control"):
        await asked.begin((value, b"a") if place == 0 else (b"x", value), LENGTH_2)
    assert (asked.wire.writes, asked.response_started) == ([], False)


async def test_a_tab_may_stand_in_a_value() -> None:
    asked = await Asked().begin((b"x", b"a\tb"), LENGTH_2)
    assert not asked.wire.writes
    await asked.send(piece(b"{}"))
    assert b"x: a\tb\r\n" in asked.wire.writes[0]


@pytest.mark.parametrize("pieces", [[piece(b"{")], [piece(b"{} ")], [piece(b"{", more=True), piece(b"} ", more=True)]])
async def test_a_body_that_is_not_as_long_as_was_said_is_broken_off(pieces: list[Message]) -> None:
    """Else what is left over or missing would be taken for the next answer."""
    asked = await Asked().begin(LENGTH_2)
    for whole in pieces[:-1]:
        await asked.send(whole)
    with pytest.raises(RuntimeError, match="Content-Length"):
        await asked.send(pieces[-1])
    assert asked.ends == 0


async def test_what_does_not_come_next_is_refused() -> None:
    with pytest.raises(RuntimeError, match="next"):
        await Asked().send(piece(b"{}"))
    asked = await Asked().begin(LENGTH_2)
    with pytest.raises(RuntimeError, match="next"):
        await asked.send(start(LENGTH_2))


@pytest.mark.parametrize(("keep_alive", "headers"), [(False, []), (True, [(b"connection", b"Close")])])
async def test_a_connection_that_is_not_kept_is_closed_and_the_answer_says_so_once(
    *, keep_alive: bool, headers: list[tuple[bytes, bytes]]
) -> None:
    asked = await Asked(keep_alive=keep_alive).begin(LENGTH_2, *headers)
    await asked.send(piece(b"{}"))
    assert asked.wire.writes[0].lower().count(b"connection: close\r\n") == 1
    assert asked.wire.is_closed


async def test_nothing_is_written_to_a_caller_who_has_gone() -> None:
    asked = await Asked().begin(LENGTH_2)
    asked.disconnected = True
    await asked.send(piece(b"{}"))
    assert (asked.wire.writes, asked.ends) == ([], 0)
