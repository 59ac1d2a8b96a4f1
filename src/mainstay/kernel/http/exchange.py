"""One request and its answer on a connection: how the answer is written."""

from collections.abc import Iterable

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_CONTROLS = bytes({*range(0x20), 0x7F} - {ord("\t")})
_BODYLESS = {204, 304}
_END = b"0\r\n\r\n"


def head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The status line and the headers. Raises ValueError where one holds what would be read as the next."""
    lines = [STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in headers], b"\r\n"]
    text = b"".join(lines)
    if len(text) - len(text.translate(None, _CONTROLS)) != len(b"\r\n") * len(lines):
        raise ValueError("a header holds a control character")
    return text


class Exchange(RequestResponseCycle):
    """Writes the head together with the first of the body, and looks once at all of it.

    uvicorn writes the two apart, and searches each name and value for what may not be in it. Each write wakes the
    caller: together that took 18 of the 203 us of reading an order (docs/adr/0017-what-a-request-costs.md).
    """

    _unsent = b""

    async def send(self, message: Message) -> None:  # type: ignore[override]  # uvicorn's types are narrower
        """Take a piece of the answer, as ASGI has it. Raises RuntimeError where that is no answer."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] != ("http.response.body" if self.response_started else "http.response.start"):
            raise RuntimeError(f"{message['type']} does not come next")
        if self.response_started:
            self._write(message.get("body", b""), more=message.get("more_body", False))
        else:
            self._begin(message["status"], message.get("headers", ()))

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        lines = [*self.default_headers, *headers]
        names = dict(lines)
        if b"content-length" in names:
            self.chunked_encoding = False
            self.expected_content_length = int(names[b"content-length"])
        else:
            self.chunked_encoding = status not in _BODYLESS and self.scope["method"] != "HEAD"
            if self.chunked_encoding:
                lines.append((b"transfer-encoding", b"chunked"))
        if names.get(b"connection", b"").lower() == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append((b"connection", b"close"))
        self._unsent = head(status, lines)
        self.response_started = True
        self.waiting_for_100_continue = False

    def _write(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else _END)
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("the body is not as long as its Content-Length")
        self.transport.write(self._unsent + body)
        self._unsent = b""
        if not more:
            self._end()

    def _end(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
