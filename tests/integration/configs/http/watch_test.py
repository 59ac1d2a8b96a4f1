"""Waiting for a change with `?wait=` and If-None-Match."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from mainstay.services.configs.repository import ConfigsRepository

if TYPE_CHECKING:
    import asyncpg
    import httpx
    from fastapi import FastAPI

    from tests.integration.configs.http.conftest import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

APPLICATIONS, CONFIGURATIONS = "/api/v1/applications", "/api/v1/configurations"
NOBODY = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
LONG = 30  # seconds; nobody here waits for so long

Eventually = Callable[..., Awaitable[Any]]


class Watching:
    """A resource, those who wait for it to change, and what the waiting costs."""

    def __init__(self, app: "FastAPI", caller: "Caller", path: str) -> None:
        self.path = path
        self._caller = caller
        self._app = app
        self._tasks: list[asyncio.Task[httpx.Response]] = []

    @property
    def waiters(self) -> int:
        """How many wait."""
        return sum(one.waiters for watch in self._app.state.configs().watches for one in watch._watched.values())

    @property
    def looks(self) -> bool:
        """Whether anybody still looks at what is there."""
        configs = self._app.state.configs()
        return any(
            loader._batch or loader._queries for loader in (configs._applications, configs._configurations)
        ) or any(one.is_stale.is_set() for watch in configs.watches for one in watch._watched.values())

    async def get(self, wait: object = LONG, known: str | None = None) -> "httpx.Response":
        """GET with `wait`, and with If-None-Match where something is known."""
        return await self._caller.get(f"{self.path}?wait={wait}", {} if known is None else {"If-None-Match": known})

    async def start(self, known: str, number: int = 1) -> "list[asyncio.Task[httpx.Response]]":
        """So many more who wait."""
        before = self.waiters
        tasks = [asyncio.create_task(self.get(LONG, known)) for _ in range(number)]
        self._tasks += tasks
        while self.waiters < before + number or self.looks:
            for task in tasks:
                assert not task.done(), task.result().text
            await asyncio.sleep(0.005)
        return tasks

    async def stop(self) -> None:
        """Let nobody wait."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="session")
async def application(caller: "Caller") -> dict[str, Any]:
    """An application."""
    return await caller.application()


@pytest_asyncio.fixture(loop_scope="session")
async def configuration(caller: "Caller", application: dict[str, Any]) -> dict[str, Any]:
    """A configuration of it."""
    return await caller.configuration(application, number=0)


@pytest_asyncio.fixture(loop_scope="session", params=[APPLICATIONS, CONFIGURATIONS])
async def watching(
    app: "FastAPI", caller: "Caller", application: Any, configuration: Any, request: pytest.FixtureRequest
) -> AsyncIterator[Watching]:
    """Each kind of resource in turn."""
    one = application if request.param == APPLICATIONS else configuration
    watching = Watching(app, caller, f"{request.param}/{one['id']}")
    yield watching
    await watching.stop()
    assert watching.waiters == 0
    assert [watch._watched for watch in app.state.configs().watches] == [{}, {}]


async def change(caller: "Caller", watching: Watching, name: str = "changed") -> "httpx.Response":
    body = {"name": name} if watching.path.startswith(APPLICATIONS) else {"name": name, "config": {}}
    response = await caller.call("PUT", watching.path, json=body)
    assert response.status_code == 200, response.text
    return response


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of the database."""
    asked: list[Any] = []
    sound = ConfigsRepository._fetch

    async def fetch(self: ConfigsRepository, statement: str, values: Any) -> Any:
        asked.append(values)
        return await sound(self, statement, values)

    monkeypatch.setattr(ConfigsRepository, "_fetch", fetch)
    return asked


@pytest.mark.parametrize("known", [None, '"other"', 'W/"other", "another"', "abc", '"abc', ""])
async def test_who_knows_another_version_or_none_is_answered_at_once(watching: Watching, known: str | None) -> None:
    response = await watching.get(LONG, known)
    assert response.status_code == 200
    assert response.content == (await watching._caller.get(watching.path)).content


async def test_no_change_can_be_waited_for_with_an_asterisk(watching: Watching) -> None:
    assert (await watching.get(LONG, "*")).status_code == 304


@pytest.mark.parametrize("known", ["{tag}", "W/{tag}", '"other", {tag}'])
async def test_who_knows_the_version_waits_for_the_next(watching: Watching, caller: "Caller", known: str) -> None:
    tag = await caller.tag(watching.path)
    [waiting] = await watching.start(known.format(tag=tag))
    changed = await change(caller, watching)
    response = await waiting
    assert (response.status_code, response.content) == (200, changed.content)
    assert response.headers["etag"] == changed.headers["etag"] != tag
    assert response.headers["cache-control"] == "private, no-cache"


async def test_without_a_change_it_is_304_at_the_end(watching: Watching, caller: "Caller") -> None:
    tag = await caller.tag(watching.path)
    started = time.monotonic()
    response = await watching.get(1, tag)
    assert 1 <= time.monotonic() - started < 3
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)


@pytest.mark.parametrize("wait", [0, 61, -1, "", "1.0", "1e1", "01", "%2B1", "x", "null", "true", "1&wait=2", 10**20])
async def test_any_other_wait_is_400(watching: Watching, wait: object) -> None:
    for known in (None, "*", '"other"'):
        response = await watching.get(wait, known)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "validation_error")
        assert response.json()["error"]["details"]["errors"][0]["loc"] == ["query", "wait"]


@pytest.mark.parametrize("wait", [1, 60])
async def test_the_bounds_are_taken(watching: Watching, wait: int) -> None:
    assert (await watching.get(wait, '"other"')).status_code == 200


@pytest.mark.parametrize("known", [None, '"other"', "*"])
async def test_what_is_not_there_is_404_at_once(watching: Watching, caller: "Caller", known: str | None) -> None:
    path = f"{watching.path.rpartition('/')[0]}/{NOBODY}?wait={LONG}"
    response = await caller.get(path, {} if known is None else {"If-None-Match": known})
    assert response.status_code == 404


async def test_head_waits_too(watching: Watching, caller: "Caller") -> None:
    headers = {"If-None-Match": await caller.tag(watching.path)}
    assert (await caller.call("HEAD", f"{watching.path}?wait=1", headers)).status_code == 304


async def test_one_kinds_waiters_are_not_shown_the_other_kinds_resource(
    application: dict[str, Any], watching: Watching, caller: "Caller"
) -> None:
    other = CONFIGURATIONS if watching.path.startswith(APPLICATIONS) else APPLICATIONS
    await watching.start(await caller.tag(watching.path))
    path = f"{other}/{watching.path.rpartition('/')[2]}?wait={LONG}"
    assert (await caller.get(path, {"If-None-Match": '"other"'})).status_code == 404


async def test_a_write_that_changes_nothing_wakes_nobody(watching: Watching, caller: "Caller") -> None:
    tag = (await change(caller, watching)).headers["etag"]
    [waiting] = await watching.start(tag)
    await change(caller, watching)
    other = await watching.start(tag)
    await change(caller, watching, "other")
    assert [(await each).json()["name"] for each in (waiting, *other)] == ["other", "other"]


async def test_each_write_says_whose_representation_it_has_changed(
    caller: "Caller", database: "asyncpg.Connection", eventually: Eventually
) -> None:
    heard: list[str] = []

    async def ended() -> bool:
        return heard[-1:] == ["end"]

    await database.add_listener("configs", lambda *message: heard.append(message[-1]))
    application = await caller.application()
    configuration = await caller.configuration(application)
    paths = [f"{CONFIGURATIONS}/{configuration['id']}", f"{APPLICATIONS}/{application['id']}"]
    for path, headers in itertools.product(paths, ({"If-Match": '"x"'}, {})):
        body = {"name": "x"} if path.startswith(APPLICATIONS) else {"name": "x", "config": {}}
        await caller.call("PUT", path, headers, json=body)
    for application_id, name in ((application["id"], "x"), (NOBODY, "y")):
        body = {"application_id": application_id, "name": name, "config": {}}
        assert (await caller.call("POST", CONFIGURATIONS, json=body)).status_code in {400, 409}
    await database.execute("NOTIFY configs, 'end'")
    await eventually(ended)
    await database.reset()
    assert heard == [application["id"], configuration["id"], application["id"], "end"]


async def test_a_new_configuration_wakes_those_who_watch_the_application(
    app: "FastAPI", application: dict[str, Any], caller: "Caller"
) -> None:
    watching = Watching(app, caller, f"{APPLICATIONS}/{application['id']}")
    [waiting] = await watching.start(await caller.tag(watching.path))
    made = await caller.configuration(application)
    assert (await waiting).json()["configuration_ids"] == [made["id"]]


async def test_a_change_by_another_process_is_heard_of(
    watching: Watching, caller: "Caller", database: "asyncpg.Connection"
) -> None:
    """Any session: what is on the channel counts, not who put it there."""
    [waiting] = await watching.start(await caller.tag(watching.path))
    table, _, resource_id = watching.path.rpartition("/v1/")[2].partition("/")
    async with database.transaction():
        await database.execute(f"UPDATE {table} SET name = 'other' WHERE id = $1", resource_id)
        await database.execute("SELECT pg_notify('configs', $1)", resource_id)
    assert (await waiting).json()["name"] == "other"


async def test_no_change_is_missed_however_often_it_changes(watching: Watching, caller: "Caller") -> None:
    """A reader that always waits with what it saw last ends with what was written last."""
    seen: list[str] = []

    async def follow() -> None:
        tag = "x"
        while not seen or seen[-1] != "19":
            response = await watching.get(LONG, f'"{tag}"')
            seen.append(response.json()["name"])
            tag = response.headers["etag"].strip('"')

    followers = [asyncio.create_task(follow()) for _ in range(10)]
    for number in range(20):
        await change(caller, watching, str(number))
    await asyncio.wait_for(asyncio.gather(*followers), 10)


async def test_nobody_is_shown_less_than_what_was_written_before_he_asked(watching: Watching, caller: "Caller") -> None:
    await watching.start(await caller.tag(watching.path))
    for number in range(20):
        written = await change(caller, watching, str(number))
        response = await watching.get(LONG, '"other"')
        assert response.content == written.content


async def test_waiting_costs_no_query_while_nothing_changes(
    watching: Watching, caller: "Caller", reads: list[Any]
) -> None:
    tag = await caller.tag(watching.path)
    await watching.start(tag)
    reads.clear()
    await watching.start(tag, 50)
    assert (await watching.get(1, tag)).status_code == 304
    assert reads == []


async def test_a_change_costs_one_query_however_many_wait(
    watching: Watching, caller: "Caller", reads: list[Any]
) -> None:
    tasks = await watching.start(await caller.tag(watching.path), 50)
    reads.clear()
    changed = await change(caller, watching)
    answers = await asyncio.gather(*tasks)
    assert {answer.content for answer in answers} == {changed.content}
    by_write = 2 if watching.path.startswith(CONFIGURATIONS) else 1
    assert len(reads) == by_write + 1


async def test_many_who_come_at_once_cost_few_queries(watching: Watching, caller: "Caller", reads: list[Any]) -> None:
    tag = await caller.tag(watching.path)
    reads.clear()
    await watching.start(tag, 100)
    assert len(reads) <= 3


async def test_those_who_wait_hold_no_connection(watching: Watching, caller: "Caller") -> None:
    await watching.start(await caller.tag(watching.path), 100)
    answers = await asyncio.gather(*(caller.get(watching.path) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}


async def test_who_leaves_is_forgotten(watching: Watching, caller: "Caller", eventually: Eventually) -> None:
    tasks = await watching.start(await caller.tag(watching.path), 3)

    async def two_are_left() -> bool:
        return watching.waiters == 2

    tasks[0].cancel()
    await eventually(two_are_left)
    await change(caller, watching)
    assert [(await task).status_code for task in tasks[1:]] == [200, 200]


CUT = """
    WITH changed AS (UPDATE configurations SET name = $1)
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'mainstay configs watch'"""


async def test_what_was_missed_while_the_listening_connection_was_lost_is_seen_when_it_is_back(
    app: "FastAPI", caller: "Caller", database: "asyncpg.Connection", configuration: dict[str, Any]
) -> None:
    watching = Watching(app, caller, f"{CONFIGURATIONS}/{configuration['id']}")
    for name in ("one", "two", "three"):
        [waiting] = await watching.start(await caller.tag(watching.path))
        assert await database.fetchval(CUT, name) is True
        response = await asyncio.wait_for(waiting, 10)
        assert (response.status_code, response.json()["name"]) == (200, name)
