"""POST /pets and GET /pets/{id}: a pet comes back as it was sent."""

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINIMAL = {"name": "Mittens", "species": "cat"}


async def test_a_created_pet_is_answered_whole_with_its_address_and_tag(client: httpx.AsyncClient) -> None:
    fields = {"name": "Mittens", "species": "cat", "age_years": 2, "status": "sold"}
    response = await client.post("/pets", json=fields)
    assert response.status_code == 201
    assert response.json() == {"id": 1, **fields, "version": 1}
    assert response.headers["location"] == "/pets/1"
    assert response.headers["etag"] == '"1"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["content-type"] == "application/json"


async def test_what_is_left_out_has_its_default(client: httpx.AsyncClient) -> None:
    response = await client.post("/pets", json=MINIMAL)
    assert response.json() == {"id": 1, **MINIMAL, "age_years": None, "status": "available", "version": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x", "species": "x", "age_years": 0},
        {"name": "x" * 64, "species": "😀" * 64, "age_years": 100},
        {"name": " Straße ", "species": "e\u0301 é \t\n\x7f", "age_years": None},
        {"name": '%_\\"<b>', "species": "'; DROP TABLE pets; --", "status": "pending"},
    ],
)
async def test_a_pet_is_read_as_it_was_sent(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    created = await client.post("/pets", json=fields)
    read = await client.get(created.headers["location"])
    assert (created.status_code, read.status_code) == (201, 200)
    assert {name: read.json()[name] for name in fields} == fields
    assert read.content == created.content


async def test_a_read_pet_has_its_tag(client: httpx.AsyncClient, mittens: dict[str, Any]) -> None:
    response = await client.get("/pets/1")
    assert (response.status_code, response.json()) == (200, mittens)
    assert response.headers["etag"] == '"1"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert "location" not in response.headers


async def test_who_has_the_version_gets_304_without_a_body(client: httpx.AsyncClient, mittens: dict[str, Any]) -> None:
    response = await client.get("/pets/1", headers={"If-None-Match": '"1"'})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"1"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert not {"content-type", "content-length"} & set(response.headers)


@pytest.mark.parametrize("known", ['"0"', '"2"', "2"])
async def test_who_has_another_version_gets_the_pet(
    client: httpx.AsyncClient, mittens: dict[str, Any], known: str
) -> None:
    response = await client.get("/pets/1", headers={"If-None-Match": known})
    assert (response.status_code, response.json()) == (200, mittens)


@pytest.mark.parametrize("pet_id", [2, 2**63 - 1])
async def test_a_pet_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, mittens: dict[str, Any], pet_id: int
) -> None:
    response = await client.get(f"/pets/{pet_id}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "pet_not_found"
    assert response.json()["error"]["details"] == {"id": pet_id}
    assert "etag" not in response.headers


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "pet_id",
    ["0", "-1", "+1", "01", "1.0", "1e0", "1_0", "%201", "1%20", "one", "null", "%D9%A1", str(2**63), "9" * 5000],
)
async def test_what_is_no_id_is_refused(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str, pet_id: str
) -> None:
    body = None if method in {"GET", "DELETE"} else MINIMAL
    response = await client.request(method, f"/pets/{pet_id}", json=body, headers={"If-Match": "*"})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "validation_error"
    assert [error["loc"] for error in response.json()["error"]["details"]["errors"]] == [["path", "pet_id"]]
    assert (await client.get("/pets/1")).json() == mittens
