"""A look-up finds for each request the operation that Starlette's search, route after route, would find."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from mainstay.app import create_app
from mainstay.kernel.http.contract import answers
from mainstay.kernel.http.dispatch import Dispatch
from mainstay.kernel.http.unit import UnitRoute
from mainstay.settings import load_settings


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(load_settings(app_env="test"))


def scope_of(method: str, path: str) -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}


def operations(app: FastAPI) -> list[UnitRoute]:
    return [route for route in app.routes if isinstance(route, UnitRoute)]


def test_every_operation_is_found_with_what_stands_in_its_path(app: FastAPI) -> None:
    dispatch = Dispatch(app.router)
    looked_for = [(method, route) for route in operations(app) for method in route.methods]
    assert len(looked_for) > 40
    for method, route in looked_for:
        scope = scope_of(method, route.path.replace("{", "").replace("}", ""))
        first = next(other for other in app.routes if other.matches(scope)[0] is Match.FULL)
        assert dispatch._find(scope) is first
        assert scope["path_params"] == {name: name for name in route.param_convertors}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("GET", "/pets/"),
        ("GET", "/petsitters"),
        ("GET", "/pets/7/name"),
        ("GET", "//pets"),
        ("POST", "/pets/7"),
        ("TRACE", "/pets"),
        ("GET", "/orders/7/confirm"),
        ("GET", "/api"),
        ("GET", "/docs"),
    ],
)
def test_what_is_no_operation_is_left_to_the_router(app: FastAPI, method: str, path: str) -> None:
    assert Dispatch(app.router)._find(scope_of(method, path)) is None


def test_a_path_of_many_slashes_is_not_looked_for_once_for_each(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would be work that grows with the square of its length: a quarter of a second for what a head may hold."""
    looked_for: list[str] = []

    class Noting(dict[tuple[str, str], list[UnitRoute]]):
        def get(self, key: tuple[str, str], default: Any = None) -> Any:
            looked_for.append(key[1])
            return super().get(key, default)

    dispatch = Dispatch(app.router)
    monkeypatch.setattr(dispatch, "_routes", Noting(dispatch._routes))
    assert dispatch._find(scope_of("GET", "/a" * 30_000)) is None
    assert len(looked_for) < 10


def test_a_path_that_is_written_out_goes_before_one_with_a_place_in_it() -> None:
    router = APIRouter(route_class=UnitRoute)

    @router.get("/cups/{cup_id}")
    @answers(public=True, stored=False)
    async def any_cup(cup_id: str) -> Response:
        return Response()

    @router.get("/cups/best")
    @answers(public=True, stored=False)
    async def best_cup() -> Response:
        return Response()

    found = Dispatch(router)._find(scope_of("GET", "/cups/best"))
    assert found is not None
    assert found.name == "best_cup"
