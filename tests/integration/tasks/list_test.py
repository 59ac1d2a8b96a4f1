"""GET /v1/tasks: filters, words, order, pages."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from tests.integration.tasks.conftest import Clock

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_SQLITE = pytest.mark.parametrize("storage", ["sqlite-memory"], indirect=True, scope="session")
"""For what is refused before any storage is asked."""
TASKS: list[tuple[int, dict[str, Any]]] = [
    (10, {"title": "beta", "due_date": "2026-03-01", "assignee": "ada", "description": "Straße 7"}),
    (20, {"title": "Alpha", "priority": 5, "status": "in_progress", "assignee": "bob"}),
    (5, {"title": "gamma 100%", "due_date": "2026-01-01", "status": "completed", "assignee": "ada"}),
    (30, {"title": "snake_case", "priority": 1, "due_date": "2026-03-01", "description": "see BETA, 50/60 \\ path"}),
    (20, {"title": "Äpfel 😀", "priority": 5, "assignee": "Ada"}),
    (40, {"title": "  zeta 1000", "priority": 4, "due_date": "2026-02-01", "status": "completed"}),
]
"""Each with the second in which it was made: the third before the first, two in the same."""
URGENT_FIRST = [2, 5, 6, 3, 1, 4]


@pytest_asyncio.fixture(loop_scope="session")
async def tasks(client: httpx.AsyncClient, clock: "Clock") -> None:
    """The tasks 1 to 6; the first has been changed since."""
    for second, task in TASKS:
        clock.set(second)
        assert (await client.post("/v1/tasks", json=task)).status_code == 201
    clock.set(60)
    assert (await client.patch("/v1/tasks/1", json={"priority": 3})).status_code == 200


async def test_without_tasks_the_list_is_empty(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/tasks")
    assert (response.status_code, response.json()) == (200, {"items": [], "total": 0, "limit": 20, "offset": 0})
    assert "etag" not in response.headers


async def test_a_list_has_whole_tasks(client: httpx.AsyncClient, tasks: None) -> None:
    page = (await client.get("/v1/tasks")).json()
    assert [task["id"] for task in page["items"]] == URGENT_FIRST
    assert page["items"] == [(await client.get(f"/v1/tasks/{task_id}")).json() for task_id in URGENT_FIRST]
    assert page | {"items": []} == {"items": [], "total": 6, "limit": 20, "offset": 0}


ORDERS = [
    ("priority", "desc", [2, 5, 6, 3, 1, 4], [4, 3, 1, 6, 2, 5]),
    ("created_at", "desc", [6, 4, 2, 5, 1, 3], [3, 1, 2, 5, 4, 6]),
    ("updated_at", "desc", [1, 6, 4, 2, 5, 3], [3, 2, 5, 4, 6, 1]),
    ("due_date", "asc", [3, 6, 1, 4, 2, 5], [1, 4, 6, 3, 2, 5]),
    ("title", "asc", [2, 1, 3, 4, 6, 5], [5, 6, 4, 3, 1, 2]),
    ("status", "asc", [3, 6, 2, 1, 5, 4], [1, 5, 4, 2, 3, 6]),
    ("id", "asc", [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]),
]
"""The default direction, the ids in it, and in the other. Ties and nulls stand alike in both."""


@pytest.mark.parametrize(("order_by", "default", "ids", "turned"), ORDERS)
async def test_every_order_in_both_directions(
    client: httpx.AsyncClient, tasks: None, order_by: str, default: str, ids: list[int], turned: list[int]
) -> None:
    other = {"asc": "desc", "desc": "asc"}[default]
    for direction, expected in (("", ids), (f"&order_dir={default}", ids), (f"&order_dir={other}", turned)):
        page = (await client.get(f"/v1/tasks?order_by={order_by}{direction}")).json()
        assert [task["id"] for task in page["items"]] == expected, direction


async def test_the_direction_alone_turns_the_default_order(client: httpx.AsyncClient, tasks: None) -> None:
    page = (await client.get("/v1/tasks?order_dir=asc")).json()
    assert [task["id"] for task in page["items"]] == [4, 3, 1, 6, 2, 5]


@pytest.mark.parametrize("order_by", [order_by for order_by, *_ in ORDERS])
@pytest.mark.parametrize("order_dir", ["asc", "desc"])
async def test_pages_in_any_order_hold_each_task_once(
    client: httpx.AsyncClient, tasks: None, order_by: str, order_dir: str
) -> None:
    order = f"order_by={order_by}&order_dir={order_dir}"
    whole = (await client.get(f"/v1/tasks?{order}")).json()["items"]
    pages = [(await client.get(f"/v1/tasks?{order}&limit=2&offset={offset}")).json() for offset in (0, 2, 4, 6)]
    assert [task for page in pages for task in page["items"]] == whole
    assert {page["total"] for page in pages} == {6}


FILTERS = [
    ("status=new", [5, 1, 4]),
    ("status=completed", [6, 3]),
    ("status=new&status=completed", [5, 6, 3, 1, 4]),
    ("status=new,completed", [5, 6, 3, 1, 4]),
    ("status=completed,new,new", [5, 6, 3, 1, 4]),
    ("status=new&status=new", [5, 1, 4]),
    ("status=new,completed&status=in_progress", URGENT_FIRST),
    ("assignee=ada", [3, 1]),
    ("assignee=Ada", [5]),
    ("assignee=a%25", []),
    ("assignee=ad_", []),
    ("assignee=", []),
    ("assignee=%20ada", []),
    ("priority_min=1", URGENT_FIRST),
    ("priority_min=4", [2, 5, 6]),
    ("priority_min=5", [2, 5]),
    ("due_before=2026-03-01", [6, 3]),
    ("due_before=2026-03-02", [6, 3, 1, 4]),
    ("due_before=2026-01-01", []),
    ("due_before=0001-01-01", []),
    ("due_before=9999-12-31", [6, 3, 1, 4]),
    ("status=new&assignee=ada&priority_min=3&due_before=2026-03-02&q=beta&order_by=id&limit=1", [1]),
    ("status=new&priority_min=4&assignee=ada", []),
    ("limit=1", [2]),
    ("limit=100", URGENT_FIRST),
    ("limit=2&offset=4", [1, 4]),
    ("offset=6", []),
    ("offset=9223372036854775807&limit=100", []),
    ("status=new&offset=1&limit=1", [1]),
]
WORDS = [
    ("beta", [1, 4]),
    ("BETA", [1, 4]),
    ("bet", [1, 4]),
    ("case+see", [4]),
    ("see%20snake", [4]),
    ("%20%20see%09%0Abeta%20", [4]),
    ("beta+alpha", []),
    ("strasse", [1]),
    ("STRA%C3%9FE", [1]),
    ("%C3%A4PFEL", [5]),
    ("%F0%9F%98%80", [5]),
    ("100", [6, 3]),
    ("100%25", [3]),
    ("%25", [3]),
    ("_", [4]),
    ("e_c", [4]),
    ("1%250", []),
    ("a_pha", []),
    ("%5C", [4]),
    ("%2F", [4]),
    ("50/60", [4]),
    ("%5C%25", []),
    ("'", []),
    ("", URGENT_FIRST),
    ("+%E3%80%80", URGENT_FIRST),
    ("+".join(["beta"] * 10), [1, 4]),
    ("be+bet+beta+et+eta+ta+b+e+t+a", [1, 4]),
]


@pytest.mark.parametrize(("query", "ids"), [*FILTERS, *((f"q={words}", ids) for words, ids in WORDS)])
async def test_a_list_holds(client: httpx.AsyncClient, tasks: None, query: str, ids: list[int]) -> None:
    response = await client.get(f"/v1/tasks?{query}")
    assert response.status_code == 200, response.text
    assert [task["id"] for task in response.json()["items"]] == ids


@pytest.mark.parametrize(
    ("query", "total"),
    [("limit=1", 6), ("offset=9", 6), ("status=new&limit=1", 3), ("q=beta&offset=9", 2), ("assignee=eve", 0)],
)
async def test_the_total_is_of_all_pages(client: httpx.AsyncClient, tasks: None, query: str, total: int) -> None:
    assert (await client.get(f"/v1/tasks?{query}")).json()["total"] == total


async def test_the_page_says_where_it_is(client: httpx.AsyncClient) -> None:
    page = (await client.get("/v1/tasks?limit=7&offset=3")).json()
    assert page == {"items": [], "total": 0, "limit": 7, "offset": 3}


async def test_a_changed_task_is_found_by_what_it_is_now(client: httpx.AsyncClient, tasks: None) -> None:
    change = {"title": "omega", "description": None, "status": "completed", "assignee": "eve", "due_date": None}
    await client.patch("/v1/tasks/1", json=change)
    queries = ("q=omega", "q=beta", "q=strasse", "status=new", "assignee=ada", "assignee=eve", "due_before=2026-03-02")
    pages = [(await client.get(f"/v1/tasks?{query}&order_by=id")).json()["items"] for query in queries]
    assert [[task["id"] for task in page] for page in pages] == [[1], [4], [], [4, 5], [3], [1], [3, 4, 6]]


NUMBERS = ["", "-1", "%2B1", "+1", "%201", "1e3", "1.0", "01", "1_0", "0x1", "one", "null", "true", "%D9%A1", "1,2"]
BEYOND = ["9223372036854775808", "-9223372036854775809", "9" * 5000]
DATES = ["", "today", "2026-02-30", "2026-2-1", "20260201", "0", "2026-02-01T00:00:00Z", "10000-01-01", "null"]


@IN_SQLITE
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in (*NUMBERS, *BEYOND, "0", "101")),
        *(("offset", value) for value in (*NUMBERS, *BEYOND)),
        *(("priority_min", value) for value in (*NUMBERS, *BEYOND, "0", "6")),
        *(("due_before", value) for value in DATES),
        *(
            ("status", value)
            for value in ("", "NEW", "done", "new%20", "new,", ",new", "new,,new", "new,done", "new;x")
        ),
        *(("order_by", value) for value in ("", "-id", "PRIORITY", "version", "title_key", "id,title", "assignee")),
        *(("order_dir", value) for value in ("", "ASC", "up", "asc,desc")),
        ("q", "+".join(["beta"] * 11)),
        *((name, "1") for name in ("colour", "Limit", "sort", "page", "status%5B%5D", "")),
    ],
)
async def test_what_is_no_such_value_is_refused(client: httpx.AsyncClient, name: str, value: str) -> None:
    response = await client.get(f"/v1/tasks?{name}={value}")
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "validation_error"
    for error in response.json()["error"]["details"]["errors"]:
        assert error["loc"][0] == "query"
        assert error["loc"][1] in {name, "<name>"}


@IN_SQLITE
@pytest.mark.parametrize(
    "repeated",
    ["limit=1&limit=1", "order_by=id&order_by=id", "assignee=a&assignee=b", "q=a&q=b", "priority_min=1&priority_min=1"],
)
async def test_a_parameter_other_than_status_is_taken_once(client: httpx.AsyncClient, repeated: str) -> None:
    response = await client.get(f"/v1/tasks?offset=0&{repeated}")
    assert response.status_code == 422
    assert [error["type"] for error in response.json()["error"]["details"]["errors"]] == ["repeated"]


@IN_SQLITE
@pytest.mark.parametrize("query", ["q=%00", "assignee=a%00b", "%00=1", "q=%ff", "assignee=%ed%a0%80"])
async def test_what_is_no_text_is_refused(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/v1/tasks?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")
