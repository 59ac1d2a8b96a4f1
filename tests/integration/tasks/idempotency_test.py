"""POST /v1/tasks with an Idempotency-Key: the keys live where the tasks do."""

import asyncio
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = {"Idempotency-Key": "k"}
BUG = {"title": "Fix bug", "priority": 4}
SIXTEEN = 16


def told(response: httpx.Response) -> tuple[Any, ...]:
    """What a replay repeats."""
    return response.status_code, response.content, response.headers["etag"], response.headers["location"]


async def test_the_first_answer_comes_again_and_no_duplicate(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/tasks", json=BUG, headers=KEY)
    again = await client.post("/v1/tasks", json=dict(reversed(BUG.items())), headers=KEY)
    assert told(again) == told(first)
    assert (first.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert "idempotency-replayed" not in first.headers
    assert (await client.get("/v1/tasks")).json()["total"] == 1


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_it_comes_again_whatever_has_become_of_the_task(client: httpx.AsyncClient, method: str) -> None:
    first = await client.post("/v1/tasks", json=BUG, headers=KEY)
    await client.request(method, "/v1/tasks/1", json={"title": "Other"} if method == "PATCH" else None)
    assert told(await client.post("/v1/tasks", json=BUG, headers=KEY)) == told(first)


@pytest.mark.parametrize("body", [{"title": "fix bug", "priority": 4}, {"title": "Fix bug"}, {"title": "Other"}])
async def test_another_body_under_the_key_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    await client.post("/v1/tasks", json=BUG, headers=KEY)
    response = await client.post("/v1/tasks", json=body, headers=KEY)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert (await client.get("/v1/tasks")).json()["total"] == 1


@pytest.mark.parametrize("key", ["", "ü", "x" * 256, "a\tb"])
async def test_what_is_no_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    response = await client.post("/v1/tasks", json=BUG, headers=[(b"Idempotency-Key", key.encode())])
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")
    assert (await client.get("/v1/tasks")).json()["total"] == 0


async def test_a_refused_task_leaves_its_key_free(client: httpx.AsyncClient) -> None:
    await client.post("/v1/tasks", json={"title": "fix bug"})
    duplicate = await client.post("/v1/tasks", json=BUG, headers=KEY)
    invalid = await client.post("/v1/tasks", json={"title": ""}, headers=KEY)
    await client.delete("/v1/tasks/1")
    accepted = await client.post("/v1/tasks", json=BUG, headers=KEY)
    assert [answer.status_code for answer in (duplicate, invalid, accepted)] == [409, 422, 201]
    assert "idempotency-replayed" not in accepted.headers


async def test_without_a_key_or_with_another_the_title_is_there_already(client: httpx.AsyncClient) -> None:
    await client.post("/v1/tasks", json=BUG, headers=KEY)
    for headers in ({}, {"Idempotency-Key": "other"}, {"Idempotency-Key": "K"}):
        assert (await client.post("/v1/tasks", json=BUG, headers=headers)).status_code == 409


async def test_all_with_one_key_get_one_task(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/v1/tasks", json=BUG, headers=KEY) for _ in range(SIXTEEN)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({told(answer) for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
