"""GET /orders: which orders, in which order, how many."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from tests.integration.orders.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

MADE = [  # id and status, a second apart, the newest last
    *((0, "draft"), (1, "confirmed"), (2, "closed"), (3, "draft"), (4, "draft"), (5, "closed"), (6, "confirmed")),
]
NEWEST_FIRST = [6, 5, 4, 3, 2, 1, 0]

Ids = list[str]


@pytest_asyncio.fixture(loop_scope="session")
async def ids(program: "Program", start: datetime) -> Ids:
    """The ids of seven orders, written in no order at all."""
    ids = [""] * len(MADE)
    for number, status in sorted(MADE, key=lambda made: made[0] * 3 % len(MADE)):
        [order_id] = await program.put([start + timedelta(seconds=number)], status=status)
        ids[number] = str(order_id)
    return ids


async def listed(client: httpx.AsyncClient, ids: Ids, query: str) -> list[int]:
    """The numbers of the orders on the one page that this asks for."""
    response = await client.get(f"/orders?{query}")
    assert response.status_code == 200, response.text
    return [ids.index(order["id"]) for order in response.json()["items"]]


async def errors(client: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    """What is wrong with a list that is refused."""
    response = await client.get(f"/orders?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error"), response.text
    found: list[dict[str, Any]] = response.json()["error"]["details"]["errors"]
    return found


async def test_without_orders_the_list_is_empty(client: httpx.AsyncClient) -> None:
    response = await client.get("/orders")
    assert (response.status_code, response.json()) == (200, {"items": [], "nextCursor": None})
    assert response.headers["content-type"] == "application/json"
    assert not {"etag", "link"} & set(response.headers)


async def test_a_list_has_whole_orders_as_they_are_read_one_by_one(
    client: httpx.AsyncClient, closed: dict[str, Any]
) -> None:
    draft = (await client.post("/orders", headers={"Idempotency-Key": "another"})).json()
    response = await client.get("/orders")
    assert response.json() == {"items": [draft, closed], "nextCursor": None}
    for order in (draft, closed):
        assert (await client.get(f"/orders/{order['id']}")).content in response.content


async def test_the_newest_is_first_and_20_are_a_page(
    client: httpx.AsyncClient, program: "Program", start: datetime
) -> None:
    ids = await program.put([start + timedelta(microseconds=number) for number in range(21)])
    items = (await client.get("/orders")).json()["items"]
    assert [item["id"] for item in items] == [str(order_id) for order_id in reversed(ids[1:])]


async def test_of_one_moment_the_greater_id_is_first(
    client: httpx.AsyncClient, program: "Program", start: datetime
) -> None:
    ids = await program.put([start] * 7)
    items = (await client.get("/orders")).json()["items"]
    assert [item["id"] for item in items] == sorted((str(order_id) for order_id in ids), reverse=True)


@pytest.mark.parametrize(("limit", "expected"), [("1", [6]), ("2", [6, 5]), ("7", NEWEST_FIRST), ("100", NEWEST_FIRST)])
async def test_a_page_is_as_long_as_asked_for(
    client: httpx.AsyncClient, ids: Ids, limit: str, expected: list[int]
) -> None:
    assert await listed(client, ids, f"limit={limit}") == expected


async def test_100_is_the_longest_page(client: httpx.AsyncClient, program: "Program", start: datetime) -> None:
    await program.put([start] * 101)
    page = (await client.get("/orders?limit=100")).json()
    assert (len(page["items"]), page["nextCursor"] is None) == (100, False)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.0", "+1", "01", "1e1", "9223372036854775808", "%201"])
async def test_any_other_length_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    assert [error["loc"] for error in await errors(client, f"limit={limit}")] == [["query", "limit"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=draft", [4, 3, 0]),
        ("status=confirmed", [6, 1]),
        ("status=closed", [5, 2]),
        ("status=draft&status=closed", [5, 4, 3, 2, 0]),
        ("status=closed,draft", [5, 4, 3, 2, 0]),
        ("status=draft&status=draft", [4, 3, 0]),
        ("status=draft,draft,confirmed,draft", [6, 4, 3, 1, 0]),
        ("status=draft,confirmed&status=closed", NEWEST_FIRST),
        ("status=closed,draft&limit=2", [5, 4]),
        ("status=confirmed,closed,draft&limit=3", [6, 5, 4]),
    ],
)
async def test_by_any_of_the_statuses(client: httpx.AsyncClient, ids: Ids, query: str, expected: list[int]) -> None:
    assert await listed(client, ids, query) == expected


@pytest.mark.parametrize(
    "status", ["", "Draft", "open", "draft,", ",", "draft,,closed", "draft, closed", "draft;closed", "*"]
)
async def test_what_is_no_status_is_refused(client: httpx.AsyncClient, status: str) -> None:
    found = await errors(client, f"status={status}")
    assert {tuple(error["loc"][:2]) for error in found} == {("query", "status")}


AT_3 = "2026-01-02T03:04:08.678901Z"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"createdFrom={AT_3}", [6, 5, 4, 3]),
        ("createdFrom=2026-01-02T03:04:08.678902Z", [6, 5, 4]),
        (f"createdTo={AT_3}", [2, 1, 0]),
        ("createdTo=2026-01-02T03:04:08.678902Z", [3, 2, 1, 0]),
        (f"createdFrom={AT_3}&createdTo={AT_3}", []),
        (f"createdFrom={AT_3}&createdTo=2026-01-02T03:04:08.678902Z", [3]),
        (f"createdFrom=2026-01-02T03:04:09Z&createdTo={AT_3}", []),
        ("createdFrom=2026-01-02T04:04:08.678901%2B01:00", [6, 5, 4, 3]),
        ("createdTo=2026-01-01T22:04:08.678901-05:00", [2, 1, 0]),
        ("createdFrom=2026-01-02t03:04:08.678901z", [6, 5, 4, 3]),
        ("createdFrom=2026-01-02T03:04:09Z", [6, 5, 4]),
        ("createdFrom=0001-01-01T00:00:00Z", NEWEST_FIRST),
        ("createdTo=0001-01-01T00:00:00Z", []),
        ("createdTo=9999-12-31T23:59:59.999999Z", NEWEST_FIRST),
        ("createdFrom=9999-12-31T23:59:59.999999Z", []),
        (f"createdFrom={AT_3}&status=draft,confirmed", [6, 4, 3]),
        (f"createdTo={AT_3}&status=draft&limit=1", [0]),
        (f"createdFrom=2026-01-02T03:04:06Z&createdTo={AT_3}&status=closed,confirmed", [2, 1]),
    ],
)
async def test_made_from_a_moment_on_and_before_another(
    client: httpx.AsyncClient, ids: Ids, query: str, expected: list[int]
) -> None:
    assert await listed(client, ids, query) == expected


@pytest.mark.parametrize("name", ["createdFrom", "createdTo"])
@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "secret", "1767323048", "2026-01-02", "2026-01-02T03:04:08", "2026-01-02T03:04Z", "03:04:08Z"),
        *("2026-02-30T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:60Z", "0000-01-01T00:00:00Z"),
        *("10000-01-01T00:00:00Z", "2026-01-02T03:04:08.1234567Z", "2026-01-02 03:04:08Z", "2026-01-02T03:04:08ZZ"),
        *("0001-01-01T00:00:00%2B01:00", "9999-12-31T23:59:59-01:00", "2026-01-02T03:04:08%2B25:00", "infinity"),
    ],
)
async def test_what_is_no_moment_is_refused_and_not_repeated(client: httpx.AsyncClient, name: str, text: str) -> None:
    [error] = await errors(client, f"{name}={text}")
    assert (error["loc"], error["type"]) == (["query", name], "datetime_parsing")
    assert "2026-11-21T09:30:00Z" in error["message"]
    assert not text or text not in error["message"]


@pytest.mark.parametrize("name", ["createdFrom", "createdTo"])
async def test_a_plus_that_was_not_escaped_is_a_blank_and_the_error_says_so(
    client: httpx.AsyncClient, name: str
) -> None:
    [error] = await errors(client, f"{name}=2026-01-02T03:04:08+01:00")
    assert "+ is written %2B" in error["message"]
    assert (await client.get(f"/orders?{name}={quote('2026-01-02T03:04:08+01:00')}")).status_code == 200


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        *((f"{name}=1", "extra_forbidden") for name in ("colour", "Status", "created_from", "offset", "tenantId")),
        *((f"{name}=1&{name}=1", "repeated") for name in ("limit", "cursor", "createdFrom", "createdTo")),
    ],
)
async def test_what_is_not_known_or_stands_twice_is_refused(client: httpx.AsyncClient, query: str, kind: str) -> None:
    [error] = await errors(client, query)
    assert (error["loc"], error["type"]) == (["query", query.partition("=")[0]], kind)


async def test_everything_that_is_wrong_is_said_at_once(client: httpx.AsyncClient) -> None:
    found = await errors(client, "limit=0&status=open&createdFrom=x&createdTo=y")
    assert {error["loc"][1] for error in found} == {"limit", "status", "createdFrom", "createdTo"}


async def test_head_has_the_headers_of_a_page(client: httpx.AsyncClient, ids: Ids) -> None:
    read, headers_alone = await client.get("/orders?limit=2"), await client.head("/orders?limit=2")
    assert (headers_alone.status_code, headers_alone.content) == (200, b"")
    assert headers_alone.headers["link"] == read.headers["link"]


async def test_an_order_that_is_made_now_is_first_and_within_now(
    client: httpx.AsyncClient, program: "Program", ids: Ids
) -> None:
    before = quote(datetime.now(UTC).isoformat())
    made = (await client.post("/orders", headers={"Idempotency-Key": "new"})).json()
    assert (await client.get("/orders?limit=1")).json()["items"] == [made]
    assert (await client.get(f"/orders?createdFrom={before}")).json()["items"] == [made]
    assert await listed(client, ids, f"createdTo={before}") == NEWEST_FIRST
