"""One envelope for every answer that is not 2xx or 3xx, and exactly the statuses that the document names."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PET = b'{"name": "Mittens", "species": "cat"}'
PROBLEM = "application/problem+json"
KEY = "Idempotency-Key: k"

OPERATIONS = {
    ("GET", "/health"): {200, 400, 422, 500},
    ("GET", "/healthz"): {200, 400, 422, 500},
    ("GET", "/readyz"): {200, 400, 422, 500, 503},
    ("GET", "/metrics"): {200, 400, 422, 500},
    ("GET", "/pets"): {200, 400, 401, 403, 422, 500, 503},
    ("POST", "/pets"): {201, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503},
    ("GET", "/pets/{pet_id}"): {200, 304, 400, 401, 403, 404, 422, 500, 503},
    ("PUT", "/pets/{pet_id}"): {200, 400, 401, 403, 404, 408, 412, 413, 415, 422, 428, 500, 503},
    ("PATCH", "/pets/{pet_id}"): {200, 400, 401, 403, 404, 408, 412, 413, 415, 422, 428, 500, 503},
    ("DELETE", "/pets/{pet_id}"): {204, 400, 401, 403, 404, 412, 422, 500, 503},
}
# Provoked by the conformance suite, as every resource's are.
FURTHER_OPERATIONS = {
    ("GET", "/v1/tasks"): {200, 400, 401, 403, 422, 500, 503},
    ("POST", "/v1/tasks"): {201, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503},
    ("GET", "/v1/tasks/{task_id}"): {200, 304, 400, 401, 403, 404, 422, 500, 503},
    ("PUT", "/v1/tasks/{task_id}"): {200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 500, 503},
    ("PATCH", "/v1/tasks/{task_id}"): {200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 500, 503},
    ("DELETE", "/v1/tasks/{task_id}"): {204, 400, 401, 403, 404, 412, 422, 500, 503},
    ("GET", "/orders"): {200, 400, 401, 403, 422, 500, 503},
    ("POST", "/orders"): {201, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503},
    ("GET", "/orders/{order_id}"): {200, 304, 400, 401, 403, 404, 422, 500, 503},
    ("PATCH", "/orders/{order_id}/confirm"): {200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 500, 503},
    ("POST", "/orders/{order_id}/close"): {200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 500, 503},
    ("GET", "/api/v1/applications"): {200, 400, 401, 403, 500, 503},
    ("POST", "/api/v1/applications"): {201, 400, 401, 403, 408, 409, 413, 415, 500, 503},
    ("GET", "/api/v1/applications/{application_id}"): {200, 304, 400, 401, 403, 404, 500, 503},
    ("PUT", "/api/v1/applications/{application_id}"): {200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 500, 503},
    ("POST", "/api/v1/configurations"): {201, 400, 401, 403, 408, 409, 413, 415, 500, 503},
    ("GET", "/api/v1/configurations/{configuration_id}"): {200, 304, 400, 401, 403, 404, 500, 503},
    ("PUT", "/api/v1/configurations/{configuration_id}"): {200, 400, 401, 403, 404, 408, 409, 412, 413, 415, 500, 503},
    ("POST", "/api/v1/auth/login"): {200, 400, 401, 408, 413, 415, 422, 500, 503},
    ("POST", "/api/v1/auth/token"): {200, 400, 401, 408, 413, 415, 422, 500, 503},
    ("POST", "/api/v1/auth/refresh"): {200, 400, 401, 408, 413, 415, 422, 500, 503},
    ("POST", "/api/v1/auth/logout"): {204, 400, 401, 422, 500, 503},
    ("POST", "/api/v1/auth/logout-all"): {204, 400, 401, 422, 500, 503},
    ("GET", "/api/v1/auth/sessions"): {200, 400, 401, 422, 500, 503},
    ("DELETE", "/api/v1/auth/sessions/{session_id}"): {204, 400, 401, 404, 422, 500, 503},
    ("GET", "/.well-known/jwks.json"): {200, 400, 422, 500},
    ("POST", "/api/v1/users"): {201, 400, 408, 409, 413, 415, 422, 500, 503},
    ("GET", "/api/v1/users/me"): {200, 304, 400, 401, 422, 500, 503},
    ("PATCH", "/api/v1/users/me"): {200, 400, 401, 408, 409, 412, 413, 415, 422, 500, 503},
    ("DELETE", "/api/v1/users/me"): {204, 400, 401, 412, 422, 500, 503},
    ("POST", "/api/v1/users/me/password"): {204, 400, 401, 408, 412, 413, 415, 422, 500, 503},
    ("GET", "/api/v1/users"): {200, 400, 401, 403, 422, 500, 503},
    ("GET", "/api/v1/users/{user_id}"): {200, 304, 400, 401, 403, 404, 422, 500, 503},
    ("PATCH", "/api/v1/users/{user_id}"): {200, 400, 401, 403, 404, 408, 412, 413, 415, 422, 500, 503},
    ("DELETE", "/api/v1/users/{user_id}"): {204, 400, 401, 403, 404, 412, 422, 500, 503},
}
OURS = {"pets", "tasks", "configs", "orders", "users", "operations"}
CODES = {
    400: "bad_request",
    401: "invalid_token",
    403: "forbidden",
    404: "pet_not_found",
    409: "request_in_progress",
    412: "precondition_failed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "validation_error",
    428: "precondition_required",
    500: "internal_error",
    503: "unavailable",
}
ERRORS = [
    (*operation, status) for operation, statuses in OPERATIONS.items() for status in sorted(statuses) if status >= 400
]
# Not those that take a server of another kind: for slow bodies see body_test.py, for readiness health_test.py. That
# nothing health and metrics do can go wrong is their point.
PROVOKED = [error for error in ERRORS if error[2] != 408 and (error[2] < 500 or error[1].startswith("/pets"))]


@pytest.fixture
def document(server: Any) -> Any:
    return server.client.get("/openapi.json").json()


@contextmanager
def trouble(server: Any, status: int) -> Iterator[None]:
    """What must be the case in the database for an answer of this status."""
    before, after = {
        409: (["BEGIN", HELD_KEY], ["ROLLBACK"]),
        500: (["ALTER TABLE pets RENAME TO gone"], ["ALTER TABLE gone RENAME TO pets"]),
        503: (["BEGIN", "LOCK TABLE pets"], ["ROLLBACK"]),
    }.get(status, ([], []))
    for statement in before:
        server.session.row(statement)
    yield
    for statement in after:
        server.session.row(statement)


HELD_KEY = (
    "INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body) "
    "VALUES ('', 'POST /pets', 'k', '', 201, '')"
)


def caller_of(server: Any, status: int) -> list[str]:
    """The header of somebody who may do nothing, for an answer that says so."""
    return [f"Authorization: Bearer {server.sign_in().access_token}"] if status == 403 else []


def provoke(request_bytes: Any, method: str, path: str, status: int, *lines: str) -> bytes:
    """A request to which the operation answers with this status, once `trouble` has been made."""
    target = path.replace("{pet_id}", "999" if status == 404 else "1")
    body = None if method in {"GET", "DELETE"} else PET
    headers = [*lines, KEY] if status == 409 else [*lines]
    if status != 428:
        headers.append('If-Match: "99"' if status == 412 else 'If-Match: "1"')
    if status == 400:
        headers.append("Host: again")
    if status == 401:
        headers.append("Authorization: Bearer none")
    if status == 422:
        target += "?unknown=1"
    if status == 415:
        headers.append("Content-Type: text/plain")
    if status == 413:
        body = PET + b" " * 50_000
    sent: bytes = request_bytes(method, target, *headers, body=body)
    return sent


def test_the_document_names_exactly_the_statuses_of_each_operation(document: Any) -> None:
    """Of the services that the program comes with: tests/conformance holds those of every resource."""
    found = {
        (method.upper(), path): {int(status) for status in operation["responses"]}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation["tags"][0] in OURS
    }
    assert found == OPERATIONS | FURTHER_OPERATIONS


@pytest.mark.parametrize(("method", "path", "status"), ERRORS)
def test_the_document_gives_each_error_its_two_forms(document: Any, method: str, path: str, status: int) -> None:
    content = document["paths"][path][method.lower()]["responses"][str(status)]["content"]
    assert {name: media["schema"]["$ref"].rpartition("/")[2] for name, media in content.items()} == {
        "application/json": "ErrorResponse",
        PROBLEM: "ProblemResponse",
    }
    for example in content["application/json"]["examples"].values():
        assert set(example["value"]["error"]) == {"code", "message", "details", "request_id"}


@pytest.mark.parametrize(("method", "path", "status"), PROVOKED)
def test_each_documented_error_is_answered_in_the_envelope(
    server: Any, caller: Any, request_bytes: Any, document: Any, method: str, path: str, status: int
) -> None:
    before = server.written()
    with trouble(server, status):
        caller.send(provoke(request_bytes, method, path, status, *caller_of(server, status)))
        answer = caller.answer()
    assert answer.status == status
    code = answer.error["code"]
    assert code in {CODES[status], "invalid_header"}
    content = document["paths"][path][method.lower()]["responses"][str(status)]["content"]
    assert code in content["application/json"]["examples"]
    assert server.written() == before
    if status != 413:  # there, bytes of the body may still be on their way
        assert caller.lives()


@pytest.mark.parametrize("status", sorted({status for _, _, status in PROVOKED}))
def test_each_error_is_a_problem_for_who_asks_for_it(server: Any, caller: Any, request_bytes: Any, status: int) -> None:
    method, path, _ = next(error for error in PROVOKED if error[2] == status)
    with trouble(server, status):
        who = caller_of(server, status)
        caller.send(provoke(request_bytes, method, path, status, *who, f"Accept: {PROBLEM}"))
        answer = caller.answer()
    assert answer.status == status
    assert answer.headers["content-type"] == PROBLEM
    problem = json.loads(answer.body)
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(problem)
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    if status == 422:
        (error,) = problem["errors"]
        assert set(error) == {"loc", "message", "type"}


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html", "application/xml", "hunter2", ""])
def test_everybody_else_gets_the_envelope(caller: Any, request_bytes: Any, accept: str) -> None:
    caller.send(request_bytes("GET", "/pets/999", f"Accept: {accept}"))
    answer = caller.answer()
    assert (answer.status, answer.error["code"]) == (404, "pet_not_found")


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/nothing?a=1", 404, "not_found"),
        ("GET", "/pets/", 404, "not_found"),
        ("GET", "/docs/nothing.js", 404, "not_found"),
        ("POST", "/docs", 405, "method_not_allowed"),
        ("PUT", "/openapi.json", 405, "method_not_allowed"),
        ("DELETE", "/pets", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", PROBLEM])
def test_what_no_operation_answers_has_the_envelope_too(
    caller: Any, request_bytes: Any, method: str, target: str, status: int, code: str, accept: str
) -> None:
    caller.send(request_bytes(method, target, f"Accept: {accept}"))
    answer = caller.answer()
    assert answer.status == status
    assert (json.loads(answer.body) if accept == PROBLEM else answer.error)["code"] == code
    assert answer.headers["location"] is None  # no redirect for a trailing slash
    assert caller.lives()


def test_an_unexpected_error_tells_nothing_and_the_log_everything(server: Any, caller: Any, request_bytes: Any) -> None:
    with trouble(server, 500):
        for number in range(3):  # on one connection
            caller.send(request_bytes("GET", "/pets?species=hunter2", f"X-Request-ID: broken-{number}"))
            answer = caller.answer()
            assert answer.status == 500
            assert answer.error["details"] == {}
            assert not {"asyncpg", "relation", "Traceback", "gone", "hunter2"} & set(answer.body.decode().split())
            assert "connection" not in answer.headers
    for number in range(3):
        lines = {line["event"]: line for line in server.lines(f"broken-{number}")}
        assert set(lines) == {"unexpected error", "request"}
        assert lines["unexpected error"]["level"] == "error"
        assert "UndefinedTableError" in lines["unexpected error"]["exception"]
        assert lines["request"]["status"] == 500
        assert lines["request"]["route"] == "/pets"
    caller.send(request_bytes("GET", "/pets"))
    assert caller.answer().status == 200


@pytest.mark.parametrize("table", ["pets", "outbox", "idempotency_keys"])
def test_an_unexpected_error_leaves_nothing_of_a_write(
    server: Any, caller: Any, request_bytes: Any, table: str
) -> None:
    before = server.written()
    server.session.row(f"ALTER TABLE {table} RENAME TO gone")
    caller.send(request_bytes("POST", "/pets", f"Idempotency-Key: {table}", body=PET))
    answer = caller.answer()
    server.session.row(f"ALTER TABLE gone RENAME TO {table}")
    assert answer.status == 500
    assert server.written() == before
    caller.send(request_bytes("POST", "/pets", f"Idempotency-Key: {table}", body=PET))
    assert caller.answer().status == 201


def test_what_is_busy_says_when_to_come_back(server: Any, caller: Any, request_bytes: Any) -> None:
    for status in (409, 503):
        with trouble(server, status):
            caller.send(provoke(request_bytes, "POST", "/pets", status))
            answer = caller.answer()
        assert answer.status == status
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(("app_env", "shown"), [("dev", True), ("test", False), ("qa", False)])
async def test_the_cause_is_told_in_dev_alone(
    app_env: str, shown: bool, settings: Any, program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with program(settings.model_copy(update={"app_env": app_env, "auth_mode": "open"})) as (app, client):

        def fail() -> None:
            raise KeyError("a broken leg")

        app.state.pets = fail
        response = await client.get("/pets/1")
    assert response.status_code == 500
    assert response.json()["error"]["details"] == ({"cause": "KeyError: 'a broken leg'"} if shown else {})
    assert ("a broken leg" in response.text) == shown
