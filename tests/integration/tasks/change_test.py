"""PUT and PATCH /v1/tasks/{id}."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.tasks.conftest import Clock

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITES = pytest.mark.parametrize("method", ["PUT", "PATCH"])
WHOLE = {
    "title": "Write report",
    "description": "Two pages.",
    "status": "new",
    "priority": 1,
    "assignee": "bob",
    "due_date": "2027-01-31",
}
DEFAULTS = {"description": None, "status": "new", "priority": 3, "assignee": None, "due_date": None}
STATUSES = ["new", "in_progress", "completed"]


def without_times(task: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name not in {"created_at", "updated_at"}}


@WRITES
@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}])
async def test_a_change_answers_the_next_version_and_its_tag(
    client: httpx.AsyncClient, bug: dict[str, Any], clock: "Clock", method: str, headers: dict[str, str]
) -> None:
    at = clock.set(7)
    response = await client.request(method, "/v1/tasks/1", json=WHOLE, headers=headers)
    times = {"created_at": bug["created_at"], "updated_at": at, "completed_at": None}
    assert (response.status_code, response.json()) == (200, {"id": 1, **WHOLE, **times, "version": 2})
    assert response.headers["etag"] == '"2"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert (await client.get("/v1/tasks/1")).content == response.content


@WRITES
async def test_a_change_leaves_other_tasks_alone(client: httpx.AsyncClient, bug: dict[str, Any], method: str) -> None:
    other = await client.post("/v1/tasks", json={"title": "Other"})
    await client.request(method, "/v1/tasks/1", json=WHOLE)
    assert (await client.get("/v1/tasks/2")).json() == other.json()


async def test_put_lets_what_is_left_out_fall_to_its_default(client: httpx.AsyncClient, bug: dict[str, Any]) -> None:
    response = await client.put("/v1/tasks/1", json={"title": "Fix bug"})
    assert without_times(response.json()) == without_times({**bug, **DEFAULTS, "version": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"title": " Write \n report "},
        {"description": ""},
        {"description": None},
        {"status": "new"},
        {"priority": 5},
        {"assignee": "😀" * 100},
        {"assignee": None},
        {"due_date": "2028-02-29"},
        {"due_date": None},
        {"priority": 4},
        {"description": None, "assignee": None, "due_date": None},
    ],
)
async def test_patch_leaves_what_is_left_out_unchanged_and_always_makes_a_version(
    client: httpx.AsyncClient, bug: dict[str, Any], change: dict[str, Any]
) -> None:
    response = await client.patch("/v1/tasks/1", json=change)
    assert response.status_code == 200
    assert without_times(response.json()) == without_times({**bug, **change, "version": 2})
    assert (await client.get("/v1/tasks/1")).content == response.content


async def test_versions_count_on_by_one(client: httpx.AsyncClient, bug: dict[str, Any]) -> None:
    tags = ['"1"']
    for priority in (1, 1, 2):
        response = await client.patch("/v1/tasks/1", json={"priority": priority}, headers={"If-Match": tags[-1]})
        tags.append(response.headers["etag"])
    assert tags == ['"1"', '"2"', '"3"', '"4"']


# Statuses, and when a task was completed


@WRITES
@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
async def test_any_status_may_follow_any_and_only_a_completed_task_has_its_time(
    client: httpx.AsyncClient, clock: "Clock", method: str, before: str, after: str
) -> None:
    clock.set(1)
    created = (await client.post("/v1/tasks", json={"title": "Fix bug", "status": before})).json()
    at = clock.set(2)
    body = {"title": "Fix bug", "status": after}
    changed = (await client.request(method, "/v1/tasks/1", json=body)).json()
    stays = before == after == "completed"
    assert created["completed_at"] == (created["created_at"] if before == "completed" else None)
    assert changed["completed_at"] == ((created["created_at"] if stays else at) if after == "completed" else None)
    assert (changed["status"], changed["updated_at"]) == (after, at)
    assert (await client.get("/v1/tasks/1")).json() == changed


async def test_the_time_of_completion_is_kept_cleared_and_set_anew(
    client: httpx.AsyncClient, bug: dict[str, Any], clock: "Clock"
) -> None:
    first, second = clock.set(40), clock.set(10)
    steps = [
        (10, {"status": "completed"}, second),
        (20, {"priority": 1}, second),
        (30, {"status": "in_progress"}, None),
        (35, {"priority": 2}, None),
        (40, {"status": "completed"}, first),
    ]
    for seconds, change, completed_at in steps:
        clock.set(seconds)
        assert (await client.patch("/v1/tasks/1", json=change)).json()["completed_at"] == completed_at, seconds


async def test_put_without_a_status_opens_a_completed_task(client: httpx.AsyncClient, bug: dict[str, Any]) -> None:
    await client.patch("/v1/tasks/1", json={"status": "completed"})
    opened = (await client.put("/v1/tasks/1", json={"title": "Fix bug"})).json()
    assert (opened["status"], opened["completed_at"]) == ("new", None)


# Which task, which version


@WRITES
@pytest.mark.parametrize("task_id", [2, 2**63 - 1])
@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}])
async def test_a_task_that_is_not_there_cannot_be_changed(
    client: httpx.AsyncClient, bug: dict[str, Any], method: str, task_id: int, headers: dict[str, str]
) -> None:
    response = await client.request(method, f"/v1/tasks/{task_id}", json=WHOLE, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "task_not_found")
    assert (await client.get("/v1/tasks")).json()["items"] == [bug]


@WRITES
@pytest.mark.parametrize("if_match", ['"1"', 'W/"1"', "1", "*", '"9", "1"'])
async def test_every_spelling_of_the_current_version_is_taken(
    client: httpx.AsyncClient, bug: dict[str, Any], method: str, if_match: str
) -> None:
    response = await client.request(method, "/v1/tasks/1", json=WHOLE, headers={"If-Match": if_match})
    assert (response.status_code, response.headers["etag"]) == (200, '"2"')


@WRITES
@pytest.mark.parametrize(
    ("if_match", "status", "code"),
    [
        ('"2"', 412, "precondition_failed"),
        ('"001"', 412, "precondition_failed"),
        ('"2", W/"3"', 412, "precondition_failed"),
        ("abc", 400, "invalid_header"),
        ('"1', 400, "invalid_header"),
        ("", 400, "invalid_header"),
    ],
)
async def test_any_other_if_match_changes_nothing(
    client: httpx.AsyncClient, bug: dict[str, Any], method: str, if_match: str, status: int, code: str
) -> None:
    response = await client.request(method, "/v1/tasks/1", json=WHOLE, headers={"If-Match": if_match})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("etag") == ('"1"' if status == 412 else None)
    assert (await client.get("/v1/tasks/1")).json() == bug


async def test_who_comes_second_is_told_the_current_tag(client: httpx.AsyncClient, bug: dict[str, Any]) -> None:
    await client.patch("/v1/tasks/1", json={"priority": 1})
    response = await client.patch("/v1/tasks/1", json={"priority": 2}, headers={"If-Match": '"1"'})
    assert response.status_code == 412
    assert response.headers["etag"] == '"2"'
    assert response.json()["error"]["details"] == {"current_etag": '"2"'}
    again = await client.patch("/v1/tasks/1", json={"priority": 2}, headers={"If-Match": response.headers["etag"]})
    assert (again.status_code, again.json()["priority"]) == (200, 2)
