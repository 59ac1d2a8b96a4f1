"""GET /orders/{id}."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = {"Idempotency-Key": "key-1"}


async def test_an_order_is_read_as_each_change_answered_it(client: httpx.AsyncClient) -> None:
    created = await client.post("/orders", headers=KEY)
    address = created.headers["location"]
    for version in (1, 2, 3):
        read = await client.get(address)
        assert (read.status_code, read.content, read.headers["etag"]) == (200, created.content, f'"{version}"')
        assert read.headers["cache-control"] == "private, no-cache"
        assert "location" not in read.headers
        tag = {"If-Match": f'"{version}"'}
        created = await (
            client.patch(f"{address}/confirm", json={"totalCents": 0}, headers=tag)
            if version == 1
            else client.post(f"{address}/close")
        )
        assert created.status_code == 200


async def test_the_id_is_read_in_either_case(client: httpx.AsyncClient, draft: dict[str, Any]) -> None:
    assert (await client.get(f"/orders/{draft['id'].upper()}")).json() == draft


async def test_head_answers_without_a_body(client: httpx.AsyncClient, draft: dict[str, Any]) -> None:
    response = await client.head(f"/orders/{draft['id']}")
    assert (response.status_code, response.content, response.headers["etag"]) == (200, b"", '"1"')


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', "1", "*", '"9", "1"'])
async def test_who_has_the_version_gets_304_without_a_body(
    client: httpx.AsyncClient, draft: dict[str, Any], known: str
) -> None:
    response = await client.get(f"/orders/{draft['id']}", headers={"If-None-Match": known})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"1"'
    assert not {"content-type", "content-length"} & set(response.headers)


@pytest.mark.parametrize("known", ['"2"', '"01"', '"1x"', "abc", ""])
async def test_who_has_another_version_gets_this_one(
    client: httpx.AsyncClient, draft: dict[str, Any], known: str
) -> None:
    response = await client.get(f"/orders/{draft['id']}", headers={"If-None-Match": known})
    assert (response.status_code, response.json()) == (200, draft)


async def test_what_was_known_before_a_change_is_known_no_more(
    client: httpx.AsyncClient, confirmed: dict[str, Any]
) -> None:
    response = await client.get(f"/orders/{confirmed['id']}", headers={"If-None-Match": '"1"'})
    assert (response.status_code, response.json()) == (200, confirmed)


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": "*"}, {"If-None-Match": '"1"'}])
async def test_an_order_that_there_is_not(
    client: httpx.AsyncClient, draft: dict[str, Any], headers: dict[str, str]
) -> None:
    order_id = str(uuid4())
    response = await client.get(f"/orders/{order_id}", headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["details"]) == (404, "order_not_found", {"id": order_id})


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("PATCH", "/confirm"), ("POST", "/close")], ids=["read", "confirm", "close"]
)
@pytest.mark.parametrize(
    "order_id",
    [
        *("1", "draft", "secret", "0" * 32, "%7B019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a%7D", "0" * 300),
        *("019a9f2e7c1b7cc2a5b01f2e3d4c5b6a", "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6", "9" * 20, "-1", "%20"),
    ],
)
async def test_what_is_no_id_is_invalid(client: httpx.AsyncClient, method: str, path: str, order_id: str) -> None:
    body = {"totalCents": 1} if method == "PATCH" else None
    response = await client.request(method, f"/orders/{order_id}{path}", json=body, headers={"If-Match": "*"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
    assert [error["loc"] for error in response.json()["error"]["details"]["errors"]] == [["path", "order_id"]]
    assert "secret" not in response.text


@pytest.mark.parametrize("path", ["/orders/", "/orders//confirm", "/order", "/orders/{id}/", "/orders/{id}/cancel"])
async def test_there_are_no_other_addresses(client: httpx.AsyncClient, draft: dict[str, Any], path: str) -> None:
    response = await client.get(path.replace("{id}", draft["id"]))
    assert response.status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_an_order_is_changed_by_its_steps_alone(
    client: httpx.AsyncClient, draft: dict[str, Any], method: str
) -> None:
    response = await client.request(method, f"/orders/{draft['id']}", json={})
    assert response.status_code == 405
    assert (await client.get(f"/orders/{draft['id']}")).json() == draft
