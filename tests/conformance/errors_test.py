"""One envelope for every error from every layer, the request's id, and what is not there.

The envelope itself is looked at in each answer (conftest.py), so here it is enough to meet the errors.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from mainstay.kernel.core.errors import Unavailable

if TYPE_CHECKING:
    from tests.conformance.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROBLEM = {"Accept": "application/problem+json"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"]

Break = Callable[[Exception | None], None]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        PROBLEM,
        {"Accept": "application/problem+json, application/json;q=0.5"},
        {"Accept": "Application/Problem+JSON"},
        {"Accept": "*/*"},
        {"Accept": "text/html"},
    ],
)
async def test_every_error_comes_in_the_form_that_is_accepted(api: "Api", headers: dict[str, str]) -> None:
    path = await api.made()
    stale, missing = {**headers, "If-Match": '"stale"'}, f"/{api.resource.missing}"
    answers = [
        (await api.call("GET", path, {**headers, "Host": "no host"}), 400, "bad_request"),
        (await api.call("GET", missing, headers), 404, api.resource.not_found),
        (await api.call("GET", "/no/such/path", headers), 404, "not_found"),
        (await api.call("POST", path, headers), 405, "method_not_allowed"),
        (await api.change(path, stale), 412, "precondition_failed"),
        (await api.create({**headers, "Content-Type": "text/plain"}, content=b"{}"), 415, "unsupported_media_type"),
        (await api.call("GET", f"{api.readable}?unknown=1", headers), api.resource.invalid_status, "validation_error"),
    ]
    for answer, status, code in answers:
        body = answer.json()
        assert (answer.status_code, body.get("error", body)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("error", "status", "code"), [(RuntimeError("secret"), 500, "internal_error"), (Unavailable(), 503, "unavailable")]
)
@pytest.mark.parametrize("headers", [{}, PROBLEM])
async def test_failures_of_ours_too_and_without_their_cause(
    api: "Api", broken: Break, error: Exception, status: int, code: str, headers: dict[str, str]
) -> None:
    broken(error)
    answers = [
        await api.call("GET", api.readable, headers),
        await api.call("GET", f"/{api.resource.missing}", headers),
        await api.create(headers),
    ]
    for answer in answers:
        body = answer.json()
        assert (answer.status_code, body.get("error", body)["code"]) == (status, code)
        assert ("retry-after" in answer.headers) == (status == 503)
        assert "secret" not in answer.text
        assert "RuntimeError" not in answer.text


async def test_a_problem_tells_what_the_envelope_tells(api: "Api") -> None:
    for path in (f"/{api.resource.missing}", f"{api.readable}?unknown=1&limit=0"):
        headers = {"X-Request-ID": "the-same"}
        envelope = (await api.call("GET", path, headers)).json()["error"]
        problem = (await api.call("GET", path, {**headers, **PROBLEM})).json()
        assert problem["detail"] == envelope["message"]
        assert {name: problem[name] for name in ("code", "request_id")} == {
            name: envelope[name] for name in ("code", "request_id")
        }
        assert {name: problem[name] for name in envelope["details"]} == envelope["details"]


async def test_validation_errors_say_where_what_and_nothing_of_the_value(api: "Api") -> None:
    response = await api.create(json={**api.resource.invalid, "unknown_field": "4711-secret"})
    errors = response.json()["error"]["details"]["errors"]
    assert ["body", "unknown_field"] in [error["loc"] for error in errors]
    for error in errors:
        assert set(error) == {"loc", "message", "type"}
    assert "4711-secret" not in response.text


async def test_a_field_whose_name_is_no_name_is_not_echoed(api: "Api") -> None:
    response = await api.create(json={**api.body(), "<script>alert(1)</script>": 1})
    assert response.status_code == api.resource.invalid_status
    assert "script" not in response.text


GOOD_IDS = ["a", "A.b_c-9", "x" * 128, "-", "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"]
BAD_IDS = ["", " ", "a b", "a;b", "a,b", "ä", "x" * 129, "a\x00b", "a\nb", "a\r\nX-Evil: 1", "a%0d%0a", '"a"', "a/b"]


async def answers_with(api: "Api", broken: Break, headers: list[tuple[str, Any]]) -> list[tuple[int, str]]:
    """Status and request id of an answer of each kind."""
    path = await api.made()
    known = ("If-None-Match", "*")
    answers = [
        await api.create(headers, json=api.body()),
        await api.call("GET", path, headers),
        await api.call("HEAD", path, headers),
        await api.call("GET", path, [*headers, known]),
        await api.call("GET", api.readable, headers),
        await api.change(path, [*headers, ("If-Match", "*")]),
        await api.call("GET", "/no/such/path", headers),
        await api.call("FOO", "", headers),
        await api.create(headers, json=api.resource.invalid),
        await api.call("GET", path, [*headers, ("Host", "no host")]),
    ]
    broken(RuntimeError())
    answers.append(await api.call("GET", api.readable, headers))
    broken(None)
    return [(answer.status_code, answer.headers["x-request-id"]) for answer in answers]


@pytest.mark.parametrize("request_id", GOOD_IDS)
async def test_the_callers_request_id_is_on_every_answer(api: "Api", broken: Break, request_id: str) -> None:
    for status, answered in await answers_with(api, broken, [("X-Request-ID", request_id)]):
        assert answered == request_id, status


@pytest.mark.parametrize("given", [None, *BAD_IDS])
async def test_else_each_answer_has_a_uuid4_of_its_own(api: "Api", broken: Break, given: str | None) -> None:
    headers = [] if given is None else [("X-Request-ID", given.encode())]
    answered = [request_id for _, request_id in await answers_with(api, broken, headers)]
    assert [UUID(request_id).version for request_id in answered] == [4] * len(answered)
    assert len(set(answered)) == len(answered)


async def test_two_request_ids_are_none(api: "Api") -> None:
    response = await api.call("GET", api.readable, [("X-Request-ID", "a"), ("X-Request-ID", "b")])
    assert UUID(response.headers["x-request-id"]).version == 4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("single", [False, True], ids=["collection", "one"])
async def test_another_method_is_405_with_all_that_are_allowed(api: "Api", method: str, single: bool) -> None:
    allow = api.resource.allow if single else api.resource.allow_on_collection
    if method in allow.split(", "):
        return
    response = await api.call(method, await api.made() if single else "")
    assert (response.status_code, response.headers["allow"]) == (405, allow)
    if method != "HEAD":
        assert response.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/", "{one}/", "{one}/unknown", "//", "{one}//", "/%2F"])
async def test_an_address_beside_is_not_found_and_leads_nowhere(api: "Api", method: str, path: str) -> None:
    response = await api.call(method, path.format(one=await api.made()))
    assert response.status_code in {404, api.resource.invalid_status} if path == "/%2F" else response.status_code == 404
    assert "location" not in response.headers
