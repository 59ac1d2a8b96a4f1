"""POST /v1/tasks and GET /v1/tasks/{id}: a task comes back as it was sent."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.tasks.conftest import Clock

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_SQLITE = pytest.mark.parametrize("storage", ["sqlite-memory"], indirect=True, scope="session")
"""For what is refused before any storage is asked."""
MINIMAL = {"title": "Fix bug"}
WHOLE = {
    "title": "Fix bug",
    "description": "In the login.",
    "status": "in_progress",
    "priority": 4,
    "assignee": "ada",
    "due_date": "2026-12-01",
}
DEFAULTS = {"description": None, "status": "new", "priority": 3, "assignee": None, "due_date": None}


async def test_a_created_task_is_answered_whole_with_its_address_and_tag(
    client: httpx.AsyncClient, clock: "Clock"
) -> None:
    at = clock.set(0)
    response = await client.post("/v1/tasks", json=WHOLE)
    assert response.status_code == 201
    times = {"created_at": at, "updated_at": at, "completed_at": None}
    assert response.json() == {"id": 1, **WHOLE, **times, "version": 1}
    assert response.headers["location"] == "/v1/tasks/1"
    assert response.headers["etag"] == '"1"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["content-type"] == "application/json"


async def test_what_is_left_out_has_its_default(client: httpx.AsyncClient) -> None:
    created = (await client.post("/v1/tasks", json=MINIMAL)).json()
    assert {name: created[name] for name in DEFAULTS} == DEFAULTS
    assert created["completed_at"] is None


async def test_a_task_may_come_completed(client: httpx.AsyncClient, clock: "Clock") -> None:
    created = (await client.post("/v1/tasks", json={**MINIMAL, "status": "completed"})).json()
    assert created["completed_at"] == created["created_at"] == clock.set(0)


async def test_times_are_of_now_and_in_utc(client: httpx.AsyncClient) -> None:
    created = (await client.post("/v1/tasks", json=MINIMAL)).json()
    at = datetime.fromisoformat(created["created_at"])
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(at.tzinfo) - at) < timedelta(minutes=1)


TITLES = [
    "x",
    "x" * 200,
    "😀" * 200,
    f" \t\n{'x' * 200} \u3000\u00a0",
    "  Fix  bug  ",
    "100% of snake_case \\ / 'quotes' \"and\" `ticks`",
    "'; DROP TABLE tasks; --",
    "<b>bold</b> {{7*7}} ${HOME} %s %(title)s :title",
    "Ошибка 修正 バグ תיקון إصلاح ꜱᴍᴀʟʟ",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 é \u202eright to left\u202c",
    "line\nbreak\ttab\x7f\x1b[31m",
    "İstanbul Straße ΣΊΣΥΦΟΣ",
]


@pytest.mark.parametrize("title", TITLES)
async def test_a_title_is_kept_as_sent(client: httpx.AsyncClient, title: str) -> None:
    created = await client.post("/v1/tasks", json={"title": title})
    assert (created.status_code, created.json()["title"]) == (201, title)
    assert (await client.get("/v1/tasks/1")).content == created.content
    assert [task["title"] for task in (await client.get("/v1/tasks")).json()["items"]] == [title]


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "", "assignee": "x", "priority": 1, "due_date": "0001-01-01"},
        {"description": "😀" * 4000, "assignee": "😀" * 100, "priority": 5, "due_date": "9999-12-31"},
        {"description": " kept \n ", "assignee": " kept ", "due_date": "2028-02-29"},
        *({"description": title, "assignee": title[:100]} for title in TITLES[4:]),
        DEFAULTS,
    ],
)
async def test_a_task_is_read_as_it_was_sent(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    created = await client.post("/v1/tasks", json={**MINIMAL, **fields})
    read = await client.get(created.headers["location"])
    assert (created.status_code, read.status_code) == (201, 200)
    assert {name: read.json()[name] for name in fields} == fields
    assert read.content == created.content


async def test_a_read_task_has_its_tag(client: httpx.AsyncClient, bug: dict[str, Any]) -> None:
    response = await client.get("/v1/tasks/1")
    assert (response.status_code, response.json()) == (200, bug)
    assert response.headers["etag"] == '"1"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert "location" not in response.headers


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"7", "1"', "*"])
async def test_who_has_the_version_gets_304_without_a_body(
    client: httpx.AsyncClient, bug: dict[str, Any], known: str
) -> None:
    response = await client.get("/v1/tasks/1", headers={"If-None-Match": known})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"1"'
    assert not {"content-type", "content-length"} & set(response.headers)


@pytest.mark.parametrize("known", ['"0"', '"2"', "2", '"01"'])
async def test_who_has_another_version_gets_the_task(
    client: httpx.AsyncClient, bug: dict[str, Any], known: str
) -> None:
    response = await client.get("/v1/tasks/1", headers={"If-None-Match": known})
    assert (response.status_code, response.json()) == (200, bug)


@pytest.mark.parametrize("task_id", [2, 2**63 - 1])
async def test_a_task_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, bug: dict[str, Any], task_id: int
) -> None:
    response = await client.get(f"/v1/tasks/{task_id}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "task_not_found"
    assert response.json()["error"]["details"] == {"id": task_id}
    assert "etag" not in response.headers


@IN_SQLITE
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "task_id", ["0", "-1", "+1", "01", "1.0", "1e0", "1_0", "%201", "one", "null", "%D9%A1", str(2**63), "9" * 5000]
)
async def test_what_is_no_id_is_refused(
    client: httpx.AsyncClient, bug: dict[str, Any], method: str, task_id: str
) -> None:
    body = None if method in {"GET", "DELETE"} else MINIMAL
    response = await client.request(method, f"/v1/tasks/{task_id}", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "validation_error"
    assert [error["loc"] for error in response.json()["error"]["details"]["errors"]] == [["path", "task_id"]]
    assert (await client.get("/v1/tasks/1")).json() == bug
