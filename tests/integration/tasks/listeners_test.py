"""Who hears of a change: after its commit, without holding the answer, and whatever the others do."""

import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.types import Message

from mainstay.kernel.core.events import Event, EventBus
from tests.conftest import SetState

if TYPE_CHECKING:
    from tests.integration.tasks.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "hunter2"
LISTENER = "mainstay.services.tasks.listeners"


@pytest.fixture
def bus(program: "Program", set_state: SetState) -> EventBus:
    """The program's, without a listener."""
    bus = EventBus()
    set_state(program.app, "bus", bus)
    return bus


@pytest.mark.parametrize("error", [RuntimeError("broken"), TimeoutError(), KeyError("title")], ids=repr)
async def test_a_listener_that_fails_is_logged_and_neither_the_request_nor_the_others_notice(
    client: httpx.AsyncClient, bus: EventBus, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    heard: list[str] = []

    async def fail(_: Event) -> None:
        raise error

    async def listen(event: Event) -> None:
        heard.append(event.type)

    for listener in (fail, listen, fail):
        bus.subscribe(listener)
    created = await client.post("/v1/tasks", json={"title": "Fix bug"})
    completed = await client.patch("/v1/tasks/1", json={"status": "completed"})
    deleted = await client.delete("/v1/tasks/1")
    assert [answer.status_code for answer in (created, completed, deleted)] == [201, 200, 204]
    types = ["task.created", "task.updated", "task.status_changed", "task.completed", "task.deleted"]
    assert heard == types
    failures = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in failures] == [
        f"a listener failed on {kind}" for kind in types for _ in range(2)
    ]
    assert all(record.exc_info is not None and record.exc_info[1] is error for record in failures)


async def test_a_listener_runs_once_the_answer_is_sent_and_finds_the_task_stored(
    client: httpx.AsyncClient, program: "Program", bus: EventBus
) -> None:
    happened: list[str] = []

    async def listen(event: Event) -> None:
        found = await client.get(f"/v1/tasks/{event.aggregate_id}")
        happened.append(f"{event.type} {found.status_code}")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def watched(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                happened.append("answered")

        await program.app(scope, receive, watched)

    bus.subscribe(listen)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mainstay") as watched_client:
        await watched_client.post("/v1/tasks", json={"title": "Fix bug"})
    assert happened == ["answered", "task.created 200"]


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the listener of the program has written."""
    return [dict(record.msg) for record in caplog.records if record.name == LISTENER and isinstance(record.msg, dict)]


async def test_each_event_is_written_down_with_type_id_and_request_id(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    task = {"title": SECRET, "description": SECRET, "assignee": SECRET}
    await client.post("/v1/tasks", json=task, headers={"X-Request-ID": "r1"})
    await client.patch("/v1/tasks/1", json={"status": "completed"}, headers={"X-Request-ID": "r2"})
    deleted = await client.delete("/v1/tasks/1")
    lines = lines_of(caplog)
    assert [(line["event"], line["task"], line["version"], line["request_id"]) for line in lines] == [
        ("task.created", "1", 1, "r1"),
        ("task.updated", "1", 2, "r2"),
        ("task.status_changed", "1", 2, "r2"),
        ("task.completed", "1", 2, "r2"),
        ("task.deleted", "1", 3, deleted.headers["x-request-id"]),
    ]
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("method", "body"), [("POST", {"title": ""}), ("PATCH", {"title": "other"}), ("PATCH", {}), ("GET", None)]
)
async def test_what_changes_nothing_is_not_written_down(
    client: httpx.AsyncClient, bug: dict[str, Any], caplog: pytest.LogCaptureFixture, method: str, body: Any
) -> None:
    await client.post("/v1/tasks", json={"title": "Other"})
    caplog.set_level(logging.INFO)
    path = "/v1/tasks" if method == "POST" else "/v1/tasks/1"
    await client.request(method, path, json=body)
    assert lines_of(caplog) == []
