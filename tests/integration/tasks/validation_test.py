"""What POST, PUT and PATCH refuse to write."""

from typing import Any

import httpx
import pytest

# What is refused before any storage is asked is refused alike with each of them.
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("storage", ["sqlite-memory"], indirect=True, scope="session"),
]

READ_ONLY = ["id", "title_key", "created_at", "updated_at", "completed_at", "version"]
NO_TEXT = ["7", "true", "[]", "{}", '"a\\u0000b"', '"\\ud800"']
BAD = [
    *(("title", text) for text in (*NO_TEXT, "null", '""', '" "', '"\\t\\n\\u3000\\u00a0"')),
    *(("title", f'"{text}"') for text in ("x" * 201, "😀" * 201, f" {'x' * 201} ")),
    *(("description", text) for text in (*NO_TEXT, f'"{"x" * 4001}"', f'"{"😀" * 4001}"')),
    *(("assignee", text) for text in (*NO_TEXT, '""', f'"{"x" * 101}"', f'"{"😀" * 101}"')),
    *(("status", status) for status in ('"done"', '"NEW"', '"new "', '""', "null", "1", "true", "[]")),
    *(("priority", number) for number in ("0", "6", "-1", '"3"', "3.5", "3.0", "1e0", "true", "null", "[]", "NaN")),
    *(("priority", number) for number in ("9223372036854775807", "9223372036854775808", "-9223372036854775809")),
    *(("due_date", f'"{text}"') for text in ("", "today", "2026-02-30", "2026-13-01", "2026-2-1", "20260201")),
    *(("due_date", f'"{text}"') for text in ("2026-02-01T00:00:00Z", " 2026-02-01", "10000-01-01", "0000-01-01")),
    *(("due_date", f'"{text}"') for text in ("2026-W05-1", "-2026-02-01", "٢٠٢٦-02-01")),
    *(("due_date", value) for value in ("20260201", "1.5", "true", "[]", "{}")),
    *((name, "1") for name in ("colour", "Title", "titleKey", "tags", "")),
]
CREATE, REPLACE, UPDATE = "POST /v1/tasks", "PUT /v1/tasks/1", "PATCH /v1/tasks/1"
WRITES = pytest.mark.parametrize("write", [CREATE, REPLACE, UPDATE])


async def send(client: httpx.AsyncClient, write: str, body: str) -> httpx.Response:
    return await client.request(*write.split(), content=body.encode(), headers={"Content-Type": "application/json"})


async def assert_refused(
    client: httpx.AsyncClient, response: httpx.Response, bug: dict[str, Any], code: str = "validation_error"
) -> list[Any]:
    """Refused with this code, and nothing is written; the errors."""
    assert response.status_code == 422, response.text
    assert response.json()["error"]["code"] == code
    assert (await client.get("/v1/tasks")).json()["items"] == [bug]
    errors: list[Any] = response.json()["error"]["details"].get("errors", [])
    for error in errors:
        assert set(error) == {"loc", "message", "type"}
    return errors


@WRITES
@pytest.mark.parametrize(("field", "value"), BAD)
async def test_a_bad_field_is_refused(
    client: httpx.AsyncClient, bug: dict[str, Any], write: str, field: str, value: str
) -> None:
    members = {"title": '"Other"', field: value}
    body = ", ".join(f'"{name}": {text}' for name, text in members.items())
    errors = await assert_refused(client, await send(client, write, f"{{{body}}}"), bug)
    named = {error["loc"][1] for error in errors if len(error["loc"]) > 1}
    assert named <= {field or "<name>"}  # what is no JSON at all names no field
    assert named or errors[0]["type"].startswith("json_")


@WRITES
@pytest.mark.parametrize("field", READ_ONLY)
@pytest.mark.parametrize("value", ["1", "null", '"secret"'])
async def test_a_field_that_only_the_service_sets_is_refused_by_name(
    client: httpx.AsyncClient, bug: dict[str, Any], write: str, field: str, value: str
) -> None:
    response = await send(client, write, f'{{"title": "Other", "{field}": {value}}}')
    errors = await assert_refused(client, response, bug, "read_only_field")
    assert [(error["loc"], error["type"]) for error in errors] == [(["body", field], "read_only_field")]
    assert "secret" not in response.text


@WRITES
async def test_a_task_sent_back_as_it_was_read_gets_to_know_all_that_is_too_much(
    client: httpx.AsyncClient, bug: dict[str, Any], write: str
) -> None:
    response = await client.request(*write.split(), json={**bug, "title_key": "fix bug"})
    errors = await assert_refused(client, response, bug, "read_only_field")
    assert [error["loc"] for error in errors] == [["body", field] for field in READ_ONLY]


@WRITES
async def test_a_read_only_field_goes_before_an_unknown_one(
    client: httpx.AsyncClient, bug: dict[str, Any], write: str
) -> None:
    response = await send(client, write, '{"colour": 1, "priority": 9, "version": 1}')
    errors = await assert_refused(client, response, bug, "read_only_field")
    assert [error["loc"] for error in errors] == [["body", "version"]]


@pytest.mark.parametrize("body", ["{}", " { \n } "])
async def test_a_change_of_nothing_is_refused(client: httpx.AsyncClient, bug: dict[str, Any], body: str) -> None:
    await assert_refused(client, await send(client, UPDATE, body), bug, "empty_update")


@pytest.mark.parametrize("write", [CREATE, REPLACE])
@pytest.mark.parametrize("body", ["{}", '{"priority": 1}'])
async def test_a_whole_task_needs_its_title(
    client: httpx.AsyncClient, bug: dict[str, Any], write: str, body: str
) -> None:
    errors = await assert_refused(client, await send(client, write, body), bug)
    assert [(error["loc"], error["type"]) for error in errors] == [(["body", "title"], "missing")]


@WRITES
@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "[{}]", '"id"', "7", "true", "{", "{}}", "{'title': 'x'}", '{"title": "a", "title": "b"}'],
)
async def test_a_body_that_is_no_object_is_refused(
    client: httpx.AsyncClient, bug: dict[str, Any], write: str, body: str
) -> None:
    errors = await assert_refused(client, await send(client, write, body), bug)
    assert errors[0]["loc"] == ["body"]


@WRITES
async def test_everything_that_is_wrong_is_said_at_once_and_nothing_of_it_repeated(
    client: httpx.AsyncClient, bug: dict[str, Any], write: str
) -> None:
    body = '{"title": 4711, "status": "secret", "priority": "secret", "due_date": "secret", "colour": "secret"}'
    response = await send(client, write, body)
    errors = await assert_refused(client, response, bug)
    assert {error["loc"][1] for error in errors} == {"title", "status", "priority", "due_date", "colour"}
    assert "secret" not in response.text
    assert "4711" not in response.text


@pytest.mark.parametrize(("method", "body"), [("PUT", '{"title": ""}'), ("PATCH", "{}"), ("PATCH", '{"id": 2}')])
async def test_a_bad_body_goes_before_a_task_that_is_not_there(
    client: httpx.AsyncClient, bug: dict[str, Any], method: str, body: str
) -> None:
    assert (await send(client, f"{method} /v1/tasks/2", body)).status_code == 422
