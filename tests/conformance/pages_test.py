"""Lists: how much is on a page, and what a caller may ask."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_NUMBERS = [
    "",
    "-1",
    "%2B1",
    "%201",
    "1%20",
    "1e3",
    "1.0",
    "01",
    "1_0",
    "0x1",
    "one",
    "null",
    "%D9%A1",
    "1,2",
    "9" * 5000,
]
INT64_MAX = 2**63 - 1


async def items(api: "Api", query: str) -> list[object]:
    response = await api.call("GET", f"?{query}")
    assert response.status_code == 200, response.text
    found: list[object] = response.json()["items"]
    return found


async def everything(api: "Api") -> list[object]:
    """All pages, by offset or by cursor."""
    found: list[object] = []
    first = query = f"?limit={api.resource.max_limit}"
    while query:
        page = (await api.call("GET", query)).json()
        found += page["items"]
        onward = f"&offset={len(found)}" if api.resource.offset else f"&cursor={page['nextCursor']}"
        at_the_end = not page["items"] if api.resource.offset else page["nextCursor"] is None
        query = "" if at_the_end else first + onward
    return found


@pytest.fixture
def paged(api: "Api") -> "Api":
    if not api.resource.paged:
        pytest.skip("it is not read in pages")
    return api


@pytest.mark.parametrize("limit", ["1", "2", "{max}"])
async def test_a_page_has_no_more_than_its_limit(paged: "Api", limit: str) -> None:
    for _ in range(3):
        await paged.made()
    asked = limit.format(max=paged.resource.max_limit)
    found = await items(paged, f"limit={asked}")
    assert len(found) == int(asked) if int(asked) < 3 else 3 <= len(found) <= int(asked)


async def test_without_a_limit_a_page_has_the_default(paged: "Api") -> None:
    for _ in range(paged.resource.default_limit + 1):
        await paged.made()
    assert len(await items(paged, "")) == paged.resource.default_limit
    assert len(await items(paged, f"limit={paged.resource.default_limit + 1}")) == paged.resource.default_limit + 1


async def test_a_resource_is_in_the_list_as_it_is_read(paged: "Api") -> None:
    path = await paged.made()
    one = (await paged.call("GET", path)).json()
    assert (await everything(paged)).count(one) == 1


@pytest.mark.parametrize("limit", [*NO_NUMBERS, "0", "{beyond}", str(INT64_MAX), str(INT64_MAX + 1)])
async def test_any_other_limit_is_refused(paged: "Api", limit: str) -> None:
    response = await paged.call("GET", f"?limit={limit.format(beyond=paged.resource.max_limit + 1)}")
    assert (response.status_code, response.json()["error"]["code"]) == (
        paged.resource.invalid_status,
        "validation_error",
    )


@pytest.fixture
def by_offset(paged: "Api") -> "Api":
    if not paged.resource.offset:
        pytest.skip("its pages go by cursor")
    return paged


async def test_pages_by_offset_follow_each_other(by_offset: "Api") -> None:
    for _ in range(3):
        await by_offset.made()
    first, second, both = [
        await items(by_offset, query) for query in ("limit=1", "limit=1&offset=1", "limit=2&offset=0")
    ]
    assert first + second == both


@pytest.mark.parametrize("offset", [10**6, INT64_MAX])
async def test_beyond_the_end_there_is_an_empty_page(by_offset: "Api", offset: int) -> None:
    assert await items(by_offset, f"offset={offset}") == []


@pytest.mark.parametrize("offset", [*NO_NUMBERS, str(INT64_MAX + 1)])
async def test_any_other_offset_is_refused(by_offset: "Api", offset: str) -> None:
    response = await by_offset.call("GET", f"?offset={offset}")
    assert (response.status_code, response.json()["error"]["code"]) == (
        by_offset.resource.invalid_status,
        "validation_error",
    )


@pytest.mark.parametrize("query", ["unknown=1", "Limit=1", "limit=1&limit=1", "limit%5B%5D=1", "=1", "%3Cb%3E=1"])
async def test_what_is_unknown_or_repeated_is_refused(api: "Api", query: str) -> None:
    response = await api.call("GET", f"{api.readable}?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (api.resource.invalid_status, "validation_error")
    assert "<b>" not in response.text


@pytest.mark.parametrize("operation", ["read", "change", "delete"])
async def test_one_resource_takes_no_parameter_that_is_not_known(api: "Api", operation: str) -> None:
    path = await api.made()
    method = {"read": "GET", "change": api.resource.changed_by[0], "delete": "DELETE"}[operation]
    content = {"json": api.changes()} if operation == "change" else {}
    if method not in api.resource.allow:
        pytest.skip("it cannot be deleted")
    response = await api.call(method, f"{path}?unknown=1", {"If-Match": "*"}, **content)
    assert (response.status_code, response.json()["error"]["code"]) == (api.resource.invalid_status, "validation_error")
    assert (await api.call("GET", path)).status_code == 200
