import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from mainstay.kernel.core.errors import DomainError, Forbidden, InvalidHeader, Malformed
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.http.tenant import TenantRequired, read_tenant, tenant_of
from mainstay.kernel.http.types import TENANT_KEY

X_TENANT_ID = b"x-tenant-id"


@pytest.mark.parametrize("tenant", ["a", "tenant-1", "A.b_c-9", "0", ".", "..", "-", "_", "a" * 64])
def test_reads(tenant: str) -> None:
    assert read_tenant({X_TENANT_ID: tenant.encode()}) == tenant


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b" ", b"a b", b" a", b"a ", b"a,b", b"a, a", b"a/b", b"a:b", b'"a"', b"a\n", b"a\0", b"a\t", b"%61"),
        *("é".encode(), "é".encode("latin-1"), "\N{FULLWIDTH DIGIT ONE}".encode(), b"a" * 65, b"a" * 60_000),
    ],
)
def test_refuses_without_repeating_it(value: bytes) -> None:
    with pytest.raises(InvalidHeader) as raised:
        read_tenant({X_TENANT_ID: value})
    assert "X-Tenant-Id takes 1 to 64" in str(raised.value)
    assert raised.value.details == {}


@given(st.binary())
@example(b"tenant-1\n")
@example(b"a" * 64)
def test_any_bytes_give_a_tenant_or_invalid_header(value: bytes) -> None:
    try:
        tenant = read_tenant({X_TENANT_ID: value})
    except InvalidHeader:
        return
    assert re.fullmatch("[A-Za-z0-9._-]{1,64}", tenant)
    assert tenant.encode() == value


@pytest.mark.parametrize("headers", [{}, {b"x-tenant": b"a"}, {b"tenant-id": b"a"}, {b"X-Tenant-Id": b"a"}])
def test_what_is_missing_is_required(headers: dict[bytes, bytes]) -> None:
    """Names are in lower case when they come here."""
    with pytest.raises(TenantRequired) as raised:
        read_tenant(headers)
    assert (raised.value.code, raised.value.kind) == ("tenant_required", Malformed.kind)
    assert "send X-Tenant-Id" in str(raised.value)


def caller(tenant: str | None) -> Principal:
    return Principal(
        subject=str(uuid4()), token_id="t", role="user", scopes=frozenset(), tenant=tenant, expires=datetime.now(UTC)
    )


@pytest.mark.parametrize("headers", [{}, {X_TENANT_ID: b"tenant-1"}])
def test_who_has_a_tenant_need_not_name_it(headers: dict[bytes, bytes]) -> None:
    assert read_tenant(headers, caller("tenant-1")) == "tenant-1"


@pytest.mark.parametrize(
    ("headers", "tenant"),
    [
        ({}, None),
        ({X_TENANT_ID: b"tenant-1"}, None),
        ({X_TENANT_ID: b"a b"}, None),
        ({X_TENANT_ID: b"tenant-2"}, "tenant-1"),
        ({X_TENANT_ID: b"TENANT-1"}, "tenant-1"),
        ({X_TENANT_ID: b"tenant-11"}, "tenant-1"),
    ],
)
def test_who_has_none_or_names_another_is_turned_away(headers: dict[bytes, bytes], tenant: str | None) -> None:
    with pytest.raises(Forbidden):
        read_tenant(headers, caller(tenant))


def test_what_is_no_tenant_is_no_other_tenant_either() -> None:
    with pytest.raises(InvalidHeader):
        read_tenant({X_TENANT_ID: b"a b"}, caller("tenant-1"))


def test_both_errors_are_told_to_callers() -> None:
    assert issubclass(TenantRequired, DomainError)
    assert issubclass(InvalidHeader, DomainError)


def test_an_operation_that_promised_no_tenant_has_none() -> None:
    assert tenant_of(Request({"type": "http", TENANT_KEY: "tenant-1"})) == "tenant-1"
    with pytest.raises(KeyError):
        tenant_of(Request({"type": "http"}))
