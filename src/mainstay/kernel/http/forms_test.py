import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.responses import Response

from mainstay.kernel.core.unit import LostRace
from mainstay.kernel.http.application import create_application
from mainstay.kernel.http.contract import answers
from mainstay.kernel.http.forms import form_body, read_form
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.rendering import respond
from mainstay.kernel.http.request import StrictRequest, parse_form
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.ops.access_log import AccessLog

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Cup(BaseModel):
    """What the form is read as."""

    size: int
    colour: str = "white"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (b"", {}),
        (b"a=b", {"a": "b"}),
        (b"a=&b=%20+%2B", {"a": "", "b": "  +"}),
        (b"a=%F0%9F%90%8E&b=%C3%A4", {"a": "🐎", "b": "ä"}),
        (b"a", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
    ],
)
def test_a_form_is_its_fields(text: bytes, fields: dict[str, str]) -> None:
    assert parse_form(text) == fields


@pytest.mark.parametrize(
    "text",
    [
        b"a=\xc3\xa4",
        b"a=%ff",
        b"a=%ED%A0%80",
        b"a=%00",
        b"a=b&a=c",
        b"a=b&a=b",
        b"&".join(b"f%d=" % n for n in range(101)),
    ],
    ids=range(7),
)
def test_what_two_readers_would_take_for_two_is_no_form(text: bytes) -> None:
    with pytest.raises(RequestValidationError) as raised:
        parse_form(text)
    assert raised.value.errors()[0]["loc"] == ("body",)


@pytest.fixture
def runs() -> list[Cup]:
    """What the endpoint was given, each time that it ran."""
    return []


@pytest.fixture
def app(runs: list[Cup]) -> FastAPI:
    router = APIRouter(route_class=UnitRoute)

    @router.post("/cups", openapi_extra=form_body(Cup))
    @answers(public=True)
    async def buy(request: StrictRequest) -> Response:
        """Buy a cup; at the first attempt another customer is faster."""
        runs.append(await read_form(request, Cup))
        if len(runs) == 1:
            raise LostRace
        return respond(runs[-1].model_dump())

    return create_application(
        routers=[router],
        limits=Limits(max_body_bytes=1000, body_timeout=0.1),
        access_log=AccessLog(json=True),
        show_cause=False,
        cors_origins=(),
        title="Cups",
    )


async def sent(app: FastAPI, content: Any, headers: dict[str, str] = FORM) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://cups") as client:
        return await client.post("/cups", content=content, headers=headers)


async def test_an_endpoint_that_runs_again_reads_the_form_again(app: FastAPI, runs: list[Cup]) -> None:
    response = await sent(app, b"size=3&colour=blue")
    assert (response.status_code, response.json()) == (200, {"size": 3, "colour": "blue"})
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("content", "wrong"), [(b"", "size"), (b"size=big", "size"), (b"colour=blue", "size"), (b"size=", "size")]
)
async def test_what_is_wrong_with_a_field_is_told(app: FastAPI, content: bytes, wrong: str) -> None:
    response = await sent(app, content)
    assert response.status_code == 422
    [error] = response.json()["error"]["details"]["errors"]
    assert error["loc"] == ["body", wrong]
    assert "big" not in response.text


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "application/json"}, {}, {**FORM, "Content-Encoding": "gzip"}, {"Content-Type": "form"}],
)
async def test_what_is_not_called_a_form_is_none(app: FastAPI, headers: dict[str, str]) -> None:
    assert (await sent(app, b"size=3", headers)).status_code == 415


@pytest.mark.parametrize("media_type", [f"{FORM['Content-Type']}; charset=utf-8", FORM["Content-Type"].upper()])
async def test_a_form_may_be_called_so_in_more_words(app: FastAPI, media_type: str) -> None:
    assert (await sent(app, b"size=3", {"Content-Type": media_type})).status_code == 200


async def test_a_form_has_a_bound_in_size_and_time(app: FastAPI) -> None:
    assert (await sent(app, b"colour=" + b"x" * 1000)).status_code == 413

    async def slow() -> AsyncIterator[bytes]:
        yield b"size="
        await asyncio.Event().wait()

    assert (await sent(app, slow())).status_code == 408


def test_the_document_describes_the_form(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/cups"]["post"]
    [(media_type, content)] = operation["requestBody"]["content"].items()
    assert media_type == FORM["Content-Type"]
    assert content["schema"]["required"] == ["size"]
    assert {"408", "413", "415", "422"} <= set(operation["responses"])
