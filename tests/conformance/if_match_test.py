"""If-Match (RFC 9110, section 13.1.1) on every write to one resource, and the order of the checks."""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

Write = Callable[..., Awaitable[httpx.Response]]
WRITES = pytest.mark.parametrize("operation", ["change", "delete"])

CURRENT = [["{tag}"], ["W/{tag}"], ["*"], [" * "], ['"other", {tag}'], ['"other" ,W/{tag}\t'], [",{tag},,"]]
CURRENT += [['"other"', "{tag}"], ["{tag}", '"other"'], ["", "{tag}"]]
OTHER = [['"other"'], ['W/"other"'], ['"0{bare}"'], ['"00{bare}"'], ['"{bare} "'.replace(" ", "!")], ['""'], ['"*"']]
OTHER += [['"other", W/"another"'], ['"other"', '"another"'], ["999999"], ["9" * 5000], ['"é"'], ['"other,{bare}"']]
MALFORMED = [["abc"], ['"abc'], ['abc"'], [""], [" "], [","], ["01"], ["-1"], ["+1"], ["1.0"], ["1_0"], ["0x1"], ["é"]]
MALFORMED += [["W/"], ["W/1"], ['w/"1"'], ['W /"1"'], ["'1'"], ['"a b"'], ['"1" "2"'], ['"1";"2"'], ['"1"x'], ["**"]]
MALFORMED += [['*, "1"'], ['"1", *'], ['"1", abc'], ['"1"', "abc"], ["*", "*"], ["1 2"], ['"a"b"']]


@pytest.fixture
def write(api: "Api", operation: str) -> Write:
    if operation == "delete" and "DELETE" not in api.resource.allow:
        pytest.skip("it cannot be deleted")
    found: Write = getattr(api, operation)
    return found


def lines(values: list[str], tag: str) -> list[tuple[str, Any]]:
    """Header lines, with the current tag put in."""
    filled = (value.format(tag=tag, bare=tag.strip('"')) for value in values)
    return [("If-Match", value.encode("latin-1")) for value in filled]


@WRITES
@pytest.mark.parametrize("values", CURRENT, ids=json.dumps)
async def test_a_write_meant_for_the_current_version_is_done(api: "Api", write: Write, values: list[str]) -> None:
    path = await api.made()
    response = await write(path, lines(values, await api.tag(path)))
    assert response.status_code in {200, 204}


@WRITES
@pytest.mark.parametrize("values", [["{bare}"], ['"other",{bare}'], ["{bare}", '"other"']], ids=json.dumps)
async def test_a_bare_version_is_read_too(api: "Api", write: Write, values: list[str]) -> None:
    path = await api.made()
    tag = await api.tag(path)
    if not tag.strip('"').isdecimal():
        pytest.skip("its tags are no version numbers")
    assert (await write(path, lines(values, tag))).status_code in {200, 204}


@WRITES
@pytest.mark.parametrize("values", OTHER, ids=json.dumps)
async def test_a_write_meant_for_another_version_is_412_with_the_current_tag(
    api: "Api", write: Write, values: list[str]
) -> None:
    path = await api.made()
    before = await api.call("GET", path)
    response = await write(path, lines(values, before.headers["etag"]))
    assert (response.status_code, response.json()["error"]["code"]) == (412, "precondition_failed")
    assert response.headers["etag"] == before.headers["etag"]
    assert response.json()["error"]["details"] == {"current_etag": before.headers["etag"]}
    assert (await api.call("GET", path)).content == before.content


@WRITES
@pytest.mark.parametrize("values", MALFORMED, ids=json.dumps)
async def test_a_malformed_if_match_is_400(api: "Api", write: Write, values: list[str]) -> None:
    path = await api.made()
    before = await api.call("GET", path)
    response = await write(path, lines(values, before.headers["etag"]))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")
    assert (await api.call("GET", path)).content == before.content


async def test_a_version_that_was_current_is_stale_after_a_change(api: "Api") -> None:
    path = await api.made()
    tag = await api.tag(path)
    changed = await api.change(path, {"If-Match": tag})
    response = await api.change(path, {"If-Match": tag})
    assert (response.status_code, response.headers["etag"]) == (412, changed.headers["etag"])


async def test_without_if_match_a_change_is_428_where_it_is_required(api: "Api") -> None:
    path = await api.made()
    response = await api.change(path)
    if api.resource.if_match_required:
        assert (response.status_code, response.json()["error"]["code"]) == (428, "precondition_required")
    else:
        assert response.status_code == 200


# What is wrong with a request, and what it is answered: the first of these that is wrong, in this order.
INVALID, MALFORMED_HEADER, NO_HEADER, MISSING, STALE = "invalid", "malformed header", "no header", "missing", "stale"


@pytest.mark.parametrize(
    ("wrong", "first"),
    [
        ((INVALID, MALFORMED_HEADER, MISSING), INVALID),
        ((INVALID, NO_HEADER, MISSING), INVALID),
        ((INVALID, NO_HEADER), INVALID),
        ((INVALID, STALE, MISSING), INVALID),
        ((INVALID, STALE), INVALID),
        ((MALFORMED_HEADER, MISSING), MALFORMED_HEADER),
        ((NO_HEADER, MISSING), NO_HEADER),
        ((STALE, MISSING), MISSING),
        ((STALE,), STALE),
    ],
    ids=str,
)
async def test_of_several_faults_the_first_in_order_is_answered(api: "Api", wrong: tuple[str, ...], first: str) -> None:
    resource = api.resource
    headers = {"If-Match": "abc" if MALFORMED_HEADER in wrong else '"stale"' if STALE in wrong else "*"}
    response = await api.change(
        f"/{resource.missing}" if MISSING in wrong else await api.made(),
        {} if NO_HEADER in wrong else headers,
        json=resource.invalid if INVALID in wrong else api.changes(),
    )
    unless_required = (404, resource.not_found)
    answers = {
        INVALID: (resource.invalid_status, "validation_error"),
        MALFORMED_HEADER: (400, "invalid_header"),
        NO_HEADER: (428, "precondition_required") if resource.if_match_required else unless_required,
        MISSING: (404, resource.not_found),
        STALE: (412, "precondition_failed"),
    }
    assert (response.status_code, response.json()["error"]["code"]) == answers[first]


async def test_a_stale_version_is_answered_before_a_clash(api: "Api") -> None:
    """A caller who decided on an old version may not know of what it clashes with either."""
    if not api.resource.unique or api.resource.for_admins:
        pytest.skip("nothing of it may be there once only, or that cannot be changed")
    taken, path = api.body(), await api.made()
    await api.create(json=taken)
    change = {**api.changes(), api.resource.unique: taken[api.resource.unique]}
    for if_match, status in (('"stale"', 412), (await api.tag(path), 409)):
        assert (await api.change(path, {"If-Match": if_match}, json=change)).status_code == status
