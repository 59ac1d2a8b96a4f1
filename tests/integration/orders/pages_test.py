"""GET /orders, page by page: what a cursor leads to, and what it is refused for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from mainstay.app import create_app

if TYPE_CHECKING:
    from mainstay.settings import Settings
    from tests.integration.orders.conftest import Calling, Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATUSES = ("draft", "confirmed", "closed")
RANGE = "createdFrom=2026-01-02T03:04:05.678901Z&createdTo=2026-01-02T03:04:15Z"
KINDS = pytest.mark.parametrize(
    "query", ["", "status=draft", "status=closed,draft", RANGE, f"status=draft,closed&{RANGE}"]
)
MOST_PAGES = 1000
"""Of any list here that comes to an end."""
A_KEY, ANOTHER_KEY = "4f1c" * 10, "9b2e" * 10


def refused(response: httpx.Response) -> bool:
    return (response.status_code, response.json()["error"]["code"]) == (400, "invalid_cursor")


@asynccontextmanager
async def started(settings: "Settings", calling: "Calling", **keys: str) -> AsyncIterator[httpx.AsyncClient]:
    """Calls a further program on the same database for tenant-1, one that has these keys."""
    app = create_app(settings.model_copy(update={name: SecretStr(key) for name, key in keys.items()}))
    async with app.router.lifespan_context(app), calling(app, **{"X-Tenant-Id": "tenant-1"}) as caller:
        yield caller


async def first_cursor(settings: "Settings", calling: "Calling", **keys: str) -> str:
    """Such a program's cursor for what comes after the newest order."""
    async with started(settings, calling, **keys) as caller:
        return str((await caller.get("/orders?limit=1")).json()["nextCursor"])


@pytest_asyncio.fixture(loop_scope="session")
async def ids(program: "Program", start: datetime) -> list[str]:
    """Twenty orders of each status, three made at each moment; the ids, newest first."""
    made = [(start + timedelta(seconds=number // 3), STATUSES[number % 3]) for number in range(60)]
    put = [(at, str((await program.put([at], status=status))[0])) for at, status in made]
    return [order_id for _, order_id in sorted(put, reverse=True)]


async def walk(client: httpx.AsyncClient, query: str, limit: int) -> AsyncIterator[list[dict[str, Any]]]:
    """The pages of a list, by the cursor that each has for the next."""
    cursor = ""
    for _ in range(MOST_PAGES):
        following = f"&cursor={cursor}" if cursor else ""
        response = await client.get(f"/orders?{query}&limit={limit}{following}".replace("?&", "?"))
        assert response.status_code == 200, response.text
        page = response.json()
        cursor = page["nextCursor"]
        assert ("link" in response.headers) == (cursor is not None)
        yield page["items"]
        if cursor is None:
            return
    pytest.fail("the pages come to no end")


@KINDS
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_the_pages_together_are_the_list(
    client: httpx.AsyncClient, ids: list[str], query: str, limit: int
) -> None:
    whole = (await client.get(f"/orders?limit=100&{query}".removesuffix("&"))).json()
    assert whole["items"]
    assert whole["nextCursor"] is None
    pages = [page async for page in walk(client, query, limit)]
    assert [order for page in pages for order in page] == whole["items"]
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert pages[-1]  # there is no empty page at the end


@pytest.mark.parametrize("count", [0, 1, 2, 3])
async def test_a_page_that_is_just_full_is_the_last(
    client: httpx.AsyncClient, program: "Program", start: datetime, count: int
) -> None:
    await program.put([start] * count)
    page = (await client.get("/orders?limit=2")).json()
    assert (len(page["items"]), page["nextCursor"] is None) == (min(count, 2), count <= 2)


@KINDS
async def test_the_link_is_the_same_list_from_the_cursor_on(
    client: httpx.AsyncClient, ids: list[str], query: str
) -> None:
    whole = (await client.get(f"/orders?limit=100&{query}".removesuffix("&"))).json()["items"]
    seen, address = [], f"/orders?limit=4&{query}".removesuffix("&")
    while address:
        response = await client.get(address)
        seen += response.json()["items"]
        link, cursor = response.headers.get("link"), response.json()["nextCursor"]
        address = ""
        if cursor is not None:
            address, relation = link[1:].split(">; ")
            assert (relation, urlsplit(address).path) == ('rel="next"', "/orders")
            asked, following = parse_qs(urlsplit(f"/orders?limit=4&{query}").query), parse_qs(urlsplit(address).query)
            assert following == {**asked, "cursor": [cursor]}
    assert seen == whole


async def test_all_pages_hold_each_order_that_was_there_throughout_once(
    client: httpx.AsyncClient, program: "Program", ids: list[str], start: datetime
) -> None:
    """While others are made, before and after the page that is read, and all change their status."""
    numbers = count()
    seen: list[str] = []
    async for page in walk(client, "", 3):
        seen += [order["id"] for order in page]
        number = next(numbers)
        await client.post("/orders", headers={"Idempotency-Key": f"new-{number}"})
        await program.put([start + timedelta(milliseconds=number * 7_300 % 20_000)], status="closed")
        await program.connection.execute(
            "UPDATE orders SET status = $1, version = version + 1, updated_at = now()", STATUSES[number % 3]
        )
    assert len(seen) == len(set(seen))
    assert [order_id for order_id in seen if order_id in set(ids)] == ids


async def test_all_pages_are_whole_while_others_insert_at_once(
    client: httpx.AsyncClient, program: "Program", ids: list[str]
) -> None:
    going = True

    async def insert(writer: int) -> int:
        for number in count():
            if not going:
                return number
            await client.post("/orders", headers={"Idempotency-Key": f"{writer}-{number}"})
        raise AssertionError

    writers = [asyncio.create_task(insert(writer)) for writer in range(4)]
    try:
        seen = [order["id"] async for page in walk(client, "", 2) for order in page]
    finally:
        going = False
        inserted = await asyncio.gather(*writers)
    assert sum(inserted) > 0
    assert len(seen) == len(set(seen))
    assert [order_id for order_id in seen if order_id in set(ids)] == ids


async def test_what_is_written_meanwhile_is_on_a_later_page_if_it_is_older(
    client: httpx.AsyncClient, program: "Program", ids: list[str], start: datetime
) -> None:
    first = (await client.get("/orders?limit=20")).json()
    [newer, older] = await program.put([start + timedelta(hours=1), start - timedelta(hours=1)])
    rest = [order["id"] async for page in walk(client, f"cursor={first['nextCursor']}", 100) for order in page]
    assert str(newer) not in rest
    assert rest == [*ids[20:], str(older)]


async def test_a_cursor_may_go_on_with_pages_of_another_length(client: httpx.AsyncClient, ids: list[str]) -> None:
    cursor = (await client.get("/orders?limit=5")).json()["nextCursor"]
    for limit in (1, 7, 100):
        items = (await client.get(f"/orders?limit={limit}&cursor={cursor}")).json()["items"]
        assert [order["id"] for order in items] == ids[5 : 5 + limit]
    items = (await client.get(f"/orders?cursor={cursor}")).json()["items"]
    assert [order["id"] for order in items] == ids[5:25]


@pytest.mark.parametrize(
    ("query", "spelled"),
    [
        ("status=draft,closed", "status=closed&status=draft&status=closed"),
        ("createdFrom=2026-01-02T03:04:06Z", "createdFrom=2026-01-02T04:04:06.000%2B01:00"),
    ],
)
async def test_a_cursor_belongs_to_the_filter_and_not_to_its_spelling(
    client: httpx.AsyncClient, ids: list[str], query: str, spelled: str
) -> None:
    cursor = (await client.get(f"/orders?limit=1&{query}")).json()["nextCursor"]
    one, other = [await client.get(f"/orders?{text}&cursor={cursor}") for text in (query, spelled)]
    assert one.status_code == other.status_code == 200
    assert one.json()["items"] == other.json()["items"]


FILTERS = [
    *("", "status=draft", "status=closed", "status=draft,closed", "createdFrom=2026-01-02T03:04:06Z"),
    *("createdFrom=2026-01-02T03:04:06.000001Z", "createdTo=2026-01-02T03:04:06Z", "createdTo=2026-01-02T03:04:16Z"),
    "createdFrom=2026-01-02T03:04:06Z&status=draft",
]


@pytest.mark.parametrize("query", FILTERS)
async def test_a_cursor_of_another_filter_is_refused(client: httpx.AsyncClient, ids: list[str], query: str) -> None:
    cursor = (await client.get(f"/orders?limit=1&{query}".removesuffix("&"))).json()["nextCursor"]
    assert cursor is not None
    for other in FILTERS:
        response = await client.get(f"/orders?cursor={cursor}&{other}".removesuffix("&"))
        assert refused(response) if other != query else response.status_code == 200


async def test_a_cursor_that_was_changed_anywhere_is_refused(client: httpx.AsyncClient, ids: list[str]) -> None:
    cursor = (await client.get("/orders?limit=1")).json()["nextCursor"]
    for index, letter in enumerate(cursor):
        changed = cursor[:index] + ("A" if letter != "A" else "B") + cursor[index + 1 :]
        assert refused(await client.get(f"/orders?cursor={changed}")), index


@pytest.mark.parametrize(
    "cursor",
    [
        *(
            "",
            "%20",
            "=",
            "A",
            "AAAA",
            "null",
            "None",
            "0",
            "{}",
            "W10",
            "A" * 50_000,
            "%F0%9F%98%80",
            "%C3%A9",
            "+",
            "-_",
        ),
        *("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a", "../..", "%2E", "' OR 1=1 --", "MjAyNi0xMS0yMQ"),
    ],
    ids=lambda cursor: cursor[:20],
)
async def test_what_is_no_cursor_is_refused(client: httpx.AsyncClient, ids: list[str], cursor: str) -> None:
    response = await client.get(f"/orders?cursor={cursor}")
    assert refused(response)
    error = response.json()["error"]
    assert (error["details"], "begin again without one" in error["message"]) == ({}, True)


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c + "A", lambda c: c + "%3D", lambda c: c[1:], lambda c: c * 2]
)
async def test_a_part_of_a_cursor_or_more_than_it_is_refused(
    client: httpx.AsyncClient, ids: list[str], change: Any
) -> None:
    cursor = (await client.get("/orders?limit=1")).json()["nextCursor"]
    assert refused(await client.get(f"/orders?cursor={change(cursor)}"))


async def test_what_is_invalid_is_said_before_what_the_cursor_is_worth(
    client: httpx.AsyncClient, ids: list[str]
) -> None:
    assert (await client.get("/orders?cursor=made-up&limit=0")).status_code == 422


async def test_the_order_of_a_cursor_may_be_gone(client: httpx.AsyncClient, program: "Program", ids: list[str]) -> None:
    cursor = (await client.get("/orders?limit=1")).json()["nextCursor"]
    await program.connection.execute("DELETE FROM orders WHERE id = $1", ids[0])
    items = (await client.get(f"/orders?limit=2&cursor={cursor}")).json()["items"]
    assert [order["id"] for order in items] == ids[1:3]


@pytest.mark.parametrize(
    ("keys", "read"),
    [
        ({"secret_key": A_KEY}, True),
        ({"secret_key": ANOTHER_KEY, "secret_key_previous": A_KEY}, True),
        ({"secret_key": ANOTHER_KEY}, False),
        ({"secret_key": ANOTHER_KEY, "secret_key_previous": A_KEY[::-1]}, False),
        ({}, False),
    ],
)
async def test_a_cursor_outlives_its_key_as_long_as_that_is_named(
    kept_settings: "Settings", calling: "Calling", ids: list[str], keys: dict[str, str], read: bool
) -> None:
    cursor = await first_cursor(kept_settings, calling, secret_key=A_KEY)
    async with started(kept_settings, calling, **keys) as caller:
        response = await caller.get(f"/orders?limit=1&cursor={cursor}")
    assert response.status_code == 200 if read else refused(response)


async def test_with_a_new_key_the_new_one_signs(kept_settings: "Settings", calling: "Calling", ids: list[str]) -> None:
    cursor = await first_cursor(kept_settings, calling, secret_key=ANOTHER_KEY, secret_key_previous=A_KEY)
    for key, status in ((ANOTHER_KEY, 200), (A_KEY, 400)):
        async with started(kept_settings, calling, secret_key=key) as caller:
            assert (await caller.get(f"/orders?limit=1&cursor={cursor}")).status_code == status


async def test_without_a_key_two_programs_on_one_folder_read_each_others_cursors(
    kept_settings: "Settings", calling: "Calling", client: httpx.AsyncClient, ids: list[str]
) -> None:
    cursor = await first_cursor(kept_settings, calling)
    assert (await client.get(f"/orders?limit=1&cursor={cursor}")).status_code == 200
