"""PATCH /orders/{id}/confirm: a draft gets its total, if the caller says which version it has seen."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = {"totalCents": 5000}
FIRST = {"If-Match": '"1"'}
TOTALS = [
    *("-1", "9007199254740992", "9223372036854775808", "1e400", "NaN"),
    *('"5000"', "5000.0", "5e3", "0.5", "true", "null", "[]", "{}"),
]
BAD = [
    *(f'{{"totalCents": {total}}}' for total in TOTALS),
    *(f'{{"totalCents": 1, "{name}": 1}}' for name in ("status", "version", "colour", "", "totalCents")),
    *("{}", "", "null", "[]", "7", "{", '{"total_cents": 5000}'),
]


def confirm(order: dict[str, Any]) -> str:
    """The address."""
    return f"/orders/{order['id']}/confirm"


@pytest.mark.parametrize("total", [0, 1, 5000, 2**53 - 1])
async def test_a_draft_is_confirmed_with_its_total(
    client: httpx.AsyncClient, draft: dict[str, Any], total: int
) -> None:
    response = await client.patch(confirm(draft), json={"totalCents": total}, headers=FIRST)
    changed = response.json()
    at = changed["confirmedAt"]
    assert (response.status_code, response.headers["etag"]) == (200, '"2"')
    assert changed == {
        **draft,
        "status": "confirmed",
        "totalCents": total,
        "version": 2,
        "updatedAt": at,
        "confirmedAt": at,
    }
    assert datetime.fromisoformat(draft["createdAt"]) <= datetime.fromisoformat(at) <= datetime.now(UTC)
    assert not {"location", "idempotency-replayed"} & set(response.headers)


@pytest.mark.parametrize("tag", ['"1"', "1", 'W/"1"', "*", '"7", "1"', "7, 1", ' "1" ', ', "1",'])
async def test_the_version_may_be_named_in_every_form(
    client: httpx.AsyncClient, draft: dict[str, Any], tag: str
) -> None:
    assert (await client.patch(confirm(draft), json=BODY, headers={"If-Match": tag})).status_code == 200


async def test_several_lines_of_tags_are_one_list(client: httpx.AsyncClient, draft: dict[str, Any]) -> None:
    response = await client.patch(confirm(draft), json=BODY, headers=[("If-Match", '"7"'), ("If-Match", "1")])
    assert response.status_code == 200


@pytest.mark.parametrize("tag", ['"2"', "2", 'W/"2"', "0", '"001"', '"+1"', '"7", "8"', '""', '"abc"', "99"])
async def test_another_version_is_stale_and_the_current_one_is_told(
    client: httpx.AsyncClient, program: "Program", draft: dict[str, Any], tag: str
) -> None:
    response = await client.patch(confirm(draft), json=BODY, headers={"If-Match": tag})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (412, "precondition_failed")
    assert (response.headers["etag"], error["details"]) == ('"1"', {"current_etag": '"1"'})
    assert await program.written() == [1, 1, 1]


@pytest.mark.parametrize("tag", ["abc", '"abc', "", "001", "+1", "-1", "1.0", "1 2", "W/1", '"1 "', "*, 1", ","])
async def test_what_is_no_tag_is_refused(
    client: httpx.AsyncClient, program: "Program", draft: dict[str, Any], tag: str
) -> None:
    response = await client.patch(confirm(draft), json=BODY, headers={"If-Match": tag})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")
    assert await program.written() == [1, 1, 1]


async def test_the_version_has_to_be_named(
    client: httpx.AsyncClient, program: "Program", draft: dict[str, Any]
) -> None:
    response = await client.patch(confirm(draft), json=BODY)
    assert (response.status_code, response.json()["error"]["code"]) == (428, "precondition_required")
    assert await program.written() == [1, 1, 1]


@pytest.mark.parametrize("body", BAD)
async def test_any_other_body_is_refused(
    client: httpx.AsyncClient, program: "Program", draft: dict[str, Any], body: str
) -> None:
    headers = {**FIRST, "Content-Type": "application/json"}
    response = await client.patch(confirm(draft), content=body.encode(), headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
    assert all(error["loc"][0] == "body" for error in response.json()["error"]["details"]["errors"])
    assert await program.written() == [1, 1, 1]
    assert (await client.get(f"/orders/{draft['id']}")).json() == draft


@pytest.mark.parametrize("body", [b'{"totalCents": 5000}', b"totalCents=5000", b""])
@pytest.mark.parametrize("label", ["application/x-www-form-urlencoded", "text/plain"])
async def test_here_json_is_labelled_as_such(
    client: httpx.AsyncClient, draft: dict[str, Any], label: str, body: bytes
) -> None:
    response = await client.patch(confirm(draft), content=body, headers={**FIRST, "Content-Type": label})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("status", ["confirmed", "closed"])
@pytest.mark.parametrize("tag", ["*", "current"])
async def test_what_is_no_draft_is_not_confirmed(
    client: httpx.AsyncClient, program: "Program", confirmed: dict[str, Any], status: str, tag: str
) -> None:
    order = confirmed
    if status == "closed":
        order = (await client.post(f"/orders/{order['id']}/close")).json()
    before = await program.written()
    headers = {"If-Match": f'"{order["version"]}"' if tag == "current" else tag}
    response = await client.patch(confirm(order), json=BODY, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["details"]) == (409, "invalid_state", {"status": status})
    assert await program.written() == before
    assert (await client.get(f"/orders/{order['id']}")).json() == order


async def test_an_order_that_there_is_not(client: httpx.AsyncClient, program: "Program") -> None:
    for headers in ({"If-Match": "*"}, FIRST):
        response = await client.patch(f"/orders/{uuid4()}/confirm", json=BODY, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "order_not_found")
    assert await program.written() == [0, 0, 0]


async def test_the_order_of_the_checks(client: httpx.AsyncClient, confirmed: dict[str, Any]) -> None:
    """Validation, 428, 404, 412, state: what is wrong later is left out of each next request."""
    stranger = f"/orders/{uuid4()}/confirm"
    answers = [
        await client.patch(stranger, json={"totalCents": -1}),
        await client.patch(stranger, json=BODY),
        await client.patch(stranger, json=BODY, headers=FIRST),
        await client.patch(confirm(confirmed), json=BODY, headers=FIRST),
        await client.patch(confirm(confirmed), json=BODY, headers={"If-Match": '"2"'}),
    ]
    assert [answer.status_code for answer in answers] == [422, 428, 404, 412, 409]


async def test_a_key_is_not_looked_at(client: httpx.AsyncClient, program: "Program", draft: dict[str, Any]) -> None:
    headers = {**FIRST, "Idempotency-Key": "key-1"}
    answers = [await client.patch(confirm(draft), json=BODY, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 412]
    assert await program.written() == [1, 1, 2]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_confirming_is_patching(client: httpx.AsyncClient, draft: dict[str, Any], method: str) -> None:
    response = await client.request(method, confirm(draft), json=BODY, headers=FIRST)
    assert (response.status_code, response.headers["allow"]) == (405, "PATCH")
