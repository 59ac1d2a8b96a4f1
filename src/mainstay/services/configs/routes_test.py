import json
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from mainstay.kernel.core.errors import TooLarge
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.http.types import HEADERS_KEY
from mainstay.services.configs import routes
from mainstay.services.configs.domain import Application

OPERATIONS = {
    ("POST", "/api/v1/applications"),
    ("GET", "/api/v1/applications"),
    ("GET", "/api/v1/applications/{application_id}"),
    ("PUT", "/api/v1/applications/{application_id}"),
    ("POST", "/api/v1/configurations"),
    ("GET", "/api/v1/configurations/{configuration_id}"),
    ("PUT", "/api/v1/configurations/{configuration_id}"),
}


def request(if_none_match: str | None = None, body: bytes = b"", limit: int = 100) -> Any:
    headers = {} if if_none_match is None else {b"if-none-match": if_none_match.encode()}

    async def read() -> bytes:
        return body

    app = SimpleNamespace(state=SimpleNamespace(limits=SimpleNamespace(max_body_bytes=limit)))
    return SimpleNamespace(scope={HEADERS_KEY: headers}, body=read, app=app)


def test_the_routes_are_those_of_the_contract() -> None:
    found: list[Any] = list(routes.router.routes)
    assert {(method, route.path) for route in found for method in route.methods} == OPERATIONS


@pytest.mark.parametrize(
    ("if_none_match", "wait", "known"),
    [
        ('"a", W/"b"', 30, TagList(tags=frozenset("ab"))),
        ('"a"', None, None),
        (None, 30, None),
        ("nonsense", 30, None),
        ("*", 30, None),
    ],
)
def test_only_who_names_what_he_knows_waits(if_none_match: str | None, wait: int | None, known: TagList | None) -> None:
    assert routes._to_wait_for(request(if_none_match), wait) == known


async def test_a_config_may_be_as_long_as_a_body() -> None:
    body = b'{"config": {"a": 1e3}}'
    assert await routes._config(request(body=body, limit=12)) == '{"a":1000.0}'


async def test_a_config_that_grows_beyond_that_is_too_large() -> None:
    body = b'{"config": {"a": 1e3}}'
    with pytest.raises(TooLarge, match="over the limit of 11 bytes"):
        await routes._config(request(body=body, limit=11))


@pytest.mark.parametrize("sizes", [[0], [1], [2, 0], [2, 2, 1]])
async def test_batches_make_one_array(sizes: Sequence[int]) -> None:
    async def batches() -> AsyncIterator[Sequence[Application]]:
        for size in sizes:
            yield [Application("id", "name", None, ())] * size

    pieces: list[Any] = [piece async for piece in routes._json_array(batches())]
    assert len(json.loads(b"".join(pieces))) == sum(sizes)
