"""POST /orders/{id}/close: once, however often it is asked for."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
KEY = {"Idempotency-Key": "key-1"}


def close(order: dict[str, Any]) -> str:
    """The address."""
    return f"/orders/{order['id']}/close"


def told(response: httpx.Response) -> tuple[int, bytes, str]:
    """Status, body and tag."""
    return response.status_code, response.content, response.headers["etag"]


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"2"'}, {"If-Match": "2"}, {"If-Match": "*"}, KEY])
async def test_a_confirmed_order_is_closed(
    client: httpx.AsyncClient, confirmed: dict[str, Any], headers: dict[str, str]
) -> None:
    response = await client.post(close(confirmed), headers=headers)
    at = response.json()["closedAt"]
    assert told(response)[::2] == (200, '"3"')
    assert response.json() == {**confirmed, "status": "closed", "version": 3, "updatedAt": at, "closedAt": at}
    assert confirmed["updatedAt"] <= at
    assert "location" not in response.headers


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"3"'}, {"If-Match": "*"}, KEY])
async def test_a_second_close_answers_the_same_and_nothing_is_told(
    client: httpx.AsyncClient, program: "Program", confirmed: dict[str, Any], headers: dict[str, str]
) -> None:
    first = await client.post(close(confirmed))
    for _ in range(2):
        assert told(await client.post(close(confirmed), headers=headers)) == told(first)
    assert [row["type"] for row in await program.outbox()] == ["order.created", "order.confirmed", "order.closed"]


async def test_with_its_key_a_close_comes_again_as_a_replay(
    client: httpx.AsyncClient, program: "Program", confirmed: dict[str, Any]
) -> None:
    first, again = [await client.post(close(confirmed), headers=KEY) for _ in range(2)]
    assert told(again) == told(first)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert await program.written() == [1, 2, 3]


async def test_a_second_close_keeps_its_own_key_too(
    client: httpx.AsyncClient, program: "Program", closed: dict[str, Any]
) -> None:
    first, again = [await client.post(close(closed), headers=KEY) for _ in range(2)]
    assert (first.json(), "idempotency-replayed" in first.headers) == (closed, False)
    assert told(again) == told(first)
    assert again.headers["idempotency-replayed"] == "true"
    assert await program.written() == [1, 2, 3]


async def test_a_retry_that_names_the_version_before_is_answered_with_its_key_and_stale_without(
    client: httpx.AsyncClient, confirmed: dict[str, Any]
) -> None:
    headers = {**KEY, "If-Match": '"2"'}
    first, again = [await client.post(close(confirmed), headers=headers) for _ in range(2)]
    assert told(again) == told(first)
    stale = await client.post(close(confirmed), headers={"If-Match": '"2"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"3"')


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}, KEY])
async def test_a_draft_is_not_closed(
    client: httpx.AsyncClient, program: "Program", draft: dict[str, Any], headers: dict[str, str]
) -> None:
    response = await client.post(close(draft), headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["details"]) == (409, "invalid_state", {"status": "draft"})
    assert await program.written() == [1, 1, 1]
    assert (await client.get(f"/orders/{draft['id']}")).json() == draft


async def test_a_refused_close_leaves_its_key_free(client: httpx.AsyncClient, draft: dict[str, Any]) -> None:
    refused = await client.post(close(draft), headers=KEY)
    await client.patch(f"/orders/{draft['id']}/confirm", json={"totalCents": 1}, headers={"If-Match": "*"})
    done = await client.post(close(draft), headers=KEY)
    assert [refused.status_code, done.status_code] == [409, 200]
    assert "idempotency-replayed" not in done.headers


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"If-Match": '"1"'}, 412, "precondition_failed"),
        ({"If-Match": '"3", "1"'}, 412, "precondition_failed"),
        ({"If-Match": "abc"}, 400, "invalid_header"),
        ({"If-Match": ""}, 400, "invalid_header"),
        ({"Idempotency-Key": ""}, 400, "invalid_header"),
        ({"Idempotency-Key": "a" * 256}, 400, "invalid_header"),
    ],
)
async def test_what_may_be_left_out_is_honoured_where_it_is_sent(
    client: httpx.AsyncClient,
    program: "Program",
    confirmed: dict[str, Any],
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    response = await client.post(close(confirmed), headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert await program.written() == [1, 1, 2]


@pytest.mark.parametrize(("label", "body"), [(None, b"{}"), (JSON, b"{}"), (FORM, b"{}"), (JSON, b""), (FORM, b"")])
async def test_an_empty_object_may_come_in_every_form(
    client: httpx.AsyncClient, confirmed: dict[str, Any], label: str | None, body: bytes
) -> None:
    headers = {} if label is None else {"Content-Type": label}
    assert (await client.post(close(confirmed), content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("label", "body", "status"),
    [(FORM, b"a=1", 415), (FORM, b"[]", 415), ("text/plain", b"{}", 415)]
    + [(JSON, body, 422) for body in (b'{"closedAt": null}', b'{"totalCents": 1}', b"null", b"[]", b"{")],
)
async def test_any_other_body_is_refused(
    client: httpx.AsyncClient, program: "Program", confirmed: dict[str, Any], label: str, body: bytes, status: int
) -> None:
    response = await client.post(close(confirmed), content=body, headers={"Content-Type": label})
    assert response.status_code == status
    assert await program.written() == [1, 1, 2]


async def test_an_order_that_there_is_not(client: httpx.AsyncClient, program: "Program") -> None:
    for headers in ({}, KEY, {"If-Match": "*"}, {"If-Match": '"2"'}):
        response = await client.post(f"/orders/{uuid4()}/close", headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "order_not_found")
    assert await program.written() == [0, 0, 0]


async def test_the_order_of_the_checks(client: httpx.AsyncClient, draft: dict[str, Any]) -> None:
    """Validation, 404, 412, state: what is wrong later is left out of each next request."""
    stranger, stale = f"/orders/{uuid4()}/close", {"If-Match": '"7"'}
    answers = [
        await client.post(stranger, json={"a": 1}, headers=stale),
        await client.post(stranger, headers=stale),
        await client.post(close(draft), headers=stale),
        await client.post(close(draft), headers={"If-Match": '"1"'}),
    ]
    assert [answer.status_code for answer in answers] == [422, 404, 412, 409]


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
async def test_closing_is_posting(client: httpx.AsyncClient, confirmed: dict[str, Any], method: str) -> None:
    response = await client.request(method, close(confirmed))
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
