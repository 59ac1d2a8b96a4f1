"""The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header) on the POSTs that take one."""

import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mainstay.kernel.core.errors import Unavailable

if TYPE_CHECKING:
    from tests.conformance.conftest import Api
    from tests.conformance.resources import Resource

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(autouse=True)
def keyed(resource: "Resource") -> None:
    if not resource.keyed:
        pytest.skip("its POST takes no key")


@pytest.fixture
def key() -> str:
    """A key that was not used before."""
    return secrets.token_hex(8)


def keyed_with(value: str | bytes) -> list[tuple[str, Any]]:
    return [("Idempotency-Key", value)]


def assert_replayed(first: httpx.Response, again: httpx.Response) -> None:
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("etag", "location", "content-type", "cache-control"):
        assert again.headers[name] == first.headers[name]


async def test_the_same_request_again_gets_the_first_answer(api: "Api", key: str) -> None:
    body = api.body()
    first = await api.create(keyed_with(key), json=body)
    assert first.status_code == 201
    for _ in range(2):
        assert_replayed(first, await api.create(keyed_with(key), json=body))


@pytest.mark.parametrize("after", ["change", "delete"])
async def test_the_first_answer_stays_whatever_became_of_the_resource(api: "Api", key: str, after: str) -> None:
    body = api.body()
    first = await api.create(keyed_with(key), json=body)
    await getattr(api, after)(first.headers["location"].removeprefix(api.resource.collection), {"If-Match": "*"})
    assert_replayed(first, await api.create(keyed_with(key), json=body))


@pytest.mark.parametrize(
    "written",
    [
        lambda body: json.dumps(body, indent=4),
        lambda body: json.dumps(dict(reversed(body.items())), separators=(",", ":")),
        lambda body: "\r\n\t " + json.dumps(body) + " \n",
        lambda body: json.dumps(body).replace("a", "\\u0061"),
    ],
    ids=["indented", "reversed", "padded", "escaped"],
)
async def test_how_the_json_is_written_does_not_matter(api: "Api", key: str, written: Callable[[Any], str]) -> None:
    body = api.body()
    first = await api.create(keyed_with(key), json=body)
    again = await api.create([*keyed_with(key), ("Content-Type", "application/json")], content=written(body))
    assert_replayed(first, again)


@pytest.mark.parametrize(
    ("one", "other"), [("{key}", '"{key}"'), ('{key}"x', '"{key}\\"x"'), ("{key}\\x", '"{key}\\\\x"')]
)
async def test_quoted_and_bare_are_one_key(api: "Api", key: str, one: str, other: str) -> None:
    body = api.body()
    first = await api.create(keyed_with(one.format(key=key)), json=body)
    assert_replayed(first, await api.create(keyed_with(other.format(key=key)), json=body))


async def test_keys_that_differ_in_case_are_two(api: "Api", key: str) -> None:
    answers = [await api.create(keyed_with(text), json=api.body()) for text in (f"k{key}", f"K{key}")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].headers["location"] != answers[1].headers["location"]


async def test_another_body_is_refused_and_the_first_answer_stays(api: "Api", key: str) -> None:
    body, another = api.body(), api.body()
    if body == another:
        pytest.skip("it takes one body alone")
    first = await api.create(keyed_with(key), json=body)
    other = await api.create(keyed_with(key), json=another)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert_replayed(first, await api.create(keyed_with(key), json=body))


async def test_an_invalid_body_is_told_so_whatever_its_key(api: "Api", key: str) -> None:
    await api.create(keyed_with(key), json=api.body())
    response = await api.create(keyed_with(key), json=api.resource.invalid)
    assert (response.status_code, response.json()["error"]["code"]) == (api.resource.invalid_status, "validation_error")


async def test_after_a_validation_error_the_key_is_free(api: "Api", key: str) -> None:
    refused = await api.create(keyed_with(key), json=api.resource.invalid)
    created = await api.create(keyed_with(key), json=api.body())
    assert (refused.status_code, created.status_code) == (api.resource.invalid_status, 201)
    assert "idempotency-replayed" not in created.headers


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("broken"), 500), (Unavailable(), 503)])
async def test_after_a_failure_of_ours_the_key_is_free(
    api: "Api", key: str, broken: Callable[[Exception | None], None], error: Exception, status: int
) -> None:
    body = api.body()
    broken(error)
    failed = await api.create(keyed_with(key), json=body)
    broken(None)
    created = await api.create(keyed_with(key), json=body)
    assert (failed.status_code, created.status_code) == (status, 201)
    assert "idempotency-replayed" not in created.headers
    assert_replayed(created, await api.create(keyed_with(key), json=body))


PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


@pytest.mark.parametrize("shape", ["1", '"2"', "{key:x<255}", '"{key:x<255}"', "{key} x", "{key}{printable}~"])
async def test_a_key_has_1_to_255_printable_characters(api: "Api", key: str, shape: str) -> None:
    value = shape.format(key=key, printable=PRINTABLE)
    body = api.body()
    first = await api.create(keyed_with(value), json=body)
    assert first.status_code == 201
    assert_replayed(first, await api.create(keyed_with(value), json=body))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b'""',
        b"x" * 256,
        b'"' + b"x" * 256 + b'"',
        "schlüssel".encode(),
        b"\xff",
        b"a\tb",
        b"a\x7fb",
        b'"a',
        b'"a"b',
        b'"a\\b"',
    ],
)
async def test_any_other_key_is_refused(api: "Api", value: bytes) -> None:
    response = await api.create(keyed_with(value), json=api.body())
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")


@pytest.mark.parametrize("values", [("a", "a"), ("a", "b")])
async def test_two_keys_are_refused(api: "Api", values: tuple[str, str]) -> None:
    response = await api.create([("Idempotency-Key", value) for value in values], json=api.body())
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")


async def test_without_a_key_each_request_is_its_own_where_none_is_required(api: "Api") -> None:
    body = api.body()
    answers = [await api.call("POST", json=body) for _ in range(2)]
    if api.resource.key_required:
        assert {answer.status_code for answer in answers} == {400}
        assert {answer.json()["error"]["code"] for answer in answers} == {"idempotency_key_required"}
    else:
        assert "idempotency-replayed" not in answers[1].headers
        assert answers[1].headers.get("location") != answers[0].headers["location"]


@pytest.mark.parametrize("value", ["x", "x" * 256, ""])
async def test_elsewhere_the_header_is_ignored(api: "Api", value: str) -> None:
    path = await api.made()
    headers = [*keyed_with(value), ("If-Match", "*")]
    answers = [
        await api.call("GET", path, headers),
        await api.call("GET", "", headers),
        await api.change(path, headers),
    ]
    if "DELETE" in api.resource.allow:
        answers.append(await api.delete(path, headers))
    assert {answer.status_code for answer in answers} <= {200, 204}
    assert not any("idempotency-replayed" in answer.headers for answer in answers)
