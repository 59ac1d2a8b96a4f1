"""DELETE /pets/{id}."""

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}, {"If-Match": "1"}])
async def test_a_deleted_pet_is_gone(
    client: httpx.AsyncClient, mittens: dict[str, Any], headers: dict[str, str]
) -> None:
    response = await client.delete("/pets/1", headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert not {"etag", "content-type", "content-length"} & set(response.headers)
    assert (await client.get("/pets/1")).status_code == 404
    assert (await client.get("/pets")).json()["_meta"]["total"] == 0


@pytest.mark.parametrize(
    ("if_match", "status", "code"),
    [
        ('"2"', 412, "precondition_failed"),
        ('"0", "2"', 412, "precondition_failed"),
        ("abc", 400, "invalid_header"),
        ("", 400, "invalid_header"),
    ],
)
async def test_with_another_if_match_the_pet_stays(
    client: httpx.AsyncClient, mittens: dict[str, Any], if_match: str, status: int, code: str
) -> None:
    response = await client.delete("/pets/1", headers={"If-Match": if_match})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("etag") == ('"1"' if status == 412 else None)
    assert (await client.get("/pets/1")).json() == mittens


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}])
async def test_what_is_not_there_cannot_be_deleted(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.delete("/pets/1", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "pet_not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_deleted_pet_is_not_found_by_any_method(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str
) -> None:
    await client.delete("/pets/1")
    body = None if method in {"GET", "DELETE"} else {"name": "Tom", "species": "dog"}
    response = await client.request(method, "/pets/1", json=body, headers={"If-Match": '"1"'})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "pet_not_found")


async def test_the_id_is_not_used_again(client: httpx.AsyncClient, mittens: dict[str, Any]) -> None:
    await client.delete("/pets/1")
    response = await client.post("/pets", json={"name": "Tom", "species": "dog"})
    assert response.headers["location"] == "/pets/2"
