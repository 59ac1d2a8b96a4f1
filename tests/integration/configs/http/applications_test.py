"""Applications: every row of the contract's table."""

from typing import TYPE_CHECKING, Any

import pytest
from ulid import ULID

if TYPE_CHECKING:
    import asyncpg

    from tests.integration.configs.http.conftest import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

APPLICATIONS = "/api/v1/applications"
NOBODY = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
LONGEST = {"name": "\N{GRINNING FACE}" * 256, "comments": "é" * 1024}
BAD_IDS = [
    "1",
    "abc",
    NOBODY[:-1],
    NOBODY + "Z",
    "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZI",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZL",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZO",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZU",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZ%C3%A9",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZ%20",
    "7ZZZZZZZZZZZZZZZZZZZZZZZ-Z",
    "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a",
    "019a9f2e7c1b7cc2a5b01f2e3d4c5b6a",
    "%25",
]


def fault(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def faulty_fields(response: Any) -> list[list[str]]:
    assert fault(response) == (400, "validation_error")
    return [error["loc"] for error in response.json()["error"]["details"]["errors"]]


async def test_a_new_application_has_a_ulid_and_no_configuration(caller: "Caller") -> None:
    response = await caller.call("POST", APPLICATIONS, json={"name": "checkout", "comments": "Ask first."})
    body = response.json()
    assert response.status_code == 201
    assert str(ULID.from_str(body["id"])) == body["id"]
    assert body == {"id": body["id"], "name": "checkout", "comments": "Ask first.", "configuration_ids": []}
    assert list(body) == ["id", "name", "comments", "configuration_ids"]
    assert response.headers["location"] == f"{APPLICATIONS}/{body['id']}"
    read = await caller.get(response.headers["location"])
    assert (read.status_code, read.content) == (200, response.content)
    assert read.headers["etag"] == response.headers["etag"]


async def test_comments_may_be_left_out(caller: "Caller") -> None:
    response = await caller.call("POST", APPLICATIONS, json={"name": "checkout"})
    assert (response.status_code, response.json()["comments"]) == (201, None)


@pytest.mark.parametrize(
    "body", [LONGEST, {"name": " "}, {"name": "x", "comments": ""}, {"name": "%_\\' \" \t\n; DROP TABLE applications"}]
)
async def test_text_is_kept_as_it_was_sent(caller: "Caller", body: dict[str, str]) -> None:
    made = await caller.made(APPLICATIONS, body)
    read = (await caller.get(f"{APPLICATIONS}/{made['id']}")).json()
    assert {name: read[name] for name in body} == body


INVALID = [
    ({}, [["body", "name"]]),
    ({"name": ""}, [["body", "name"]]),
    ({"name": "x" * 257}, [["body", "name"]]),
    ({"name": None}, [["body", "name"]]),
    ({"name": 7}, [["body", "name"]]),
    ({"name": "x", "comments": "x" * 1025}, [["body", "comments"]]),
    ({"name": "x", "comments": 7}, [["body", "comments"]]),
    ({"name": "x", "id": NOBODY}, [["body", "id"]]),
    ({"name": "x", "configuration_ids": []}, [["body", "configuration_ids"]]),
    ({"name": "", "comments": False}, [["body", "name"], ["body", "comments"]]),
    ([], [["body"]]),
    (None, [["body"]]),
]


@pytest.mark.parametrize(("body", "fields"), INVALID)
async def test_an_invalid_body_is_400_and_every_field_is_named(
    caller: "Caller", database: "asyncpg.Connection", body: Any, fields: list[list[str]]
) -> None:
    made = await caller.application()
    for method, path in (("POST", APPLICATIONS), ("PUT", f"{APPLICATIONS}/{made['id']}")):
        assert faulty_fields(await caller.call(method, path, json=body)) == fields
    assert [dict(row) for row in await database.fetch("SELECT * FROM applications")] == [
        {"id": made["id"], "name": "checkout", "comments": None}
    ]


@pytest.mark.parametrize("application_id", BAD_IDS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_bad_ulid_in_the_path_is_400(caller: "Caller", method: str, application_id: str) -> None:
    content = {"json": {"name": "x"}} if method == "PUT" else {}
    response = await caller.call(method, f"{APPLICATIONS}/{application_id}", **content)
    assert faulty_fields(response) == [["path", "application_id"]]


async def test_a_ulid_is_read_in_lower_case_and_written_in_upper_case(caller: "Caller") -> None:
    made = await caller.application()
    response = await caller.get(f"{APPLICATIONS}/{made['id'].lower()}")
    assert (response.status_code, response.json()) == (200, made)


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_application_that_is_not_there_is_404(caller: "Caller", method: str) -> None:
    content = {"json": {"name": "x"}} if method == "PUT" else {}
    response = await caller.call(method, f"{APPLICATIONS}/{NOBODY}", **content)
    assert fault(response) == (404, "application_not_found")


async def test_a_name_that_is_taken_is_409_and_the_clash_is_named(caller: "Caller") -> None:
    await caller.application("checkout")
    other = await caller.application("billing")
    before = await caller.get(f"{APPLICATIONS}/{other['id']}")
    for method, path in (("POST", APPLICATIONS), ("PUT", f"{APPLICATIONS}/{other['id']}")):
        response = await caller.call(method, path, json={"name": "checkout"})
        assert fault(response) == (409, "duplicate_application")
        assert response.json()["error"]["details"] == {"fields": ["name"]}
    assert (await caller.get(f"{APPLICATIONS}/{other['id']}")).content == before.content


@pytest.mark.parametrize("other", ["Checkout", "checkout ", "che\N{CYRILLIC SMALL LETTER ES}kout"])
async def test_names_that_differ_at_all_are_two(caller: "Caller", other: str) -> None:
    await caller.application("checkout")
    assert (await caller.application(other))["name"] == other


async def test_put_replaces_all_but_the_configurations(caller: "Caller") -> None:
    made = await caller.application(comments="to be removed")
    one = await caller.configuration(made)
    path = f"{APPLICATIONS}/{made['id']}"
    response = await caller.call("PUT", path, json={"name": "billing"})
    expected = {"id": made["id"], "name": "billing", "comments": None, "configuration_ids": [one["id"]]}
    assert (response.status_code, response.json()) == (200, expected)
    read = await caller.get(path)
    assert (read.content, read.headers["etag"]) == (response.content, response.headers["etag"])


async def test_put_of_what_is_there_changes_nothing(caller: "Caller") -> None:
    made = await caller.application()
    path = f"{APPLICATIONS}/{made['id']}"
    tag = await caller.tag(path)
    response = await caller.call("PUT", path, json={"name": made["name"], "comments": made["comments"]})
    assert (response.status_code, response.headers["etag"]) == (200, tag)


async def test_the_tag_is_one_of_the_content_and_comes_back_with_it(caller: "Caller") -> None:
    made = await caller.application()
    path = f"{APPLICATIONS}/{made['id']}"
    tags = [
        (await caller.call("PUT", path, json={"name": name})).headers["etag"] for name in ("checkout", "x", "checkout")
    ]
    assert tags[0] == tags[2] != tags[1]


async def test_configurations_are_listed_in_the_order_of_their_ids_and_covered_by_the_tag(
    caller: "Caller", database: "asyncpg.Connection"
) -> None:
    made, other = await caller.application(), await caller.application("billing")
    path = f"{APPLICATIONS}/{made['id']}"
    tags = [await caller.tag(path)]
    ids = ["7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "00000000000000000000000000", "01JCZ5W1XJ8T3S6V9Q4N2M7KRA"]
    for number, configuration_id in enumerate(ids):
        statement = "INSERT INTO configurations (id, application_id, name, config) VALUES ($1, $2, $3, '{}')"
        await database.execute(statement, configuration_id, made["id"], str(number))
        tags.append(await caller.tag(path))
    await caller.configuration(other)
    assert (await caller.get(path)).json()["configuration_ids"] == sorted(ids)
    assert len(set(tags)) == 4


async def test_post_put_and_get_answer_in_one_shape(caller: "Caller") -> None:
    made = await caller.application()
    path = f"{APPLICATIONS}/{made['id']}"
    answers = [await caller.get(path), await caller.call("PUT", path, json={"name": "x"})]
    assert {tuple(answer.json()) for answer in answers} == {tuple(made)}


async def test_a_configuration_that_is_added_makes_the_tag_stale(caller: "Caller") -> None:
    made = await caller.application()
    path = f"{APPLICATIONS}/{made['id']}"
    tag = await caller.tag(path)
    await caller.configuration(made)
    response = await caller.call("PUT", path, {"If-Match": tag}, json={"name": "x"})
    assert fault(response) == (412, "precondition_failed")
    current = await caller.tag(path)
    assert response.headers["etag"] == current != tag
    assert (await caller.call("PUT", path, {"If-Match": current}, json={"name": "x"})).status_code == 200


async def test_a_stale_tag_is_found_before_a_name_that_is_taken(caller: "Caller") -> None:
    await caller.application("billing")
    path = f"{APPLICATIONS}/{(await caller.application())['id']}"
    response = await caller.call("PUT", path, {"If-Match": '"stale"'}, json={"name": "billing"})
    assert fault(response) == (412, "precondition_failed")
