"""Which label of a body is taken; what is too large or too slow needs a server (tests/integration/kernel/http)."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect

from mainstay.kernel.core.errors import UnsupportedMediaType
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.request import StrictRequest
from mainstay.kernel.http.types import HEADERS_KEY

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
LABELS = pytest.mark.parametrize(
    "label", [FORM, "Application/X-WWW-Form-Urlencoded", f"{FORM};charset=UTF-8", f"{FORM} ; charset=utf-8"]
)


class Sent(StrictRequest):
    """A request with this body, which notes whether anybody reads it."""

    def __init__(self, body: bytes, label: str | None, *more: tuple[bytes, bytes]) -> None:
        headers = dict(more) if label is None else {b"content-type": label.encode(), **dict(more)}
        state = SimpleNamespace(state=SimpleNamespace(limits=Limits(max_body_bytes=1000, body_timeout=30)))
        super().__init__({"type": "http", HEADERS_KEY: headers, "app": state}, self._give)
        self._sent = body
        self.was_read = False

    async def _give(self) -> Any:
        self.was_read = True
        return {"type": "http.request", "body": self._sent, "more_body": False}


async def loaded(body: bytes, label: str | None, *, form_label: bool = True) -> Any:
    request = Sent(body, label)
    await request.load(form_label=form_label)
    assert await request.json() == request.value
    return request.value


@pytest.mark.parametrize("label", [None, JSON, "application/JSON; charset=utf-8", "application/merge-patch+json"])
@pytest.mark.parametrize("form_label", [True, False])
async def test_json_is_taken_under_its_own_labels_and_under_none(label: str | None, *, form_label: bool) -> None:
    assert await loaded(b'{"a": 1}', label, form_label=form_label) == {"a": 1}


@LABELS
@pytest.mark.parametrize(
    ("body", "value"), [(b"{}", {}), (b'{"a": 1}', {"a": 1}), (b' \r\n\t{ "a" : [ ] } ', {"a": []})]
)
async def test_an_object_may_be_labelled_as_a_form(label: str, body: bytes, value: Any) -> None:
    assert await loaded(body, label) == value


@pytest.mark.parametrize("label", [None, JSON, FORM])
async def test_no_body_is_an_empty_object(label: str | None) -> None:
    assert await loaded(b"", label) == {}


@LABELS
@pytest.mark.parametrize(
    "body", [b"a=1", b"a", b"=", b"[]", b"[{}]", b"null", b'"{}"', b"%7B%7D", b"\xef\xbb\xbf{}", b" "]
)
async def test_anything_else_labelled_as_a_form_is_one(label: str, body: bytes) -> None:
    with pytest.raises(UnsupportedMediaType):
        await loaded(body, label)


@pytest.mark.parametrize("body", [b"{", b"{}{}", b"{a=1}", b'{"a": 1, "a": 2}', b"{}&a=1", b'{"a": "\xff"}'])
async def test_json_labelled_as_a_form_is_read_as_strictly_as_any(body: bytes) -> None:
    with pytest.raises(RequestValidationError):
        await loaded(body, FORM)


@LABELS
@pytest.mark.parametrize("body", [b"{}", b"a=1", b""])
async def test_where_it_was_not_promised_the_label_is_refused_before_the_body_is_read(label: str, body: bytes) -> None:
    request = Sent(body, label)
    with pytest.raises(UnsupportedMediaType):
        await request.load()
    assert not request.was_read


async def test_where_it_was_not_promised_no_body_is_none() -> None:
    assert await loaded(b"", None, form_label=False) is None
    assert await loaded(b"", JSON, form_label=False) is None


@pytest.mark.parametrize(
    "label",
    [
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencodedx",
        f"x{FORM}",
        f"{FORM},{JSON}",
        "",
    ],
)
async def test_no_other_label_is_taken(label: str) -> None:
    request = Sent(b"{}", label)
    with pytest.raises(UnsupportedMediaType):
        await request.load(form_label=True)
    assert not request.was_read


async def test_a_coded_body_is_refused_whatever_its_label() -> None:
    for label in (JSON, FORM):
        request = Sent(b"{}", label, (b"content-encoding", b"gzip"))
        with pytest.raises(UnsupportedMediaType):
            await request.load(form_label=True)
        assert not request.was_read


async def test_who_leaves_is_no_empty_body() -> None:
    request = Sent(b"", FORM)

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    request._receive = gone
    with pytest.raises(ClientDisconnect):
        await request.load(form_label=True)
