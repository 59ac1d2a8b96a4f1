"""What is told of tasks: to the outbox in the same commit, to the listeners of the process after it."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mainstay.kernel.core.events import Event, EventBus
from mainstay.services.tasks.domain import TaskCompleted
from tests.conftest import SetState

if TYPE_CHECKING:
    from tests.integration.tasks.conftest import Clock, Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_POSTGRES = pytest.mark.parametrize("storage", ["postgres"], indirect=True, scope="session")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BUG = {
    "title": "Fix bug",
    "description": None,
    "status": "new",
    "priority": 3,
    "assignee": None,
    "due_date": "2026-12-01",
}
CREATED, UPDATED, DELETED = "task.created", "task.updated", "task.deleted"
CHANGED, COMPLETED = "task.status_changed", "task.completed"

Heard = list[Event]


@pytest.fixture
def heard(program: "Program", set_state: SetState) -> Heard:
    """What a listener of the process hears."""
    events: Heard = []

    async def listen(event: Event) -> None:
        events.append(event)

    set_state(program.app, "bus", EventBus())
    program.app.state.bus.subscribe(listen)
    return events


async def live(client: httpx.AsyncClient) -> None:
    """A task's life, each request with an id of its own."""
    await client.post("/v1/tasks", json=BUG, headers={"X-Request-ID": "r1", "traceparent": TRACE})
    change = {"priority": 5, "assignee": None, "status": "in_progress"}
    await client.patch("/v1/tasks/1", json=change, headers={"X-Request-ID": "r2"})
    await client.patch("/v1/tasks/1", json={"status": "completed"}, headers={"X-Request-ID": "r3"})
    await client.put("/v1/tasks/1", json={"title": "FIX bug"}, headers={"X-Request-ID": "r4"})
    await client.patch("/v1/tasks/1", json={"title": "FIX bug"}, headers={"X-Request-ID": "r5"})
    await client.delete("/v1/tasks/1", headers={"X-Request-ID": "r6"})


STARTED = {**BUG, "id": 1, "version": 2, "priority": 5, "status": "in_progress"}
DONE = {**STARTED, "version": 3, "status": "completed"}
OPENED = {**BUG, "id": 1, "version": 4, "title": "FIX bug", "due_date": None}
LIFE: list[tuple[str, str, dict[str, Any]]] = [
    ("r1", CREATED, {**BUG, "id": 1, "version": 1}),
    ("r2", UPDATED, {**STARTED, "changed": ["status", "priority"]}),
    ("r2", CHANGED, {**STARTED, "from": "new", "to": "in_progress"}),
    ("r3", UPDATED, {**DONE, "changed": ["status"]}),
    ("r3", CHANGED, {**DONE, "from": "in_progress", "to": "completed"}),
    ("r3", COMPLETED, DONE),
    ("r4", UPDATED, {**OPENED, "changed": ["title", "status", "priority", "due_date"]}),
    ("r4", CHANGED, {**OPENED, "from": "completed", "to": "new"}),
    ("r5", UPDATED, {**OPENED, "version": 5, "changed": []}),
    ("r6", DELETED, {**OPENED, "version": 6}),
]
"""The request, the type and the payload of each event, in order."""


def without_times(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if not name.endswith("_at")}


@IN_POSTGRES
async def test_the_outbox_has_a_row_for_each_event(client: httpx.AsyncClient, program: "Program") -> None:
    await live(client)
    rows = await program.outbox()
    payloads = [json.loads(row["payload"]) for row in rows]
    told = [
        (row["request_id"], row["type"], without_times(payload)) for row, payload in zip(rows, payloads, strict=True)
    ]
    assert told == LIFE
    assert [row["aggregateversion"] for row in rows] == [payload["version"] for payload in payloads]
    assert {(row["aggregatetype"], row["aggregateid"], row["tenant_id"]) for row in rows} == {("task", "1", "")}
    assert [row["traceparent"] for row in rows] == [TRACE] + [None] * 9


@IN_POSTGRES
async def test_a_payload_has_the_task_as_it_is_answered(
    client: httpx.AsyncClient, program: "Program", bug: dict[str, Any]
) -> None:
    changed = (await client.patch("/v1/tasks/1", json={"status": "completed"})).json()
    created, updated, moved, completed = (json.loads(row["payload"]) for row in await program.outbox())
    assert created == bug
    assert updated == {**changed, "changed": ["status"]}
    assert moved == {**changed, "from": "in_progress", "to": "completed"}
    assert completed == changed


@IN_POSTGRES
@pytest.mark.parametrize("write", ["POST /v1/tasks", "PUT /v1/tasks/1", "PATCH /v1/tasks/1"])
async def test_events_and_task_are_of_one_transaction(
    client: httpx.AsyncClient, program: "Program", bug: dict[str, Any], write: str
) -> None:
    response = await client.request(*write.split(), json={"title": "Other", "status": "completed"})
    task_id = response.json()["id"]
    [written] = await program.rows(f"SELECT xmin::text AS by FROM tasks WHERE id = {task_id}")
    last = [row["written_by"] for row in (await program.outbox())[1:]]
    assert set(last) == {written["by"]}
    assert len(last) == (2 if task_id == 2 else 3)


async def test_listeners_hear_of_each_event_in_the_same_order(client: httpx.AsyncClient, heard: Heard) -> None:
    await live(client)
    told = [(event.type, event.aggregate_id, without_times(dict(event.data))) for event in heard]
    # as the outbox has it, where dates are text
    dates = [(kind, aggregate, payload | {"due_date": str(payload["due_date"])}) for kind, aggregate, payload in told]
    assert dates == [(kind, "1", payload | {"due_date": str(payload["due_date"])}) for _, kind, payload in LIFE]
    assert [event.aggregate_version for event in heard] == [payload["version"] for _, _, payload in LIFE]


async def test_a_payload_has_the_times_of_the_task(client: httpx.AsyncClient, heard: Heard, clock: "Clock") -> None:
    clock.set(1)
    created_at = clock.now
    await client.post("/v1/tasks", json=BUG)
    clock.set(2)
    await client.patch("/v1/tasks/1", json={"status": "completed"})
    times = [(event.data["created_at"], event.data["updated_at"], event.data["completed_at"]) for event in heard]
    assert times == [(created_at, created_at, None)] + [(created_at, clock.now, clock.now)] * 3


async def test_a_task_that_comes_completed_is_told_so(client: httpx.AsyncClient, heard: Heard) -> None:
    await client.post("/v1/tasks", json={**BUG, "status": "completed"})
    assert [event.type for event in heard] == [CREATED, COMPLETED]


async def test_a_completed_task_is_not_completed_again(client: httpx.AsyncClient, heard: Heard) -> None:
    await client.post("/v1/tasks", json={**BUG, "status": "completed"})
    await client.patch("/v1/tasks/1", json={"status": "completed", "priority": 1})
    assert [event.type for event in heard] == [CREATED, COMPLETED, UPDATED]


async def test_who_asks_for_one_kind_hears_that_alone(
    client: httpx.AsyncClient, program: "Program", heard: Heard
) -> None:
    completed: Heard = []

    async def listen(event: Event) -> None:
        completed.append(event)

    program.app.state.bus.subscribe(listen, TaskCompleted)
    await live(client)
    assert [event.type for event in completed] == [COMPLETED]


async def fail(client: httpx.AsyncClient) -> list[int]:
    """Requests that change nothing; their statuses."""
    stale = {"If-Match": '"7"'}
    answers = [
        await client.post("/v1/tasks", json={"title": ""}),
        await client.post("/v1/tasks", json={"title": "Other", "id": 7}),
        await client.post("/v1/tasks", json={"title": "FIX BUG"}),
        await client.put("/v1/tasks/1", json=BUG, headers=stale),
        await client.put("/v1/tasks/9", json=BUG),
        await client.put("/v1/tasks/2", json={"title": "fix bug", "status": "completed"}),
        await client.patch("/v1/tasks/2", json={"title": "fix bug", "status": "completed"}),
        await client.patch("/v1/tasks/1", json={"status": "done"}),
        await client.patch("/v1/tasks/1", json={}),
        await client.patch("/v1/tasks/9", json={"status": "completed"}),
        await client.delete("/v1/tasks/1", headers=stale),
        await client.delete("/v1/tasks/9"),
        await client.get("/v1/tasks/1"),
    ]
    return [answer.status_code for answer in answers]


FAILURES = [422, 422, 409, 412, 404, 409, 409, 422, 422, 404, 412, 404, 200]


@IN_POSTGRES
async def test_what_changes_nothing_leaves_no_row(
    client: httpx.AsyncClient, program: "Program", bug: dict[str, Any]
) -> None:
    await client.post("/v1/tasks", json={"title": "Other"})
    assert await fail(client) == FAILURES
    assert [row["type"] for row in await program.outbox()] == [CREATED, CREATED]


async def test_what_changes_nothing_is_not_heard_of(
    client: httpx.AsyncClient, bug: dict[str, Any], heard: Heard
) -> None:
    await client.post("/v1/tasks", json={"title": "Other"})
    heard.clear()
    assert await fail(client) == FAILURES
    assert heard == []


async def test_a_replay_is_not_heard_of_again(client: httpx.AsyncClient, heard: Heard) -> None:
    for _ in range(2):
        assert (await client.post("/v1/tasks", json=BUG, headers={"Idempotency-Key": "k"})).status_code == 201
    assert [event.type for event in heard] == [CREATED]


@IN_POSTGRES
async def test_a_replay_leaves_no_second_row(client: httpx.AsyncClient, program: "Program") -> None:
    for _ in range(2):
        await client.post("/v1/tasks", json=BUG, headers={"Idempotency-Key": "k"})
    assert [row["type"] for row in await program.outbox()] == [CREATED]
