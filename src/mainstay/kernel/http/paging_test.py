import json
import re
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from mainstay.kernel.core.cursor import Cursors, InvalidCursor, KeysetPage
from mainstay.kernel.http.paging import Cursor, Limit, next_page, respond_newest
from mainstay.kernel.http.types import TENANT_KEY

LIMIT: TypeAdapter[int] = TypeAdapter(Limit)
CURSOR: TypeAdapter[str | None] = TypeAdapter(Cursor)
TEXT = st.text(st.characters(codec="utf-8"))


def request(query: str) -> Request:
    return Request({"type": "http", "path": "/orders", "query_string": query.encode()})


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("", "/orders?cursor=c-_1"),
        ("limit=5", "/orders?limit=5&cursor=c-_1"),
        ("cursor=b", "/orders?cursor=c-_1"),
        ("cursor=b&limit=5&cursor=a", "/orders?limit=5&cursor=c-_1"),
        ("status=draft&limit=5&status=closed", "/orders?status=draft&limit=5&status=closed&cursor=c-_1"),
        ("status=draft,closed", "/orders?status=draft%2Cclosed&cursor=c-_1"),
        ("createdTo=2026-11-21T09:30:00%2B01:00", "/orders?createdTo=2026-11-21T09%3A30%3A00%2B01%3A00&cursor=c-_1"),
        ("q=", "/orders?q=&cursor=c-_1"),
        ("q=%3E%3B%20rel%3D%22prev", "/orders?q=%3E%3B+rel%3D%22prev&cursor=c-_1"),
    ],
)
def test_the_next_page_is_the_same_list_from_the_cursor_on(query: str, address: str) -> None:
    assert next_page(request(query), "c-_1") == address


@pytest.mark.parametrize("query", ["", "cursor=b", "limit=5"])
def test_after_the_last_page_there_is_none(query: str) -> None:
    assert next_page(request(query), None) is None


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT)))
def test_the_other_parameters_stay_whatever_they_hold(parameters: list[tuple[str, str]]) -> None:
    parameters = [(name, value) for name, value in parameters if name != "cursor"]
    address = next_page(request(urlencode(parameters)), "c")
    assert address is not None
    assert re.fullmatch('<[^<>]+>; rel="next"', f'<{address}>; rel="next"')
    assert address.isascii()
    assert address.isprintable()
    assert parse_qsl(urlsplit(address).query, keep_blank_values=True) == [*parameters, ("cursor", "c")]


@pytest.mark.parametrize(("given", "taken"), [("1", 1), ("20", 20), ("100", 100)])
def test_a_page_has_1_to_100_items(given: str, taken: int) -> None:
    assert LIMIT.validate_python(given) == taken


@pytest.mark.parametrize(
    "given", ["0", "-1", "101", "9999999999", "x", "", " 5", "+5", "05", "5.0", "1e1", "\N{ARABIC-INDIC DIGIT FIVE}"]
)
def test_no_other_number_of_items_is_asked_for(given: str) -> None:
    with pytest.raises(ValidationError):
        LIMIT.validate_python(given)


@pytest.mark.parametrize("given", ["c", "", "é", "a" * 100_000])
def test_what_a_cursor_is_worth_is_not_for_the_parameter_to_say(given: str) -> None:
    """It is 400 `invalid_cursor`, where a bad parameter is 422."""
    assert CURSOR.validate_python(given) == given


def asked(tenant: str | None, path: str = "/rooms") -> Request:
    """A request for a list, as a program with a secret gets it."""
    app = SimpleNamespace(state=SimpleNamespace(cursors=Cursors(b"secret")))
    return Request({"type": "http", "path": path, "query_string": b"", "app": app, TENANT_KEY: tenant})


LAST = UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a")


async def newest(*, before: UUID | None, limit: int, tenant_id: str | None) -> KeysetPage[object]:
    """One page and another."""
    return KeysetPage([{"before": before, "limit": limit, "tenant": tenant_id}], (LAST,) if before is None else None)


async def test_the_next_page_begins_where_the_last_ended() -> None:
    first = json.loads(bytes((await respond_newest(asked("tenant-1"), newest, None, 7)).body))
    assert first["items"] == [{"before": None, "limit": 7, "tenant": "tenant-1"}]
    second = json.loads(bytes((await respond_newest(asked("tenant-1"), newest, first["nextCursor"], 7)).body))
    assert second == {"items": [{"before": str(LAST), "limit": 7, "tenant": "tenant-1"}], "nextCursor": None}


@pytest.mark.parametrize(("tenant", "path"), [("tenant-2", "/rooms"), (None, "/rooms"), ("tenant-1", "/readings")])
async def test_a_cursor_is_of_one_list_of_one_tenant(tenant: str | None, path: str) -> None:
    cursor = json.loads(bytes((await respond_newest(asked("tenant-1"), newest, None, 7)).body))["nextCursor"]
    with pytest.raises(InvalidCursor):
        await respond_newest(asked(tenant, path), newest, cursor, 7)
