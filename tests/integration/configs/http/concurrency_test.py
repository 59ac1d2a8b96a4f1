"""Several at once: of two who want the same, one gets it, and nobody overwrites what he has not seen."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    import asyncpg

    from tests.integration.configs.http.conftest import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

APPLICATIONS, CONFIGURATIONS = "/api/v1/applications", "/api/v1/configurations"
ADD = "INSERT INTO configurations (id, application_id, name, config) VALUES ($1, $1, 'another', '{}')"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


@pytest_asyncio.fixture(loop_scope="session")
async def checkout(caller: "Caller") -> dict[str, Any]:
    """An application."""
    return await caller.application("checkout")


async def statuses(*calls: Any) -> Counter[int]:
    return Counter(answer.status_code for answer in await asyncio.gather(*calls))


async def until_one_waits(database: "asyncpg.Connection") -> None:
    async with asyncio.timeout(10):
        while not await database.fetchval(WAITING):  # for this very session
            await asyncio.sleep(0.005)


async def test_of_those_who_create_one_application_one_does(caller: "Caller") -> None:
    calls = [caller.call("POST", APPLICATIONS, json={"name": "checkout"}) for _ in range(20)]
    assert await statuses(*calls) == {201: 1, 409: 19}


async def test_of_those_who_create_one_configuration_one_does(caller: "Caller", checkout: dict[str, Any]) -> None:
    body = {"application_id": checkout["id"], "name": "production", "config": {}}
    calls = [caller.call("POST", CONFIGURATIONS, json=body) for _ in range(20)]
    assert await statuses(*calls) == {201: 1, 409: 19}
    assert len((await caller.get(f"{APPLICATIONS}/{checkout['id']}")).json()["configuration_ids"]) == 1


async def test_of_those_who_take_one_name_one_does(caller: "Caller") -> None:
    made = [await caller.application(str(number)) for number in range(10)]
    calls = [caller.call("PUT", f"{APPLICATIONS}/{one['id']}", json={"name": "checkout"}) for one in made]
    assert await statuses(*calls) == {200: 1, 409: 9}


async def test_of_100_writers_with_one_tag_one_writes_an_application(
    caller: "Caller", checkout: dict[str, Any]
) -> None:
    path = f"{APPLICATIONS}/{checkout['id']}"
    tag = {"If-Match": await caller.tag(path)}
    calls = [caller.call("PUT", path, tag, json={"name": f"number {number}"}) for number in range(100)]
    assert await statuses(*calls) == {200: 1, 412: 99}


async def test_of_100_writers_with_one_tag_one_writes_a_configuration(
    caller: "Caller", checkout: dict[str, Any]
) -> None:
    path = f"{CONFIGURATIONS}/{(await caller.configuration(checkout))['id']}"
    tag = {"If-Match": await caller.tag(path)}
    bodies = [{"name": "production", "config": {"number": number}} for number in range(100)]
    assert await statuses(*(caller.call("PUT", path, tag, json=body) for body in bodies)) == {200: 1, 412: 99}


async def test_no_update_is_lost_among_those_who_send_the_tag(caller: "Caller", checkout: dict[str, Any]) -> None:
    path = f"{CONFIGURATIONS}/{(await caller.configuration(checkout, count=0))['id']}"

    async def add_one() -> None:
        status = 412
        while status == 412:
            read = await caller.get(path)
            body = {"name": "production", "config": {"count": read.json()["config"]["count"] + 1}}
            status = (await caller.call("PUT", path, {"If-Match": read.headers["etag"]}, json=body)).status_code
        assert status == 200

    await asyncio.gather(*(add_one() for _ in range(20)))
    assert (await caller.get(path)).json()["config"] == {"count": 20}


async def test_a_tag_goes_stale_with_a_configuration_that_is_being_added(
    caller: "Caller", checkout: dict[str, Any], database: "asyncpg.Connection"
) -> None:
    """A statement that has waited for its lock reads what was there before: the lock and the look must be two."""
    path = f"{APPLICATIONS}/{checkout['id']}"
    tag = {"If-Match": await caller.tag(path)}
    async with database.transaction():
        await database.execute(ADD, checkout["id"])
        changing = asyncio.create_task(caller.call("PUT", path, tag, json={"name": "x"}))
        await until_one_waits(database)
    assert (await changing).status_code == 412


async def test_a_configuration_waits_for_a_change_of_its_application(
    caller: "Caller", checkout: dict[str, Any], database: "asyncpg.Connection"
) -> None:
    async with database.transaction():
        await database.execute("SELECT FROM applications WHERE id = $1 FOR UPDATE", checkout["id"])
        adding = asyncio.create_task(caller.configuration(checkout))
        await until_one_waits(database)
        assert not adding.done()
    assert (await adding)["application_id"] == checkout["id"]


async def test_nothing_of_a_refused_write_is_left(
    caller: "Caller", checkout: dict[str, Any], database: "asyncpg.Connection"
) -> None:
    path = f"{APPLICATIONS}/{checkout['id']}"
    before = await caller.get(path)
    assert (await caller.call("PUT", path, {"If-Match": '"x"'}, json={"name": "x"})).status_code == 412
    assert (await caller.get(path)).content == before.content
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
    assert await database.fetchval(idle) == 0
