"""What POST, PUT and PATCH refuse to write."""

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINIMAL = {"name": "Tom", "species": "dog"}
TEXTS = ['""', f'"{"x" * 65}"', f'"{"😀" * 65}"', "null", "7", "true", '["cat"]', "{}", '"a\\u0000b"', '"\\ud800"']
AGES = [
    "-1",
    "101",
    '"7"',
    "2.5",
    "2.0",
    "1e1",
    "true",
    "[]",
    '""',
    "9223372036854775807",
    "9223372036854775808",
    "NaN",
]
STATUSES = ['"lost"', '"SOLD"', '"sold "', '""', "null", "1", "true", "[]"]
UNKNOWN = ["id", "version", "created_at", "updated_at", "colour", "Name", ""]
BAD = [
    *(("name", text) for text in TEXTS),
    *(("species", text) for text in TEXTS),
    *(("age_years", age) for age in AGES),
    *(("status", status) for status in STATUSES),
    *((name, "1") for name in UNKNOWN),
]
WRITES = pytest.mark.parametrize("write", ["POST /pets", "PUT /pets/1", "PATCH /pets/1"])


async def send(client: httpx.AsyncClient, write: str, body: str) -> httpx.Response:
    headers = {"If-Match": '"1"', "Content-Type": "application/json"}
    return await client.request(*write.split(), content=body.encode(), headers=headers)


async def assert_refused(client: httpx.AsyncClient, response: httpx.Response, mittens: dict[str, Any]) -> list[Any]:
    """Refused as a validation error, and nothing is written; the errors."""
    assert response.status_code == 422, response.text
    assert response.json()["error"]["code"] == "validation_error"
    stored = (await client.get("/pets")).json()
    assert stored["items"] == [mittens]
    errors: list[Any] = response.json()["error"]["details"]["errors"]
    assert errors
    for error in errors:
        assert set(error) == {"loc", "message", "type"}
    return errors


@WRITES
@pytest.mark.parametrize(("field", "value"), BAD)
async def test_a_bad_field_is_refused(
    client: httpx.AsyncClient, mittens: dict[str, Any], write: str, field: str, value: str
) -> None:
    members = {"name": '"Tom"', "species": '"dog"', field: value}
    body = ", ".join(f'"{name}": {text}' for name, text in members.items())
    errors = await assert_refused(client, await send(client, write, f"{{{body}}}"), mittens)
    assert all(error["loc"][0] == "body" for error in errors)
    named = {error["loc"][1] for error in errors if len(error["loc"]) > 1}
    assert named <= {field or "<name>"}  # what is no JSON at all names no field
    assert named or any(rule in errors[0]["type"] for rule in ("json_",))


@WRITES
@pytest.mark.parametrize(
    "body", ["", "null", "[]", "[{}]", '"cat"', "7", "true", "{", "{}}", "{'name': 'Tom'}", "name=Tom"]
)
async def test_a_body_that_is_no_object_is_refused(
    client: httpx.AsyncClient, mittens: dict[str, Any], write: str, body: str
) -> None:
    errors = await assert_refused(client, await send(client, write, body), mittens)
    assert errors[0]["loc"] == ["body"]


@pytest.mark.parametrize("write", ["POST /pets", "PUT /pets/1"])
@pytest.mark.parametrize("missing", ["name", "species"])
async def test_a_whole_pet_needs_name_and_species(
    client: httpx.AsyncClient, mittens: dict[str, Any], write: str, missing: str
) -> None:
    given = next(field for field in MINIMAL if field != missing)
    errors = await assert_refused(client, await send(client, write, f'{{"{given}": "x"}}'), mittens)
    assert [(error["loc"], error["type"]) for error in errors] == [(["body", missing], "missing")]


@WRITES
async def test_everything_that_is_wrong_is_said_at_once_and_nothing_of_it_repeated(
    client: httpx.AsyncClient, mittens: dict[str, Any], write: str
) -> None:
    body = '{"name": 4711, "species": "", "age_years": "secret", "status": "secret", "colour": "secret"}'
    response = await send(client, write, body)
    errors = await assert_refused(client, response, mittens)
    assert {error["loc"][1] for error in errors} == {"name", "species", "age_years", "status", "colour"}
    assert "secret" not in response.text
    assert "4711" not in response.text


async def test_a_refused_pet_takes_no_key_and_no_event(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    refused = await client.post("/pets", json={"name": ""}, headers=headers)
    accepted = await client.post("/pets", json=MINIMAL, headers=headers)
    assert (refused.status_code, accepted.status_code) == (422, 201)
    assert "idempotency-replayed" not in accepted.headers
