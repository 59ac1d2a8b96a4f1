"""What is told of pets: to the outbox in the same commit, to the listeners of the process after it."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mainstay.kernel.core.events import Event, EventBus
from tests.conftest import SetState

if TYPE_CHECKING:
    from tests.integration.pets.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_POSTGRES = pytest.mark.parametrize("storage", ["postgres"], indirect=True, scope="session")
MITTENS = {"name": "Mittens", "species": "cat", "age_years": None, "status": "available"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

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
    """A pet's life, each request with an id of its own."""
    await client.post("/pets", json=MITTENS, headers={"X-Request-ID": "r1", "traceparent": TRACE})
    await client.patch("/pets/1", json={"age_years": 3}, headers={"X-Request-ID": "r2", "If-Match": '"1"'})
    await client.put("/pets/1", json=MITTENS, headers={"X-Request-ID": "r3", "If-Match": '"2"'})
    await client.delete("/pets/1", headers={"X-Request-ID": "r4"})


LIFE = [
    ("pet.created", "1", 1, {**MITTENS, "id": 1, "version": 1}),
    ("pet.updated", "1", 2, {**MITTENS, "id": 1, "version": 2, "age_years": 3}),
    ("pet.updated", "1", 3, {**MITTENS, "id": 1, "version": 3}),
    ("pet.deleted", "1", 4, {**MITTENS, "id": 1, "version": 4}),
]


def without_times(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in {"created_at", "updated_at"}}


@IN_POSTGRES
async def test_the_outbox_has_a_row_for_each_change(client: httpx.AsyncClient, program: "Program") -> None:
    await live(client)
    rows = await program.outbox()
    payloads = [json.loads(row["payload"]) for row in rows]
    told = [
        (row["type"], row["aggregateid"], row["aggregateversion"], without_times(payload))
        for row, payload in zip(rows, payloads, strict=True)
    ]
    assert told == LIFE
    assert {row["aggregatetype"] for row in rows} == {"pet"}
    assert {row["tenant_id"] for row in rows} == {""}
    assert [row["request_id"] for row in rows] == ["r1", "r2", "r3", "r4"]
    assert [row["traceparent"] for row in rows] == [TRACE, None, None, None]
    assert len({payload["created_at"] for payload in payloads}) == 1
    updates = [payload["updated_at"] for payload in payloads]
    assert updates == sorted(updates)
    assert updates[0] == payloads[0]["created_at"]
    assert all(time.endswith("Z") for time in updates)


async def test_listeners_hear_of_each_change(client: httpx.AsyncClient, heard: Heard) -> None:
    await live(client)
    told = [
        (event.type, event.aggregate_id, event.aggregate_version, without_times(dict(event.data))) for event in heard
    ]
    assert told == LIFE


async def fail(client: httpx.AsyncClient) -> list[int]:
    """Requests that change nothing; their statuses."""
    first, stale = {"If-Match": '"1"'}, {"If-Match": '"7"'}
    answers = [
        await client.post("/pets", json={"name": ""}),
        await client.put("/pets/1", json=MITTENS),
        await client.put("/pets/1", json=MITTENS, headers=stale),
        await client.patch("/pets/1", json={"status": "lost"}, headers=first),
        await client.patch("/pets/2", json={}, headers=first),
        await client.delete("/pets/1", headers=stale),
        await client.delete("/pets/2"),
        await client.get("/pets/1"),
    ]
    return [answer.status_code for answer in answers]


FAILURES = [422, 428, 412, 422, 404, 412, 404, 200]


@IN_POSTGRES
async def test_what_changes_nothing_leaves_no_row(
    client: httpx.AsyncClient, program: "Program", mittens: dict[str, Any]
) -> None:
    assert await fail(client) == FAILURES
    assert [row["type"] for row in await program.outbox()] == ["pet.created"]


async def test_what_changes_nothing_is_not_heard_of(
    client: httpx.AsyncClient, mittens: dict[str, Any], heard: Heard
) -> None:
    assert await fail(client) == FAILURES
    assert heard == []


async def test_a_replay_is_not_heard_of_again(client: httpx.AsyncClient, heard: Heard) -> None:
    for _ in range(2):
        await client.post("/pets", json=MITTENS, headers={"Idempotency-Key": "k"})
    assert [event.type for event in heard] == ["pet.created"]


@IN_POSTGRES
async def test_a_replay_leaves_no_second_row(client: httpx.AsyncClient, program: "Program") -> None:
    for _ in range(2):
        await client.post("/pets", json=MITTENS, headers={"Idempotency-Key": "k"})
    assert [row["type"] for row in await program.outbox()] == ["pet.created"]


@IN_POSTGRES
async def test_without_an_id_of_the_caller_the_event_has_the_one_that_was_made(
    client: httpx.AsyncClient, program: "Program"
) -> None:
    response = await client.post("/pets", json=MITTENS)
    assert [row["request_id"] for row in await program.outbox()] == [response.headers["x-request-id"]]


async def test_a_listener_that_fails_does_not_fail_the_request(
    client: httpx.AsyncClient, program: "Program", heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: Event) -> None:
        raise RuntimeError("broken")

    program.app.state.bus._listeners.insert(0, (Event, fail))
    response = await client.post("/pets", json=MITTENS)
    assert response.status_code == 201
    assert [event.type for event in heard] == ["pet.created"]
    assert "a listener failed on pet.created" in caplog.text
