"""A request whose body is bounded in size and time and read as strict JSON."""

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl

from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect, Request

from mainstay.kernel.core.errors import RequestTimeout, TooLarge, UnsupportedMediaType
from mainstay.kernel.http import strict_json
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.types import HEADERS_KEY, Headers

_JSON = b"application/json"
_FIELDS_MAX = 100
# A whole media type (RFC 9110, section 8.3.1), whatever its parameters: a charset means nothing (RFC 8259, section 11).
_LIKE_JSON = re.compile(rb"application/(?:[\w!#$&^.-]+\+)?json[ \t]*(?:;.*)?", re.IGNORECASE)
_FORM = re.compile(rb"application/x-www-form-urlencoded[ \t]*(?:;.*)?", re.IGNORECASE)


class StrictRequest(Request):
    """What FastAPI gets in place of Starlette's request; FastAPI finds the parsed body in its cache."""

    _body: bytes
    _fields: dict[str, str]
    _json: Any

    @property
    def named_headers(self) -> Headers:
        """All headers by name, as the boundary has read them."""
        headers: Headers = self.scope[HEADERS_KEY]
        return headers

    @property
    def value(self) -> Any:
        """The body that `load` has parsed, None where there is none."""
        return getattr(self, "_json", None)

    async def load(self, *, form_label: bool = False) -> None:
        """Read and parse the body.

        With `form_label`, JSON may be labelled as a form, and no body is `{}`: plain `curl -d "{}"` sends the one and
        `curl -X POST` the other. No page of another site gains by it, as the headers that these operations ask for make
        a browser ask first.

        Raises UnsupportedMediaType, TooLarge, RequestTimeout, RequestValidationError, and ClientDisconnect where the
        caller has gone.
        """
        labelled = form_label and _FORM.fullmatch(self.named_headers.get(b"content-type", b"")) is not None
        _check_media_type(self.named_headers, labelled=labelled)
        self._body = await self._read_in_time()
        if labelled and not self._body.lstrip().startswith(b"{") and self._body:
            raise UnsupportedMediaType
        self._json = parse(self._body or b"{}") if self._body or form_label else None
        if self._json is None and form_label:  # elsewhere a body has to be there, and null is none
            raise RequestValidationError([{"type": "dict_type", "loc": ("body",), "msg": "Input should be an object"}])

    async def load_form(self) -> dict[str, str]:
        """Read and parse a body that is a form: its fields by name. Raises what `load` does."""
        if not hasattr(self, "_fields"):  # else the endpoint runs again, and the body has been read
            _check_form(self.named_headers)
            self._fields = parse_form(await self._read_in_time())
        return self._fields

    async def body(self) -> bytes:
        """The bytes that `load` has read."""
        return self._body

    async def json(self) -> Any:
        """The value that `load` has parsed."""
        return self._json

    async def _read_in_time(self) -> bytes:
        limits: Limits = self.app.state.limits
        try:
            async with asyncio.timeout(limits.body_timeout):
                return await self._read(limits.max_body_bytes)
        except TimeoutError as error:
            raise RequestTimeout from error

    async def _read(self, limit: int) -> bytes:
        """The whole body. One over the limit is read to its end and dropped: who still sends reads no answer."""
        length = int(self.named_headers.get(b"content-length", b"0"))
        if length > limit and b"expect" in self.named_headers:  # who asks first sends nothing without our leave
            raise _too_large(limit)
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            chunk, more = await self._next()
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
        if size > limit:
            raise _too_large(limit)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _next(self) -> tuple[bytes, bool]:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        return message.get("body", b""), message.get("more_body", False)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {limit} bytes.", limit=limit)


def parse(text: bytes) -> Any:
    """The JSON value of a body. Raises RequestValidationError."""
    try:
        return strict_json.loads(text)
    except strict_json.StrictJsonError as error:
        raise RequestValidationError([{"type": error.type, "loc": ("body",), "msg": str(error)}]) from error


def parse_form(text: bytes) -> dict[str, str]:
    """The fields of a form. Raises RequestValidationError, also where a field stands twice."""
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise _no_form("The body is no form in UTF-8") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _no_form("A field stands twice")
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise _no_form("The body holds a NUL character")
    return fields


def _no_form(message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "form_invalid", "loc": ("body",), "msg": message}])


def _check_form(headers: Headers) -> None:
    if (
        not _FORM.fullmatch(headers.get(b"content-type", b""))
        or headers.get(b"content-encoding", b"identity") != b"identity"
    ):
        raise UnsupportedMediaType("Send the body as application/x-www-form-urlencoded.")


def _check_media_type(headers: Headers, *, labelled: bool) -> None:
    """Absent and `+json` are JSON; a coded body is none. `labelled` is looked at when the body is there."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")
    media_type = headers.get(b"content-type")
    if media_type is None or media_type == _JSON or labelled:
        return
    if not _LIKE_JSON.fullmatch(media_type):
        raise UnsupportedMediaType
