"""A title is there once, whatever its case and the white space around it, also when requests race."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mainstay.app import create_app
from mainstay.settings import load_settings

if TYPE_CHECKING:
    from tests.integration.tasks.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLERS = 50
TITLE = "Straße fegen"
SAME = ["Straße fegen", "STRASSE FEGEN", " strasse Fegen", "straße fegen\t\n", "\u3000StraSSe fegen\u00a0"]
OTHER = ["Straße  fegen", "Strase fegen", "Straßefegen", "Straße fegen.", "%", "Straße_fegen"]
WRITES = pytest.mark.parametrize("write", ["POST /v1/tasks", "PUT /v1/tasks/2", "PATCH /v1/tasks/2"])


async def make(client: httpx.AsyncClient, *titles: str) -> None:
    for title in titles:
        assert (await client.post("/v1/tasks", json={"title": title})).status_code == 201


async def statuses(*calls: Awaitable[httpx.Response]) -> Counter[int]:
    """How often each status, where all calls are made at once."""
    return Counter(response.status_code for response in await asyncio.gather(*calls))


@WRITES
@pytest.mark.parametrize("title", SAME)
async def test_a_title_that_is_there_is_refused_and_the_task_that_has_it_named(
    client: httpx.AsyncClient, write: str, title: str
) -> None:
    await make(client, TITLE, "Other")
    before = (await client.get("/v1/tasks")).json()
    response = await client.request(*write.split(), json={"title": title})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "duplicate_task"
    assert response.json()["error"]["details"] == {"title": title, "existing_id": 1}
    assert not {"etag", "location"} & set(response.headers)
    assert (await client.get("/v1/tasks")).json() == before


@WRITES
@pytest.mark.parametrize("title", OTHER)
async def test_a_title_that_is_another_is_taken(client: httpx.AsyncClient, write: str, title: str) -> None:
    await make(client, TITLE, "Other")
    response = await client.request(*write.split(), json={"title": title})
    assert (response.is_success, response.json()["title"]) == (True, title)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("title", SAME)
async def test_a_task_may_be_renamed_to_its_own_title(client: httpx.AsyncClient, method: str, title: str) -> None:
    await make(client, TITLE)
    response = await client.request(method, "/v1/tasks/1", json={"title": title})
    assert (response.status_code, response.json()["title"], response.json()["version"]) == (200, title, 2)
    assert (await client.get("/v1/tasks/1")).content == response.content


async def test_a_renamed_task_leaves_its_title_to_others(client: httpx.AsyncClient) -> None:
    await make(client, TITLE)
    await client.patch("/v1/tasks/1", json={"title": "Other"})
    assert (await client.post("/v1/tasks", json={"title": TITLE})).status_code == 201
    back = await client.patch("/v1/tasks/1", json={"title": TITLE.upper()})
    assert back.json()["error"]["details"]["existing_id"] != 1
    assert back.json()["error"]["details"]["title"] == TITLE.upper()


async def test_a_completed_task_keeps_its_title(client: httpx.AsyncClient) -> None:
    await client.post("/v1/tasks", json={"title": TITLE, "status": "completed"})
    assert (await client.post("/v1/tasks", json={"title": TITLE})).status_code == 409


async def test_a_stale_tag_goes_before_a_title_that_is_there(client: httpx.AsyncClient) -> None:
    await make(client, TITLE, "Other")
    response = await client.patch("/v1/tasks/2", json={"title": TITLE}, headers={"If-Match": '"7"'})
    assert response.status_code == 412


# At once


def spelled(number: int) -> str:
    """A spelling for each number of one title."""
    letters = (letter.upper() if number >> place & 1 else letter for place, letter in enumerate("fix bug"))
    return " " * (number % 3) + "".join(letters) + "\t" * (number % 2)


async def test_of_all_who_create_one_title_one_does(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/tasks", json={"title": spelled(number)}) for number in range(CALLERS))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CALLERS - 1}
    [stored] = (await client.get("/v1/tasks")).json()["items"]
    [created] = [answer.json() for answer in answers if answer.status_code == 201]
    assert stored == created
    details = [answer.json()["error"]["details"] for answer in answers if answer.status_code == 409]
    assert {refused["existing_id"] for refused in details} == {stored["id"]}
    assert {refused["title"] for refused in details} | {stored["title"]} == {spelled(i) for i in range(CALLERS)}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_of_all_who_rename_to_one_title_one_does(client: httpx.AsyncClient, method: str) -> None:
    await make(client, *(f"Task {number}" for number in range(CALLERS // 2)))
    counted = await statuses(
        *(
            client.request(method, f"/v1/tasks/{number + 1}", json={"title": spelled(number)})
            for number in range(CALLERS // 2)
        )
    )
    assert counted == {200: 1, 409: CALLERS // 2 - 1}
    titles = [task["title"] for task in (await client.get("/v1/tasks?limit=100")).json()["items"]]
    assert sum(title.strip().casefold() == "fix bug" for title in titles) == 1


async def test_of_all_with_one_tag_one_wins(client: httpx.AsyncClient, bug: dict[str, Any]) -> None:
    first = {"If-Match": '"1"'}
    counted = await statuses(
        *(client.patch("/v1/tasks/1", json={"assignee": f"a{i}"}, headers=first) for i in range(CALLERS))
    )
    assert counted == {200: 1, 412: CALLERS - 1}


async def test_a_title_that_is_taken_and_left_in_a_hurry_ends_in_no_failure(client: httpx.AsyncClient) -> None:
    async def take_and_leave() -> set[int]:
        taken = await client.post("/v1/tasks", json={"title": TITLE})
        if taken.status_code != 201:
            return {taken.status_code}
        return {201, (await client.delete(taken.headers["location"])).status_code}

    found = await asyncio.gather(*(take_and_leave() for _ in range(CALLERS)))
    assert set().union(*found) <= {201, 204, 409}
    assert (await client.get("/v1/tasks")).json()["total"] == 0


# Why, for developers


@pytest.mark.parametrize(("app_env", "shown"), [("dev", True), ("test", False)])
async def test_the_cause_is_shown_in_dev_alone(
    program: "Program", storage: str, storage_url: str | None, tmp_path: Path, app_env: str, shown: bool
) -> None:
    settings = load_settings(
        app_env=app_env,
        log_level="WARNING",
        services="tasks",
        database_url=storage_url,
        tasks_storage=storage,
        data_dir=tmp_path,
        migrate_on_start=False,
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        await make(client, TITLE, "Other")
        duplicates = [
            await client.post("/v1/tasks", json={"title": TITLE}),
            await client.put("/v1/tasks/2", json={"title": TITLE}),
            await client.patch("/v1/tasks/2", json={"title": TITLE}),
        ]
        missing = await client.get("/v1/tasks/9")
    names = {"postgres": "UniqueViolationError: ", "sqlite-memory": "IntegrityError: "}
    for response in duplicates:
        details = response.json()["error"]["details"]
        cause = details.pop("cause", None)
        assert details == {"title": TITLE, "existing_id": 1}
        assert (cause is not None) == shown
        assert cause is None or cause.startswith(names[storage])
    assert missing.json()["error"]["details"] == {"id": 9}
