"""Whose data a call is about: X-Tenant-Id, on every call, before anything else is looked at."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

AN_ID = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
CALLS = [
    ("POST", "/orders"),
    ("GET", "/orders"),
    ("HEAD", "/orders"),
    ("GET", f"/orders/{AN_ID}"),
    ("HEAD", f"/orders/{AN_ID}"),
    ("PATCH", f"/orders/{AN_ID}/confirm"),
    ("POST", f"/orders/{AN_ID}/close"),
]
EVERY_CALL = pytest.mark.parametrize(("method", "path"), CALLS)
ALL_ELSE = {"Idempotency-Key": "key-1", "If-Match": '"1"'}
BODY = b'{"totalCents": 1}'


async def noted(read: list[bytes]) -> AsyncIterator[bytes]:
    """A body that says when it is asked for."""
    read.append(BODY)
    yield BODY


def code_of(response: httpx.Response) -> str | None:
    """An answer to HEAD says it in its status alone."""
    return response.json()["error"]["code"] if response.content else None


@EVERY_CALL
async def test_without_a_tenant_nothing_is_done(
    nobody: httpx.AsyncClient, program: "Program", method: str, path: str
) -> None:
    response = await nobody.request(method, path, content=BODY, headers=ALL_ELSE)
    assert response.status_code == 400
    assert code_of(response) == (None if method == "HEAD" else "tenant_required")
    assert await program.written() == [0, 0, 0]


@EVERY_CALL
async def test_the_tenant_is_looked_at_before_the_body_is_read(
    nobody: httpx.AsyncClient, method: str, path: str
) -> None:
    read: list[bytes] = []
    for headers in ({}, {"X-Tenant-Id": "no tenant"}, {"Content-Type": "text/plain"}):
        response = await nobody.request(method, path, content=noted(read), headers=headers)
        assert response.status_code == 400
    assert read == []


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path in CALLS if method != "HEAD"])
async def test_the_tenant_is_asked_for_before_all_else_that_is_wrong(
    nobody: httpx.AsyncClient, method: str, path: str
) -> None:
    wrong = {"Content-Type": "text/plain", "If-Match": "abc", "Idempotency-Key": ""}
    path = path.replace(AN_ID, "no-id") + "?colour=1"
    response = await nobody.request(method, path, content=b"a=1", headers=wrong)
    assert (response.status_code, code_of(response)) == (400, "tenant_required")
    assert "send X-Tenant-Id" in response.json()["error"]["message"]


@EVERY_CALL
@pytest.mark.parametrize(
    "tenant",
    [b"", b" ", b"a b", b"a,b", b"a/b", b"a\xe9", "é".encode(), b"a" * 65, b"a\tb", b'"a"', b"a;b", b"%20", b"a\x00b"],
)
async def test_what_is_no_tenant_is_refused(
    nobody: httpx.AsyncClient, program: "Program", method: str, path: str, tenant: bytes
) -> None:
    headers = [(b"X-Tenant-Id", tenant), *((name.encode(), value.encode()) for name, value in ALL_ELSE.items())]
    response = await nobody.request(method, path, content=BODY, headers=headers)
    assert response.status_code == 400
    assert code_of(response) == (None if method == "HEAD" else "invalid_header")
    assert await program.written() == [0, 0, 0]


@EVERY_CALL
@pytest.mark.parametrize("second", ["tenant-1", "tenant-2"])
async def test_two_tenants_are_none(
    nobody: httpx.AsyncClient, program: "Program", method: str, path: str, second: str
) -> None:
    headers = [("X-Tenant-Id", "tenant-1"), ("x-tenant-id", second), *ALL_ELSE.items()]
    response = await nobody.request(method, path, content=BODY, headers=headers)
    assert response.status_code == 400
    assert code_of(response) == (None if method == "HEAD" else "invalid_header")
    assert method == "HEAD" or "x-tenant-id may stand only once" in response.json()["error"]["message"]
    assert await program.written() == [0, 0, 0]


@pytest.mark.parametrize("tenant", ["a", "A", "0", ".", "..", "-", "_", "tenant-1", "A.b_c-9", "a" * 64])
async def test_every_other_name_is_a_tenant_of_its_own(
    nobody: httpx.AsyncClient, program: "Program", tenant: str
) -> None:
    headers = {"X-Tenant-Id": tenant, "Idempotency-Key": "key-1"}
    created = await nobody.post("/orders", headers=headers)
    assert (created.status_code, created.json()["tenantId"]) == (201, tenant)
    assert (await nobody.get("/orders", headers={"X-Tenant-Id": tenant})).json()["items"] == [created.json()]
    [event] = await program.outbox()
    assert event["tenant_id"] == tenant


@pytest.mark.parametrize("other", ["Tenant-1", "tenant-1.", "tenant", "tenant-11", "tenant_1"])
async def test_names_that_differ_at_all_are_two(
    client: httpx.AsyncClient, nobody: httpx.AsyncClient, other: str
) -> None:
    created = await client.post("/orders", headers=ALL_ELSE)
    assert (await nobody.get("/orders", headers={"X-Tenant-Id": other})).json()["items"] == []
    assert (await nobody.get(created.headers["location"], headers={"X-Tenant-Id": other})).status_code == 404
