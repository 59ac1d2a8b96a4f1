"""What schemathesis is taught about Mainstay: how to reach what is there, and the promises that its checks don't know.

Loaded by schemathesis itself, by the path in SCHEMATHESIS_HOOKS.
"""
# ruff: noqa: ARG001 - schemathesis hands in all of the arguments

import json
import re
import uuid
from collections import defaultdict
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx
import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

from tests.conformance.resources import RESOURCES
from tests.e2e import users

AnyCase: TypeAlias = "Case[Any]"

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
EXAMPLES = ("Fix login bug", "some text")  # of a task, and of what `mainstay new` writes
AN_APPLICATION = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA"  # in examples alone
UNDOCUMENTED = {"decimal_too_long", "frozen_field", "json_integer", "json_nul", "json_number", "json_surrogate"}
ENVELOPE = {"code", "message", "details", "request_id"}

CONFIRM, CLOSE = "/orders/{order_id}/confirm", "/orders/{order_id}/close"
A_TENANT = "tenant-1"  # in examples
UUIDS = {resource.collection: resource for resource in RESOURCES if "-" in resource.missing}
"""The resources whose ids are UUIDs, by the paths of their collections."""
UNIQUE = {resource.collection: resource.unique for resource in RESOURCES}
BELOW = re.compile("/(confirm|close)$")
"""What is called below a resource, and answers with it."""

reader = httpx.Client()
"""One for all: a client loads the certificates that it would trust, 35 ms of work."""

created: defaultdict[str, list[str]] = defaultdict(list)
"""The ids of what was created, by the collection's path."""


@schemathesis.hook
def after_call(context: HookContext, case: AnyCase, response: Response) -> None:
    """Remember what there is."""
    if response.status_code == 201 and case.headers.get("X-Tenant-Id", A_TENANT) == A_TENANT:
        created[case.path].append(response.headers["location"][0].rpartition("/")[2])
    if response.status_code == 200 and case.path == CONFIRM and case.headers["X-Tenant-Id"] == A_TENANT:
        created[CLOSE].append(case.path_parameters["order_id"])


@schemathesis.hook
def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
    """Let valid requests get as far as the part of them that is tried out.

    The coverage phase takes each body to its borders and all else from the document's examples: all but the first of
    these requests would be answered with 404, 412 or "key reused", and show nothing of their bodies.
    """
    if not _is_valid(case):
        return
    if isinstance(case.body, dict):  # the body that is left out is a value too, and assigned would count as invalid
        case.body = _with_plain_integers(case.body)
    assert case.meta is not None
    phase = case.meta.phase.name.value
    if phase in {"coverage", "fuzzing"}:
        users.aim(case)
    if phase == "coverage":
        _aim(case)
    elif phase == "fuzzing" and len(case.query.get("cursor") or "") % 2:  # nobody guesses a signature: half go without
        del case.query["cursor"]
    elif phase == "fuzzing" and case.path.partition("/{")[0] in UUIDS:  # which nobody guesses, nor whose they are
        if UUIDS[case.path.partition("/{")[0]].headers:
            case.headers["X-Tenant-Id"] = A_TENANT
        if "/{" in case.path:
            _aim(case)


@schemathesis.check
def a_valid_request_is_refused_for_its_key_alone(ctx: CheckContext, response: Response, case: AnyCase) -> None:
    """422 is expected of valid requests in general (schemathesis.toml), but means one thing; of users, a few more."""
    if _is_valid(case) and response.status_code == 422:
        error = _error(response)
        known = {found["type"] for found in error["details"].get("errors", [])} <= users.REFUSED
        assert error["code"] == "idempotency_key_reused" or (known and case.path.startswith("/api/v1/"))


@schemathesis.check
def a_valid_request_is_unauthorized_for_its_credentials_alone(
    ctx: CheckContext, response: Response, case: AnyCase
) -> None:
    """Likewise 401: which passwords and refresh tokens there are."""
    if _is_valid(case) and response.status_code == 401 and "Authorization" not in case.headers:
        assert _error(response)["code"] in {"invalid_credentials", "invalid_refresh_token"}


@schemathesis.check
def a_valid_request_is_bad_for_what_no_document_says_alone(
    ctx: CheckContext, response: Response, case: AnyCase
) -> None:
    """Likewise 400: which ids and cursors there are, that one stays what it was, what a number at any depth may be."""
    if _is_valid(case) and response.status_code == 400:
        error = _error(response)
        assert error["code"] in {"unknown_application", "validation_error", "invalid_cursor"}
        assert {found["type"] for found in error["details"].get("errors", [])} <= UNDOCUMENTED


@schemathesis.check
def every_answer_has_its_headers(ctx: CheckContext, response: Response, case: AnyCase) -> None:
    """Also those to methods and addresses that the document does not know."""
    assert REQUEST_ID.fullmatch(response.headers["x-request-id"][0])
    assert response.headers["x-content-type-options"] == ["nosniff"]
    assert "server" not in response.headers


@schemathesis.check
def every_error_is_in_the_envelope(ctx: CheckContext, response: Response, case: AnyCase) -> None:
    """Likewise."""
    if response.status_code >= 400:
        error = _error(response)
        assert error.keys() == ENVELOPE
        assert error["request_id"] == response.headers["x-request-id"][0]
        assert response.headers["cache-control"] == ["no-store"]


@schemathesis.check
def the_etag_is_the_version(ctx: CheckContext, response: Response, case: AnyCase) -> None:
    """Of every resource that tells its version."""
    if 200 <= response.status_code < 300 and response.content[:1] == b"{":
        version = json.loads(response.content).get("version")
        assert version is None or response.headers["etag"] == [f'"{version}"']


@schemathesis.check
def a_read_shows_what_a_write_has_answered(ctx: CheckContext, response: Response, case: AnyCase) -> None:
    """The new version, or nothing after a DELETE. A replayed answer may be older than what is there."""
    if case.method == "GET" or response.status_code >= 300 or "idempotency-replayed" in response.headers:
        return
    url, tenant = response.request.url, case.headers.get("X-Tenant-Id")
    assert url is not None
    path = response.headers.get("location", [BELOW.sub("", urlsplit(url).path)])[0]
    if path.startswith(("/api/v1/auth/", "/api/v1/users/me")):
        return  # no resource that others could read
    who = users.admin().headers if path.startswith("/api/v1/users") else {}
    read = reader.get(urljoin(url, path), headers=who | ({} if tenant is None else {"X-Tenant-Id": tenant}))
    if case.method == "DELETE":
        assert read.status_code == 404
    else:
        assert (read.content, read.headers["etag"]) == (response.content, response.headers["etag"][0])


def _aim(case: AnyCase) -> None:
    """At something that is there, in whatever version, and with a key of its own."""
    assert case.meta is not None
    tried_out = getattr(case.meta.phase.data, "parameter", None)
    if "If-Match" in case.headers and tried_out != "If-Match":
        case.headers["If-Match"] = "*"
    if "Idempotency-Key" in case.headers and tried_out != "Idempotency-Key":
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    once = UNIQUE.get(case.path.partition("/{")[0], "")
    if isinstance(case.body, dict) and (example := case.body.get(once)) in EXAMPLES:  # which is there once
        case.body = {**case.body, once: f"{example} {uuid.uuid4()}"}
    if isinstance(case.body, dict) and case.body.get("application_id") == AN_APPLICATION:
        case.body = {**case.body, "application_id": created["/api/v1/applications"][-1]}
    collection, _, name = case.path.partition("}")[0].partition("/{")
    there = created[CLOSE if case.path == CLOSE else collection]
    if there and name and name != tried_out:
        used_up = case.method == "DELETE" or case.path == CONFIRM
        case.path_parameters[name] = there.pop() if used_up else there[-1]


def _with_plain_integers(body: Any) -> Any:
    """JSON Schema takes 7.0 for an integer and has no word against it; a field of integers takes 7 alone."""
    if not isinstance(body, dict):
        return body
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in body.items()
    }


def _is_valid(case: AnyCase) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _error(response: Response) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(response.content)["error"]
    return error
