"""One envelope for every answer that is not 2xx or 3xx, whichever layer it comes from."""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from mainstay.kernel.core.context import request_context
from mainstay.kernel.core.encoding import dumps
from mainstay.kernel.core.errors import (
    DomainError,
    Invalid,
    InvalidToken,
    Kind,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
)
from mainstay.kernel.http.rendering import Rendered
from mainstay.kernel.http.types import ETAG, HEADERS_KEY

logger = logging.getLogger(__name__)

STATUS: Mapping[Kind, int] = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHORIZED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.TIMEOUT: 408,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED_MEDIA: 415,
    Kind.INVALID: 422,
    Kind.PRECONDITION_REQUIRED: 428,
    Kind.RATE_LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}

JSON, PROBLEM = "application/json", "application/problem+json"

MESSAGE_MAX = 1000
"""Characters of a text for people; none of them repeats what was sent."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_Code = Annotated[
    str,
    Field(
        max_length=64,
        pattern="^[a-z][a-z0-9_]*$",
        description="What went wrong, for programs.",
        examples=["pet_not_found"],
    ),
]
_Message = Annotated[
    str,
    Field(
        max_length=MESSAGE_MAX, description="What went wrong, for people.", examples=["There is no pet with this id."]
    ),
]
_RequestId = Annotated[
    str,
    Field(
        max_length=128,
        pattern="^[A-Za-z0-9._-]+$",
        description="The request's id, as in X-Request-ID and in the log.",
        examples=["019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"],
    ),
]


class FieldError(BaseModel):
    """What is wrong with one part of the input. Never holds the input's value."""

    model_config = ConfigDict(extra="forbid")

    loc: Annotated[
        list[Annotated[str, Field(max_length=64)] | Annotated[int, Field(ge=0)]],
        Field(description="Where: `body`, `query` or `path`, then the way to the field.", examples=[["body", "name"]]),
    ]
    message: Annotated[
        str, Field(max_length=MESSAGE_MAX, description="What is wrong, for people.", examples=["Field required"])
    ]
    type: Annotated[str, Field(max_length=64, description="What is wrong, for programs.", examples=["missing"])]


class ErrorBody(BaseModel):
    """One error."""

    model_config = ConfigDict(extra="forbid")

    code: _Code
    message: _Message
    details: Annotated[
        dict[str, Any],
        Field(description="What else is known; for `validation_error` the `errors`.", examples=[{"id": 7}]),
    ]
    request_id: _RequestId


class ErrorResponse(BaseModel):
    """The body of every answer that is not 2xx or 3xx."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorBody


class ProblemResponse(BaseModel):
    """The same as RFC 9457 says it, for callers that accept application/problem+json."""

    type: Annotated[
        str,
        Field(
            max_length=128,
            description="The code as a URI.",
            examples=["urn:mainstay:error:pet_not_found"],
            json_schema_extra={"format": "uri"},
        ),
    ]
    title: Annotated[str, Field(max_length=64, description="The status in words.", examples=["Not Found"])]
    status: Annotated[int, Field(ge=400, le=599, description="The status.", examples=[404])]
    detail: _Message
    instance: Annotated[
        str,
        Field(
            max_length=256,
            description="The request as a URI.",
            examples=["urn:mainstay:request:019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"],
            json_schema_extra={"format": "uri"},
        ),
    ]
    code: _Code
    request_id: _RequestId
    errors: Annotated[
        list[FieldError] | None, Field(description="What is wrong with the input, for `validation_error`.")
    ] = None


def error_response(scope: Scope, error: DomainError) -> Rendered:
    """The answer to an error, in the form that the caller accepts."""
    context = request_context.get()
    request_id = context.request_id if context else ""
    details = _details(scope, error)
    status = STATUS[error.kind]
    if PROBLEM.encode() in scope[HEADERS_KEY].get(b"accept", b"").lower():
        media_type, body = PROBLEM, _problem(status, error, details, request_id)
    else:
        message = {"code": error.code, "message": str(error), "details": details, "request_id": request_id}
        media_type, body = JSON, {"error": message}
    return Rendered(status, dumps(body), [(b"content-type", media_type.encode()), *_headers(error)])


def validation_error(error: RequestValidationError, invalid: type[DomainError] = Invalid) -> DomainError:
    """Pydantic's findings as an error of ours, without the values they were found in."""
    return invalid(
        errors=[
            {"loc": [_named(part) for part in found["loc"]], "message": found["msg"], "type": found["type"]}
            for found in error.errors()
        ]
    )


def router_error(scope: Scope, error: HTTPException) -> DomainError:
    """What Starlette's router says of an address, as an error of ours."""
    if error.status_code == STATUS[Kind.METHOD_NOT_ALLOWED]:
        return MethodNotAllowed(allow=", ".join(_allowed(scope)))
    return NotFound("There is nothing at this address; /docs lists what there is.")


def log_failure(error: DomainError) -> None:
    """Write down why the program could not answer; what callers do wrong stands in the access line."""
    if error.kind is Kind.UNAVAILABLE:
        cause = error.original_error
        logger.warning("unavailable: %s", f"{type(cause).__name__}: {cause}" if cause else error)
    elif error.kind is Kind.INTERNAL:
        logger.error("internal error", exc_info=error.original_error)


def _details(scope: Scope, error: DomainError) -> dict[str, Any]:
    cause = error.original_error
    if cause is None or not scope["app"].state.show_cause:
        return error.details
    return {**error.details, "cause": f"{type(cause).__name__}: {cause}"}


def _problem(status: int, error: DomainError, details: dict[str, Any], request_id: str) -> dict[str, Any]:
    return {
        **details,  # first: a detail may bear the name of a member that the RFC has given a meaning
        "type": f"urn:mainstay:error:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(error),
        "instance": f"urn:mainstay:request:{request_id}",
        "code": error.code,
        "request_id": request_id,
    }


def _headers(error: DomainError) -> list[tuple[bytes, bytes]]:
    headers = [(b"cache-control", b"no-store")]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if error.kind is Kind.UNAUTHORIZED:  # RFC 6750, section 3: no code where there was no token
        challenge = b'Bearer error="invalid_token"' if isinstance(error, InvalidToken) else b"Bearer"
        headers.append((b"www-authenticate", challenge))
    if isinstance(error, PreconditionFailed):
        headers.append((ETAG, error.etag.encode("latin-1")))
    if error.kind is Kind.METHOD_NOT_ALLOWED:
        headers.append((b"allow", str(error.details["allow"]).encode()))
    if error.kind in {Kind.TIMEOUT, Kind.TOO_LARGE}:  # the rest of the body may still be on its way
        headers.append((b"connection", b"close"))
    return headers


def _allowed(scope: Scope) -> list[str]:
    """All methods of the path: each of its operations is a route of its own, and knows but one."""
    methods: set[str] = set()
    for route in scope["app"].routes:
        match, _ = route.matches(scope)
        if match is not Match.NONE:
            methods |= route.methods
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _named(part: str | int) -> str | int:
    """A field's name as it came, unless it is not one: the input is not echoed."""
    return part if isinstance(part, int) or _PLAIN_NAME.fullmatch(part) else "<name>"
