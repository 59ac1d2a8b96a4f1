"""Configurations: every row of the contract's table."""

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from ulid import ULID

if TYPE_CHECKING:
    import asyncpg

    from tests.integration.configs.http.conftest import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONFIGURATIONS = "/api/v1/configurations"
NOBODY = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"


def fault(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest_asyncio.fixture(loop_scope="session")
async def checkout(caller: "Caller") -> dict[str, Any]:
    """An application."""
    return await caller.application("checkout")


@pytest_asyncio.fixture(loop_scope="session")
async def production(caller: "Caller", checkout: dict[str, Any]) -> dict[str, Any]:
    """A configuration of it."""
    return await caller.configuration(checkout, "production", retries=3)


@pytest.fixture
def path(production: dict[str, Any]) -> str:
    return f"{CONFIGURATIONS}/{production['id']}"


async def test_a_new_configuration_is_answered_in_full(caller: "Caller", checkout: dict[str, Any]) -> None:
    sent = {"application_id": checkout["id"], "name": "production", "comments": "Careful.", "config": {"a": [1]}}
    response = await caller.call("POST", CONFIGURATIONS, json=sent)
    body = response.json()
    assert response.status_code == 201
    assert str(ULID.from_str(body["id"])) == body["id"]
    assert body == {"id": body["id"], **sent}
    assert list(body) == ["id", "application_id", "name", "comments", "config"]
    assert response.headers["location"] == f"{CONFIGURATIONS}/{body['id']}"
    read = await caller.get(response.headers["location"])
    assert (read.status_code, read.content) == (200, response.content)
    assert read.headers["etag"] == response.headers["etag"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"application_id": None}, [["body", "application_id"]]),
        ({"application_id": "1"}, [["body", "application_id"]]),
        ({"application_id": 1}, [["body", "application_id"]]),
        ({"application_id": "8" + NOBODY[1:]}, [["body", "application_id"]]),
        ({"name": ""}, [["body", "name"]]),
        ({"name": "x" * 257}, [["body", "name"]]),
        ({"comments": "x" * 1025}, [["body", "comments"]]),
        ({"config": None}, [["body", "config"]]),
        ({"config": []}, [["body", "config"]]),
        ({"config": "{}"}, [["body", "config"]]),
        ({"config": 1}, [["body", "config"]]),
        ({"unknown": 1}, [["body", "unknown"]]),
        ({"id": NOBODY}, [["body", "id"]]),
    ],
)
async def test_an_invalid_body_is_400_and_the_field_is_named(
    caller: "Caller", path: str, production: dict[str, Any], change: dict[str, Any], fields: list[list[str]]
) -> None:
    valid = {name: production[name] for name in ("application_id", "name", "config")}
    before = await caller.get(path)
    for method, address in (("POST", CONFIGURATIONS), ("PUT", path)):
        response = await caller.call(method, address, json={**valid, **change})
        assert fault(response) == (400, "validation_error")
        assert [error["loc"] for error in response.json()["error"]["details"]["errors"]] == fields
    assert (await caller.get(path)).content == before.content


@pytest.mark.parametrize("field", ["application_id", "name", "config"])
async def test_what_is_required_may_not_be_left_out(caller: "Caller", checkout: dict[str, Any], field: str) -> None:
    body = {"application_id": checkout["id"], "name": "x", "config": {}}
    del body[field]
    response = await caller.call("POST", CONFIGURATIONS, json=body)
    assert fault(response) == (400, "validation_error")
    assert response.json()["error"]["details"]["errors"][0]["loc"] == ["body", field]


async def test_an_application_that_is_not_there_is_400(caller: "Caller", database: "asyncpg.Connection") -> None:
    response = await caller.call("POST", CONFIGURATIONS, json={"application_id": NOBODY, "name": "x", "config": {}})
    assert fault(response) == (400, "unknown_application")
    assert response.json()["error"]["details"] == {"fields": ["application_id"]}
    assert await database.fetchval("SELECT count(*) FROM configurations") == 0


async def test_a_name_is_unique_within_its_application(
    caller: "Caller", checkout: dict[str, Any], production: dict[str, Any]
) -> None:
    staging = await caller.configuration(checkout, "staging")
    body: dict[str, Any] = {"name": "production", "config": {}}
    answers = [
        await caller.call("POST", CONFIGURATIONS, json={**body, "application_id": checkout["id"]}),
        await caller.call("PUT", f"{CONFIGURATIONS}/{staging['id']}", json=body),
    ]
    for response in answers:
        assert fault(response) == (409, "duplicate_configuration")
        assert response.json()["error"]["details"] == {"fields": ["application_id", "name"]}
    other = await caller.application("billing")
    assert (await caller.configuration(other, "production"))["name"] == "production"


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("configuration_id", "expected"),
    [
        (NOBODY, (404, "configuration_not_found")),
        (NOBODY.lower(), (404, "configuration_not_found")),
        ("8" + NOBODY[1:], (400, "validation_error")),
        ("1", (400, "validation_error")),
    ],
)
async def test_what_is_not_there_is_404_and_a_bad_ulid_is_400(
    caller: "Caller", method: str, configuration_id: str, expected: tuple[int, str]
) -> None:
    content = {"json": {"name": "x", "config": {}}} if method == "PUT" else {}
    response = await caller.call(method, f"{CONFIGURATIONS}/{configuration_id}", **content)
    assert fault(response) == expected


async def test_put_replaces_all_but_the_application(
    caller: "Caller", path: str, checkout: dict[str, Any], production: dict[str, Any]
) -> None:
    await caller.call("PUT", path, json={"name": "x", "comments": "to be removed", "config": {"a": 1}})
    response = await caller.call("PUT", path, json={"name": "staging", "config": {"b": 2}})
    expected = {**production, "name": "staging", "comments": None, "config": {"b": 2}}
    assert (response.status_code, response.json()) == (200, expected)
    read = await caller.get(path)
    assert (read.content, read.headers["etag"]) == (response.content, response.headers["etag"])


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
async def test_put_may_repeat_the_application(
    caller: "Caller", path: str, checkout: dict[str, Any], spelling: Any
) -> None:
    body = {"application_id": spelling(checkout["id"]), "name": "x", "config": {}}
    response = await caller.call("PUT", path, json=body)
    assert (response.status_code, response.json()["application_id"]) == (200, checkout["id"])


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}, {"If-Match": '"stale"'}])
async def test_put_may_not_move_it_to_another_application(caller: "Caller", path: str, headers: dict[str, str]) -> None:
    before = await caller.get(path)
    for application_id in (NOBODY, (await caller.application("billing"))["id"]):
        body: dict[str, Any] = {"application_id": application_id, "name": "x", "config": {}}
        response = await caller.call("PUT", path, headers, json=body)
        assert fault(response) == (400, "validation_error")
        assert response.json()["error"]["details"]["errors"][0]["loc"] == ["body", "application_id"]
        assert application_id not in response.text
    assert (await caller.get(path)).content == before.content


async def test_the_order_of_the_checks(caller: "Caller", checkout: dict[str, Any], path: str) -> None:
    await caller.configuration(checkout, "staging")
    other = await caller.application("billing")
    invalid, moved = {"name": "", "config": {}}, {"application_id": other["id"], "name": "staging", "config": {}}
    taken, stale, missing = {"name": "staging", "config": {}}, {"If-Match": '"stale"'}, f"{CONFIGURATIONS}/{NOBODY}"
    answers = [
        fault(await caller.call("PUT", missing, stale, json=invalid)),
        fault(await caller.call("PUT", missing, stale, json=moved)),
        fault(await caller.call("PUT", path, stale, json=moved)),
        fault(await caller.call("PUT", path, stale, json=taken)),
        fault(await caller.call("PUT", path, json=taken)),
    ]
    assert answers == [
        (400, "validation_error"),
        (404, "configuration_not_found"),
        (400, "validation_error"),
        (412, "precondition_failed"),
        (409, "duplicate_configuration"),
    ]


async def test_a_configuration_can_be_read_conditionally(caller: "Caller", path: str) -> None:
    tag = await caller.tag(path)
    known = await caller.get(path, {"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert known.headers["cache-control"] == "private, no-cache"
    await caller.call("PUT", path, json={"name": "production", "config": {"retries": 4}})
    assert (await caller.get(path, {"If-None-Match": tag})).status_code == 200


async def test_there_are_no_keys_here(caller: "Caller", checkout: dict[str, Any]) -> None:
    body = {"application_id": checkout["id"], "name": "x", "config": {}}
    answers = [await caller.call("POST", CONFIGURATIONS, {"Idempotency-Key": "k"}, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]


async def test_no_event_is_written(
    caller: "Caller", production: dict[str, Any], database: "asyncpg.Connection"
) -> None:
    assert await database.fetchval("SELECT count(*) FROM outbox") == 0
