from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import Scope

from mainstay.kernel.core.context import RequestContext, request_context
from mainstay.kernel.core.errors import (
    Conflict,
    DomainError,
    Forbidden,
    InternalError,
    InvalidToken,
    Kind,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from mainstay.kernel.http.errors import (
    STATUS,
    ErrorResponse,
    ProblemResponse,
    error_response,
    log_failure,
    validation_error,
)

PROBLEM = b"application/problem+json"


class PetTaken(Conflict):
    """An error whose details bear the names of the envelope's own members."""


@pytest.fixture(autouse=True)
def in_request() -> Iterator[None]:
    token = request_context.set(RequestContext("r-1"))
    yield
    request_context.reset(token)


def scope(accept: bytes = b"*/*", *, show_cause: bool = False) -> Scope:
    app = SimpleNamespace(state=SimpleNamespace(show_cause=show_cause))
    return {"type": "http", "app": app, "mainstay.headers": {b"accept": accept}}


def test_every_kind_has_a_status_of_its_own() -> None:
    assert set(STATUS) == set(Kind)
    assert len(set(STATUS.values())) == len(Kind)
    assert all(400 <= status < 600 for status in STATUS.values())


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_the_envelope(kind: Kind) -> None:
    error_type = type("SomethingWrong", (DomainError,), {"kind": kind})
    response = error_response(scope(), error_type("Look here.", allow="GET"))
    assert response.status_code == STATUS[kind]
    assert orjson.loads(response.body) == {
        "error": {"code": "something_wrong", "message": "Look here.", "details": {"allow": "GET"}, "request_id": "r-1"}
    }
    ErrorResponse.model_validate_json(bytes(response.body))
    headers = dict(response.raw_headers)
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize("accept", [PROBLEM, b"text/html, " + PROBLEM + b";q=0.9, */*"])
def test_a_caller_that_asks_for_it_gets_a_problem(accept: bytes) -> None:
    response = error_response(scope(accept), NotFound(id=7))
    assert dict(response.raw_headers)[b"content-type"] == PROBLEM
    problem = ProblemResponse.model_validate_json(bytes(response.body))
    assert (problem.status, problem.title, problem.code, problem.request_id) == (404, "Not Found", "not_found", "r-1")
    assert orjson.loads(response.body)["id"] == 7


@pytest.mark.parametrize("accept", [b"application/json", b"", b"application/*", b"text/html"])
def test_every_other_caller_gets_the_envelope(accept: bytes) -> None:
    assert "error" in orjson.loads(error_response(scope(accept), NotFound()).body)


def test_details_never_take_the_place_of_a_problems_own_members() -> None:
    error = PetTaken(status="sold", type="cat", title="Dr", code="x", detail="y", instance="z", request_id="w")
    problem = orjson.loads(error_response(scope(PROBLEM), error).body)
    assert problem["status"] == 409
    assert problem["code"] == "pet_taken"
    assert problem["request_id"] == "r-1"
    ProblemResponse.model_validate(problem)


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (Unavailable(), b"retry-after", b"1"),
        (PreconditionFailed('"7"'), b"ETag", b'"7"'),
        (MethodNotAllowed(allow="GET, HEAD"), b"allow", b"GET, HEAD"),
        (TooLarge(), b"connection", b"close"),
        (RequestTimeout(), b"connection", b"close"),
    ],
)
def test_an_error_brings_its_header(error: DomainError, name: bytes, value: bytes) -> None:
    assert (name, value) in error_response(scope(), error).raw_headers
    assert name not in dict(error_response(scope(), NotFound()).raw_headers)


@pytest.mark.parametrize("accept", [b"*/*", PROBLEM])
@pytest.mark.parametrize(
    "error", [Unavailable(original_error=OSError("10.0.0.1")), InternalError(original_error=KeyError("10.0.0.1"))]
)
def test_the_cause_is_shown_only_where_it_may_be(error: DomainError, accept: bytes) -> None:
    assert b"10.0.0.1" not in error_response(scope(accept), error).body
    assert b"10.0.0.1" in error_response(scope(accept, show_cause=True), error).body


class Pet(BaseModel):
    model_config = {"extra": "forbid"}
    name: str
    tags: list[int] = []


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"name": 7}, ["body", "name"]),
        ({"name": "a", "tags": [1, "secret"]}, ["body", "tags", 1]),
        ({}, ["body", "name"]),
        ({"name": "a", "colour": "secret"}, ["body", "colour"]),
        ({"name": "a", "secret value": 1}, ["body", "<name>"]),
        ({"name": "a", "secret" * 11: 1}, ["body", "<name>"]),
        ({"name": "a", "": 1}, ["body", "<name>"]),
        ({"name": "a", "<b>": 1}, ["body", "<name>"]),
        ({"name": "a", "sécret": 1}, ["body", "<name>"]),
    ],
)
def test_a_finding_says_where_and_what_but_not_the_value(body: Any, loc: list[str | int]) -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(Pet).validate_python(body)
    found = [{**error, "loc": ("body", *error["loc"])} for error in raised.value.errors()]
    details: dict[str, Any] = validation_error(RequestValidationError(found)).details
    (finding,) = details["errors"]
    assert finding["loc"] == loc
    assert set(finding) == {"loc", "message", "type"}
    assert "secret" not in str(finding)


def test_what_the_program_could_not_do_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    log_failure(Unavailable(original_error=OSError("refused")))
    log_failure(Unavailable("Too many."))
    log_failure(InternalError(original_error=KeyError("x")))
    assert [record.getMessage() for record in caplog.records] == [
        "unavailable: OSError: refused",
        "unavailable: Too many.",
        "internal error",
    ]
    assert caplog.records[2].exc_info is not None


def test_what_a_caller_did_wrong_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    log_failure(NotFound())
    log_failure(TooLarge())
    assert caplog.records == []


class WrongPassword(Unauthorized):
    """An error of a service."""


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        (Unauthorized, b"Bearer"),
        (WrongPassword, b"Bearer"),
        (InvalidToken, b'Bearer error="invalid_token"'),
        (Forbidden, None),
        (NotFound, None),
    ],
)
def test_who_is_not_known_is_told_what_to_send(error: type[DomainError], challenge: bytes | None) -> None:
    assert dict(error_response(scope(), error()).raw_headers).get(b"www-authenticate") == challenge
