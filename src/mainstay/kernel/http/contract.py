"""What an operation promises, said once beside it: the route class keeps it, OpenAPI tells it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from mainstay.kernel.core.cursor import InvalidCursor
from mainstay.kernel.core.errors import (
    DomainError,
    Forbidden,
    InternalError,
    Invalid,
    InvalidHeader,
    InvalidToken,
    Malformed,
    PreconditionFailed,
    PreconditionRequired,
    RateLimited,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from mainstay.kernel.core.rates import Group
from mainstay.kernel.core.unit import IdempotencyKeyRequired, IdempotencyKeyReused, RequestInProgress
from mainstay.kernel.http.errors import JSON, PROBLEM, STATUS
from mainstay.kernel.http.tenant import TenantRequired

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Responses = dict[int | str, dict[str, Any]]

_CONTRACT = "__contract__"


class Need(Enum):
    """Whether an operation looks at a header."""

    NONE = auto()
    OPTIONAL = auto()
    REQUIRED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The errors an operation can answer and the headers it reads."""

    errors: tuple[type[DomainError], ...] = ()
    invalid: type[DomainError] = Invalid
    """What invalid input is answered with."""
    if_match: Need = Need.NONE
    idempotency: Need = Need.NONE
    public: bool = False
    """Whether anybody may call it: then nobody looks at a token."""
    scoped: bool = True
    """Whether the caller's token needs the service's scope; else it is the service that decides who may."""
    tenant: bool = False
    """Whether it is about one tenant's data."""
    form_label: bool = False
    """Whether it takes JSON that is labelled as a form, as plain `curl -d` sends it, and no body for `{}`."""
    keyset: bool = False
    """Whether it is a list in pages by cursor."""
    etag: bool = False
    """Whether its answer carries one resource in one version."""
    limited: Group | None = None
    """With what it is counted; left out, with the other reads or writes."""
    counted: bool = True
    """Whether it is: who runs the program may always ask how it is."""
    stored: bool = True
    """Whether it needs the database."""

    def all_errors(self, *, has_body: bool) -> list[type[DomainError]]:
        """The declared errors and those that follow from the rest."""
        implied: list[tuple[bool, tuple[type[DomainError], ...]]] = [
            (self.stored, (Unavailable,)),
            (not self.public, (Unauthorized, InvalidToken)),
            (not self.public and (self.scoped or self.tenant), (Forbidden,)),
            (self.tenant, (TenantRequired,)),
            (self.keyset, (InvalidCursor,)),
            (has_body, (RequestTimeout, TooLarge, UnsupportedMediaType)),
            (self.if_match is not Need.NONE, (PreconditionFailed,)),
            (self.if_match is Need.REQUIRED, (PreconditionRequired,)),
            (self.idempotency is not Need.NONE, (IdempotencyKeyReused, RequestInProgress)),
            (self.idempotency is Need.REQUIRED, (IdempotencyKeyRequired,)),
        ]
        always: list[type[DomainError]] = [Malformed, InvalidHeader, *self.errors, self.invalid, InternalError]
        return always + [error for holds, errors in implied if holds for error in errors]


def answers(*errors: type[DomainError], **promises: Any) -> Callable[[Endpoint], Endpoint]:
    """Declare an endpoint's contract: `@answers(PetNotFound, if_match=Need.REQUIRED, etag=True)`."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _CONTRACT, Contract(errors=errors, **promises))
        return endpoint

    return declare


def contract_of(endpoint: Callable[..., Any]) -> Contract:
    """What was declared. Raises TypeError where nothing was: an operation without a contract cannot be documented."""
    contract = getattr(endpoint, _CONTRACT, None)
    if not isinstance(contract, Contract):
        raise TypeError(f"{endpoint.__qualname__} has no contract: put @answers(…) below its route decorator")
    return contract


def responses(contract: Contract, method: str, status: int, *, has_body: bool) -> Responses:
    """The OpenAPI responses that an operation's contract adds to what FastAPI finds by itself."""
    return {**_success(contract, method, status), **_failures(contract.all_errors(has_body=has_body))}


def _success(contract: Contract, method: str, status: int) -> Responses:
    if contract.keyset:
        return {status: {"headers": _LINK}}
    if not contract.etag:
        return {}
    headers = {**_ETAG, **(_LOCATION if status == 201 else {})}  # noqa: PLR2004 - Created
    if contract.idempotency is not Need.NONE:
        headers |= _REPLAYED
    found: Responses = {status: {"headers": headers}}
    if method == "GET":
        found[304] = {"description": "The caller has this version already.", "headers": _ETAG}
    return found


def _failures(errors: Iterable[type[DomainError]]) -> Responses:
    """Those of one status together."""
    found: Responses = {}
    for error in sorted(set(errors), key=lambda error: (STATUS[error.kind], error.code)):
        content = {JSON: {"schema": _ERROR, "examples": {}}, PROBLEM: {"schema": _PROBLEM}}
        response = found.setdefault(STATUS[error.kind], {"description": "", "content": content})
        response["description"] = f"{response['description']} `{error.code}`: {error.message}".strip()
        response["content"][JSON]["examples"][error.code] = {"value": _example(error)}
        if issubclass(error, Unauthorized):
            response["headers"] = _CHALLENGE
        elif issubclass(error, PreconditionFailed):
            response["headers"] = _ETAG
        elif error.retry_after is not None:
            response["headers"] = _RETRY_AFTER
    return found


def limited(responses: dict[str, Any]) -> dict[str, Any]:
    """The same of an operation whose requests are counted, as OpenAPI has them."""
    refused = _failures([RateLimited])[STATUS[RateLimited.kind]]
    found = {**responses, str(STATUS[RateLimited.kind]): refused}
    return {
        status: {**response, "headers": {**response.get("headers", {}), **_RATE_LIMIT}}
        for status, response in sorted(found.items())
    }


def header_parameters(contract: Contract, method: str) -> list[dict[str, Any]]:
    """The OpenAPI parameters for the headers that the kernel reads by hand."""
    parameters = []
    if contract.tenant:
        parameters.append(_header("X-Tenant-Id", "Whose data this is about.", Need.REQUIRED, **_TENANT))
    if contract.if_match is not Need.NONE:
        parameters.append(
            _header("If-Match", 'The ETag of the version to change, such as `"3"`; or `*`.', contract.if_match, **_TAG)
        )
    if contract.idempotency is not Need.NONE:
        description = "A name for this request, the same in every retry of it: it is carried out once."
        parameters.append(_header("Idempotency-Key", description, contract.idempotency, **_KEY))
    if contract.etag and method == "GET":
        parameters.append(_header("If-None-Match", "The ETag of the version at hand.", Need.OPTIONAL, examples=['"1"']))
    return parameters


_TENANT: dict[str, Any] = {"maxLength": 64, "pattern": "^[A-Za-z0-9._-]{1,64}$", "examples": ["tenant-1"]}
_TAG = {"pattern": r'^(\*|(W/)?"[!#-~]*"|0|[1-9][0-9]*)$', "examples": ['"1"']}
_KEY: dict[str, Any] = {
    "maxLength": 512,  # 255 characters, each with a backslash, in quotation marks
    "pattern": r'^([!#-~]([ -~]{0,253}[!-~])?|"([ !#-\[\]-~]|\\["\\]){1,255}")$',
    "examples": ["3f8a1d52-order-17"],
}
# By name: a model given to FastAPI becomes a schema anew for each status of each operation, 0.2 s of every start.
_ERROR = {"$ref": "#/components/schemas/ErrorResponse"}
_PROBLEM = {"$ref": "#/components/schemas/ProblemResponse"}


def _answered(name: str, description: str, *, always: bool, **schema: object) -> dict[str, Any]:
    return {name: {"description": description, "required": always, "schema": {"type": "string", **schema}}}


_ETAG = _answered(
    "ETag", "The version of the resource.", always=True, pattern='^"[!#-~]+"$', maxLength=128, examples=['"1"']
)
_LOCATION = _answered(
    "Location",
    "The address of the new resource.",
    always=True,
    pattern="^/[A-Za-z0-9/-]+$",
    maxLength=256,
    examples=["/pets/1"],
)
_REPLAYED = _answered("Idempotency-Replayed", "This is the answer that the key got before.", always=False, const="true")
_LINK = _answered(
    "Link",
    'The address of the next page, with `rel="next"` (RFC 8288); the last page has none.',
    always=False,
    pattern='^<[^<>]+>; rel="next"$',
    maxLength=65_536,  # it repeats the query, and more the server does not read
)
_CHALLENGE = _answered(
    "WWW-Authenticate", "What to send (RFC 6750).", always=True, pattern="^Bearer", maxLength=128, examples=["Bearer"]
)
_RETRY_AFTER = _answered(
    "Retry-After", "Seconds until a retry makes sense.", always=False, pattern="^[0-9]+$", maxLength=10
)
_RATE_LIMIT = {
    **_answered(
        "RateLimit-Policy",
        "How many requests (`q`) of the group a caller may send in any so many seconds (`w`); not there where requests "
        "cannot be counted.",
        always=False,
        maxLength=128,
        pattern='^"[a-z]+";q=[0-9]+;w=[0-9]+$',
        examples=['"read";q=600;w=60'],
    ),
    **_answered(
        "RateLimit",
        "How many are left (`r`), and after how many seconds there will be more (`t`).",
        always=False,
        maxLength=128,
        pattern='^"[a-z]+";r=[0-9]+;t=[0-9]+$',
        examples=['"read";r=599;t=60'],
    ),
}
REQUEST_ID = _answered(
    "X-Request-ID", "The request's id, as in the log.", always=True, pattern="^[A-Za-z0-9._-]{1,128}$", maxLength=128
)
"""On every answer."""


def _header(name: str, description: str, need: Need, **schema: object) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": need is Need.REQUIRED,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def _example(error: type[DomainError]) -> dict[str, Any]:
    request_id = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
    return {"error": {"code": error.code, "message": error.message, "details": {}, "request_id": request_id}}
