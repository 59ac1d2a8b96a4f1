"""PUT and PATCH /pets/{id}."""

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITES = pytest.mark.parametrize("method", ["PUT", "PATCH"])
WHOLE = {"name": "Tom", "species": "dog", "age_years": 7, "status": "sold"}
FIRST = {"If-Match": '"1"'}


@WRITES
async def test_a_change_answers_the_next_version_and_its_tag(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str
) -> None:
    response = await client.request(method, "/pets/1", json=WHOLE, headers=FIRST)
    assert (response.status_code, response.json()) == (200, {"id": 1, **WHOLE, "version": 2})
    assert response.headers["etag"] == '"2"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert (await client.get("/pets/1")).content == response.content


@WRITES
async def test_a_change_leaves_other_pets_alone(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str
) -> None:
    other = await client.post("/pets", json={"name": "Rex", "species": "dog"})
    await client.request(method, "/pets/1", json=WHOLE, headers=FIRST)
    assert (await client.get("/pets/2")).json() == other.json()


async def test_put_lets_what_is_left_out_fall_to_its_default(
    client: httpx.AsyncClient, mittens: dict[str, Any]
) -> None:
    response = await client.put("/pets/1", json={"name": "Mittens", "species": "cat"}, headers=FIRST)
    assert response.json() == {**mittens, "age_years": None, "status": "available", "version": 2}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": "Tom"},
        {"species": "dog"},
        {"age_years": 0},
        {"age_years": None},
        {"status": "sold"},
        {"status": "pending"},
        {"name": "Mittens", "age_years": None},
    ],
)
async def test_patch_leaves_what_is_left_out_unchanged_and_always_makes_a_version(
    client: httpx.AsyncClient, mittens: dict[str, Any], change: dict[str, Any]
) -> None:
    response = await client.patch("/pets/1", json=change, headers=FIRST)
    assert (response.status_code, response.json()) == (200, {**mittens, **change, "version": 2})


async def test_versions_count_on_by_one(client: httpx.AsyncClient, mittens: dict[str, Any]) -> None:
    tags = ['"1"']
    for _ in range(3):
        response = await client.patch("/pets/1", json={}, headers={"If-Match": tags[-1]})
        tags.append(response.headers["etag"])
    assert tags == ['"1"', '"2"', '"3"', '"4"']


async def test_a_changed_pet_is_found_by_what_it_is_now(client: httpx.AsyncClient, mittens: dict[str, Any]) -> None:
    await client.patch("/pets/1", json={"species": "Dog", "status": "sold"}, headers=FIRST)
    totals = [
        (await client.get(f"/pets?{query}")).json()["_meta"]["total"]
        for query in ("species=dog", "species=cat", "status=sold", "status=pending")
    ]
    assert totals == [1, 0, 1, 0]


@WRITES
@pytest.mark.parametrize("pet_id", [2, 2**63 - 1])
@pytest.mark.parametrize("if_match", ['"1"', "*"])
async def test_a_pet_that_is_not_there_cannot_be_changed(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str, pet_id: int, if_match: str
) -> None:
    response = await client.request(method, f"/pets/{pet_id}", json=WHOLE, headers={"If-Match": if_match})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "pet_not_found")
    assert (await client.get("/pets")).json()["items"] == [mittens]


@WRITES
async def test_without_if_match_nothing_is_changed(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str
) -> None:
    response = await client.request(method, "/pets/1", json=WHOLE)
    assert (response.status_code, response.json()["error"]["code"]) == (428, "precondition_required")
    assert (await client.get("/pets/1")).json() == mittens


@WRITES
@pytest.mark.parametrize("if_match", ['"1"', 'W/"1"', "1", "*", '"9", "1"', '"9",1', ' \t"1" '])
async def test_every_spelling_of_the_current_version_is_taken(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str, if_match: str
) -> None:
    response = await client.request(method, "/pets/1", json=WHOLE, headers={"If-Match": if_match})
    assert (response.status_code, response.headers["etag"]) == (200, '"2"')


@WRITES
@pytest.mark.parametrize(
    ("if_match", "status", "code"),
    [
        ('"2"', 412, "precondition_failed"),
        ("0", 412, "precondition_failed"),
        ('"001"', 412, "precondition_failed"),
        ('"2", W/"3"', 412, "precondition_failed"),
        ('"*"', 412, "precondition_failed"),
        ("abc", 400, "invalid_header"),
        ('"1', 400, "invalid_header"),
        ("", 400, "invalid_header"),
        ("01", 400, "invalid_header"),
        ("-1", 400, "invalid_header"),
        ('w/"1"', 400, "invalid_header"),
    ],
)
async def test_any_other_if_match_changes_nothing(
    client: httpx.AsyncClient, mittens: dict[str, Any], method: str, if_match: str, status: int, code: str
) -> None:
    response = await client.request(method, "/pets/1", json=WHOLE, headers={"If-Match": if_match})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("etag") == ('"1"' if status == 412 else None)
    assert (await client.get("/pets/1")).json() == mittens


async def test_who_comes_second_is_told_the_current_tag(client: httpx.AsyncClient, mittens: dict[str, Any]) -> None:
    await client.patch("/pets/1", json={"name": "Tom"}, headers=FIRST)
    response = await client.patch("/pets/1", json={"name": "Tim"}, headers=FIRST)
    assert response.status_code == 412
    assert response.headers["etag"] == '"2"'
    assert response.json()["error"]["details"] == {"current_etag": '"2"'}
    again = await client.patch("/pets/1", json={"name": "Tim"}, headers={"If-Match": response.headers["etag"]})
    assert (again.status_code, again.json()["name"]) == (200, "Tim")
