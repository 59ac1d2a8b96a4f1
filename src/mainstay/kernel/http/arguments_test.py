"""How an endpoint gets its arguments, seen from outside: a small application, called without a socket."""

import threading
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Body, Cookie, Depends, FastAPI, Header, Query, Request
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from mainstay.kernel.http.boundary import Boundary
from mainstay.kernel.http.contract import answers
from mainstay.kernel.http.cors import Cors
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.parameters import Int64, RowId, StrictModel
from mainstay.kernel.http.rate_limits import RateLimits
from mainstay.kernel.http.rendering import respond
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.metrics import RateLimitMetrics, RequestMetrics


class Cup(StrictModel):
    colour: str
    litres: int = 1


async def which_thread() -> int:
    return threading.get_ident()


async def method(request: Request) -> str:
    return request.method


router = APIRouter(route_class=UnitRoute)


@router.put("/cups/{cup_id}")
@answers(public=True, stored=False)
async def put_cup(
    cup_id: RowId,
    request: Request,
    cup: Cup,
    thread: Annotated[int, Depends(which_thread)],
    verb: Annotated[str, Depends(method)],
    limit: Annotated[Int64, Query(ge=1)] = 5,
    tags: Annotated[list[str] | None, Query(alias="tag")] = None,
    tag_list: Annotated[list[Int64], Query(alias="number")] = [],  # noqa: B006 - FastAPI's way to say it
) -> Response:
    assert thread == threading.get_ident()
    return respond(
        {
            "cup_id": cup_id,
            "path": request.url.path,
            "cup": dict(cup),
            "verb": verb,
            "limit": limit,
            "tags": tags,
            "numbers": tag_list,
        }
    )


@router.patch("/cups/{cup_id}")
@answers(public=True, stored=False)
async def patch_cup(cup_id: RowId, cup: Annotated[Cup | None, Body()] = None) -> Response:
    return respond({"cup_id": cup_id, "cup": cup and dict(cup)})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.limits = Limits()
    app.state.rate_limits = RateLimits({}, RateLimitMetrics(CollectorRegistry()))
    app.state.show_cause = False
    app.router.routes += router.routes
    boundary = Boundary(app.router, RequestMetrics(CollectorRegistry()), AccessLog(json=True), Cors(()))

    async def with_app(scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = app
        await boundary(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_app), base_url="http://cups") as client:
        yield client


async def put(client: httpx.AsyncClient, address: str = "/cups/1", **options: Any) -> Any:
    response = await client.put(address, **{"json": {"colour": "red"}, **options})
    assert response.status_code == 200, response.text
    return response.json()


async def test_every_argument_comes_from_where_the_signature_says(client: httpx.AsyncClient) -> None:
    assert await put(client, "/cups/7?limit=3&tag=a&tag=b&number=1&number=2", json={"colour": "red", "litres": 2}) == {
        "cup_id": 7,
        "path": "/cups/7",
        "cup": {"colour": "red", "litres": 2},
        "verb": "PUT",
        "limit": 3,
        "tags": ["a", "b"],
        "numbers": [1, 2],
    }


async def test_what_is_left_out_has_its_default(client: httpx.AsyncClient) -> None:
    got = await put(client)
    assert (got["limit"], got["tags"], got["numbers"], got["cup"]) == (5, None, [], {"colour": "red", "litres": 1})


@pytest.mark.parametrize("options", [{}, {"content": b"null"}, {"json": None}])
async def test_a_body_may_be_left_out_where_it_has_a_default(
    client: httpx.AsyncClient, options: dict[str, Any]
) -> None:
    assert (await client.patch("/cups/1", **options)).json() == {"cup_id": 1, "cup": None}
    assert (await client.patch("/cups/1", json={"colour": "red"})).json()["cup"] == {"colour": "red", "litres": 1}


async def test_a_default_is_made_anew_for_each_request(client: httpx.AsyncClient) -> None:
    assert (await put(client, "/cups/1?number=1"))["numbers"] == [1]
    assert (await put(client))["numbers"] == []


@pytest.mark.parametrize(
    ("address", "body", "locs"),
    [
        ("/cups/a", b'{"colour": "red"}', [["path", "cup_id"]]),
        ("/cups/0", b'{"colour": "red"}', [["path", "cup_id"]]),
        ("/cups/1?limit=a", b'{"colour": "red"}', [["query", "limit"]]),
        ("/cups/1?limit=0", b'{"colour": "red"}', [["query", "limit"]]),
        ("/cups/1?limit=1&limit=2", b'{"colour": "red"}', [["query", "limit"]]),
        ("/cups/1?number=1&number=a", b'{"colour": "red"}', [["query", "number", 1]]),
        ("/cups/1?colour=red", b'{"colour": "red"}', [["query", "colour"]]),
        ("/cups/1?cup=red", b'{"colour": "red"}', [["query", "cup"]]),
        ("/cups/1?tags=red", b'{"colour": "red"}', [["query", "tags"]]),
        ("/cups/1", b"", [["body"]]),
        ("/cups/1", b"null", [["body"]]),
        ("/cups/1", b"[]", [["body"]]),
        ("/cups/1", b'{"cup": {"colour": "red"}}', [["body", "colour"], ["body", "cup"]]),
        (
            "/cups/a?limit=a",
            b'{"colour": 1, "litres": "1"}',
            [["path", "cup_id"], ["query", "limit"], ["body", "colour"], ["body", "litres"]],
        ),
    ],
)
async def test_all_that_is_wrong_is_said_at_once(
    client: httpx.AsyncClient, address: str, body: bytes, locs: list[Any]
) -> None:
    response = await client.put(address, content=body)
    assert response.status_code == 422
    errors = response.json()["error"]["details"]["errors"]
    assert [error["loc"] for error in errors] == locs
    assert all(error["message"] and error["type"] for error in errors)


async def sync_provider_user(cup: Annotated[int, Depends(lambda: 1)]) -> Response:
    return respond(cup)


async def provider_with_parameter(cup_id: int) -> int:
    return cup_id


async def parameter_provider_user(cup: Annotated[int, Depends(provider_with_parameter)]) -> Response:
    return respond(cup)


async def header_user(tag: Annotated[str, Header()]) -> Response:
    return respond(tag)


async def cookie_user(tag: Annotated[str, Cookie()]) -> Response:
    return respond(tag)


async def two_bodies(one: Cup, other: Cup) -> Response:
    return respond([one, other])


async def embedded_body(cup: Annotated[Cup, Body(embed=True)]) -> Response:
    return respond(cup)


def in_a_thread() -> Response:
    return respond(1)


@pytest.mark.parametrize(
    "endpoint",
    [sync_provider_user, parameter_provider_user, header_user, cookie_user, two_bodies, embedded_body, in_a_thread],
)
def test_a_signature_that_is_not_bound_here_is_refused_at_start(endpoint: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        APIRouter(route_class=UnitRoute).post("/cups")(answers(public=True)(endpoint))
