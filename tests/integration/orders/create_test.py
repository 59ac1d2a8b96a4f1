"""POST /orders: a draft, whichever way its empty body comes."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = {"Idempotency-Key": "key-1"}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


async def test_a_draft_is_answered_whole_with_its_address_and_tag(client: httpx.AsyncClient) -> None:
    before = datetime.now(UTC)
    response = await client.post("/orders", json={}, headers=KEY)
    draft = response.json()
    assert response.status_code == 201
    assert list(draft.items()) == [
        ("id", draft["id"]),
        ("tenantId", "tenant-1"),
        ("status", "draft"),
        ("totalCents", None),
        ("version", 1),
        ("createdAt", draft["createdAt"]),
        ("updatedAt", draft["createdAt"]),
        ("confirmedAt", None),
        ("closedAt", None),
    ]
    assert UUID(draft["id"]).version == 7
    assert draft["createdAt"].endswith("Z")
    assert timedelta(0) <= datetime.fromisoformat(draft["createdAt"]) - before < timedelta(seconds=30)
    assert response.headers["location"] == f"/orders/{draft['id']}"
    assert response.headers["etag"] == '"1"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["content-type"] == JSON
    assert "idempotency-replayed" not in response.headers


@pytest.mark.parametrize(
    ("label", "body"),
    [
        *((label, b"{}") for label in (None, JSON, "application/json; charset=utf-8", "application/x+json", FORM)),
        *((label, b"") for label in (None, JSON, FORM)),
        (FORM, b" {\n} "),
        (f"{FORM}; charset=UTF-8", b"{}"),
    ],
)
async def test_an_empty_object_may_come_in_every_form(
    client: httpx.AsyncClient, program: "Program", label: str | None, body: bytes
) -> None:
    headers = KEY if label is None else {**KEY, "Content-Type": label}
    response = await client.post("/orders", content=body, headers=headers)
    assert (response.status_code, response.json()["status"]) == (201, "draft")
    assert await program.written() == [1, 1, 1]


@pytest.mark.parametrize(
    ("label", "body", "status", "code"),
    [
        *((FORM, body, 415, "unsupported_media_type") for body in (b"a=1", b"a", b"[]", b"null", b"%7B%7D", b"\xff")),
        *(("text/plain", body, 415, "unsupported_media_type") for body in (b"{}", b"")),
        ("multipart/form-data", b"{}", 415, "unsupported_media_type"),
        *((JSON, body, 422, "validation_error") for body in (b"null", b"[]", b"7", b'"{}"', b"{", b" ", b"a=1")),
        *((FORM, body, 422, "validation_error") for body in (b"{", b"{a=1}", b"{}{}", b'{"a": 1}')),
        *((JSON, body, 422, "validation_error") for body in (b'{"id": 1}', b'{"status": "draft"}', b'{"": null}')),
        (JSON, b'{"totalCents": 5000}', 422, "validation_error"),
        (JSON, b"{}" + b" " * 1_048_576, 413, "payload_too_large"),
        (FORM, b"{}" + b" " * 1_048_576, 413, "payload_too_large"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
async def test_any_other_body_is_refused(
    client: httpx.AsyncClient, program: "Program", label: str, body: bytes, status: int, code: str
) -> None:
    response = await client.post("/orders", content=body, headers={**KEY, "Content-Type": label})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert await program.written() == [0, 0, 0]


async def test_a_field_that_is_not_known_is_named_and_its_value_not_repeated(client: httpx.AsyncClient) -> None:
    response = await client.post("/orders", json={"colour": "secret"}, headers=KEY)
    [error] = response.json()["error"]["details"]["errors"]
    assert (error["loc"], error["type"]) == (["body", "colour"], "extra_forbidden")
    assert "secret" not in response.text


async def test_two_keys_make_two_drafts(client: httpx.AsyncClient, program: "Program") -> None:
    answers = [await client.post("/orders", headers={"Idempotency-Key": key}) for key in ("a", "b")]
    assert len({answer.json()["id"] for answer in answers}) == 2
    assert await program.written() == [2, 2, 2]


async def test_without_a_key_nothing_is_made(client: httpx.AsyncClient, program: "Program") -> None:
    response = await client.post("/orders", json={})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "idempotency_key_required")
    assert "Send an Idempotency-Key" in response.json()["error"]["message"]
    assert await program.written() == [0, 0, 0]


@pytest.mark.parametrize("key", [b"", b'""', b'"a', b"a" * 256, b"\xe9", b"a\tb"])
async def test_what_is_no_key_is_refused(client: httpx.AsyncClient, program: "Program", key: bytes) -> None:
    response = await client.post("/orders", headers=[(b"Idempotency-Key", key)])
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_header"
    assert await program.written() == [0, 0, 0]


@pytest.mark.parametrize("query", ["a=1", "limit=5", "status=draft"])
async def test_there_are_no_parameters(client: httpx.AsyncClient, program: "Program", query: str) -> None:
    assert (await client.post(f"/orders?{query}", headers=KEY)).status_code == 422
    assert await program.written() == [0, 0, 0]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_all_orders_together_are_read_and_added_to_alone(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/orders")
    assert response.status_code == 405
    assert {"GET", "POST"} <= {name.strip() for name in response.headers["allow"].split(",")}
