"""Many callers at once, in this process over both storages and over sockets against a server process."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLERS = 100
PATIENT = {"DB_POOL_TIMEOUT": "30", "DB_LOCK_TIMEOUT": "30", "DB_STATEMENT_TIMEOUT": "30"}
PET = {"name": "Mittens", "species": "cat"}

Check = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]


async def at_once(*calls: Awaitable[httpx.Response]) -> list[httpx.Response]:
    return list(await asyncio.gather(*calls))


def statuses(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


async def new_pet(client: httpx.AsyncClient) -> str:
    """The address of a new pet."""
    return str((await client.post("/pets", json=PET)).headers["location"])


async def of_all_with_one_tag_one_wins(client: httpx.AsyncClient) -> None:
    pet = await new_pet(client)
    responses = await at_once(
        *(client.patch(pet, json={"age_years": age}, headers={"If-Match": '"1"'}) for age in range(CALLERS))
    )
    assert statuses(responses) == {200: 1, 412: CALLERS - 1}
    assert {response.headers["etag"] for response in responses} == {'"2"'}
    [winner] = [response for response in responses if response.status_code == 200]
    assert (await client.get(pet)).content == winner.content


async def of_all_with_any_tag_none_is_lost(client: httpx.AsyncClient) -> None:
    pet = await new_pet(client)
    responses = await at_once(
        *(client.patch(pet, json={"age_years": age}, headers={"If-Match": "*"}) for age in range(CALLERS))
    )
    counted = statuses(responses)
    assert counted[200] >= 1
    assert set(counted) <= {200, 503}
    written = sorted(
        (answer.json() for answer in responses if answer.status_code == 200), key=lambda pet: pet["version"]
    )
    assert [pet["version"] for pet in written] == list(range(2, counted[200] + 2))
    assert (await client.get(pet)).json() == written[-1]
    assert all(answer.headers["retry-after"] == "1" for answer in responses if answer.status_code == 503)


async def of_all_who_delete_one_does(client: httpx.AsyncClient) -> None:
    pet = await new_pet(client)
    responses = await at_once(*(client.delete(pet) for _ in range(CALLERS)))
    assert statuses(responses) == {204: 1, 404: CALLERS - 1}


async def of_a_change_and_a_deletion_with_one_tag_one_wins(client: httpx.AsyncClient) -> None:
    for _ in range(10):
        pet, first = await new_pet(client), {"If-Match": '"1"'}
        changed, deleted = await at_once(client.patch(pet, json={}, headers=first), client.delete(pet, headers=first))
        assert (changed.status_code, deleted.status_code) in {(200, 412), (404, 204)}


async def all_with_one_key_get_one_pet(client: httpx.AsyncClient) -> None:
    before = (await client.get("/pets")).json()["_meta"]["total"]
    responses = await at_once(
        *(client.post("/pets", json=PET, headers={"Idempotency-Key": "one"}) for _ in range(CALLERS // 2))
    )
    assert statuses(responses) == {201: CALLERS // 2}
    assert len({(answer.content, answer.headers["location"], answer.headers["etag"]) for answer in responses}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in responses) == 1
    assert (await client.get("/pets")).json()["_meta"]["total"] == before + 1


async def all_new_pets_have_ids_of_their_own(client: httpx.AsyncClient) -> None:
    addresses = await asyncio.gather(*(new_pet(client) for _ in range(CALLERS)))
    assert len(set(addresses)) == CALLERS


CHECKS: list[Check] = [
    of_all_with_one_tag_one_wins,
    of_all_with_any_tag_none_is_lost,
    of_all_who_delete_one_does,
    of_a_change_and_a_deletion_with_one_tag_one_wins,
    all_with_one_key_get_one_pet,
    all_new_pets_have_ids_of_their_own,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_at_once(client: httpx.AsyncClient, check: Check) -> None:
    await check(client)


async def test_at_once_over_sockets(serve: "Callable[..., ServerProcess]") -> None:
    server = serve(**PATIENT)
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        for check in CHECKS:
            await check(client)
