"""DELETE /v1/tasks/{id}."""

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}, {"If-Match": "1"}])
async def test_a_deleted_task_is_gone(client: httpx.AsyncClient, bug: dict[str, Any], headers: dict[str, str]) -> None:
    response = await client.delete("/v1/tasks/1", headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert not {"etag", "content-type", "content-length"} & set(response.headers)
    assert (await client.get("/v1/tasks/1")).status_code == 404
    assert (await client.get("/v1/tasks")).json()["total"] == 0


@pytest.mark.parametrize(
    ("if_match", "status", "code"),
    [
        ('"2"', 412, "precondition_failed"),
        ('"0", "2"', 412, "precondition_failed"),
        ("abc", 400, "invalid_header"),
        ("", 400, "invalid_header"),
    ],
)
async def test_with_another_if_match_the_task_stays(
    client: httpx.AsyncClient, bug: dict[str, Any], if_match: str, status: int, code: str
) -> None:
    response = await client.delete("/v1/tasks/1", headers={"If-Match": if_match})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("etag") == ('"1"' if status == 412 else None)
    assert (await client.get("/v1/tasks/1")).json() == bug


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}])
@pytest.mark.parametrize("task_id", [2, 2**63 - 1])
async def test_what_is_not_there_cannot_be_deleted(
    client: httpx.AsyncClient, bug: dict[str, Any], task_id: int, headers: dict[str, str]
) -> None:
    response = await client.delete(f"/v1/tasks/{task_id}", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "task_not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_deleted_task_is_not_found_by_any_method(
    client: httpx.AsyncClient, bug: dict[str, Any], method: str
) -> None:
    await client.delete("/v1/tasks/1")
    body = None if method in {"GET", "DELETE"} else {"title": "Fix bug"}
    response = await client.request(method, "/v1/tasks/1", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "task_not_found")


async def test_its_title_is_free_again_and_its_id_is_not(client: httpx.AsyncClient, bug: dict[str, Any]) -> None:
    await client.delete("/v1/tasks/1")
    response = await client.post("/v1/tasks", json={"title": " FIX bug"})
    assert (response.status_code, response.headers["location"]) == (201, "/v1/tasks/2")
