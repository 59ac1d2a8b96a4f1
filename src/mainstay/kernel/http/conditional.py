"""If-Match and If-None-Match on their way from the headers to whoever knows the version."""

from starlette.requests import Request

from mainstay.kernel.core.errors import InvalidHeader, PreconditionRequired
from mainstay.kernel.core.etag import ANY_VERSION, TagList
from mainstay.kernel.http.contract import Contract, Need
from mainstay.kernel.http.rendering import Rendered, not_modified
from mainstay.kernel.http.types import HEADERS_KEY


def if_match(request: Request) -> TagList:
    """The versions that the caller wants to change; any, where the header is absent and need not be there.

    A function to call in the route, not a dependency: FastAPI would run it before it has checked the body, and an
    invalid body goes first. Raises PreconditionRequired and InvalidHeader.
    """
    value = request.scope[HEADERS_KEY].get(b"if-match")
    if value is not None:
        return TagList.parse(value.decode("latin-1"))
    contract: Contract = request.scope["route"].contract
    if contract.if_match is Need.REQUIRED:
        raise PreconditionRequired
    return ANY_VERSION


def unless_known(request: Request, response: Rendered) -> Rendered:
    """The response to a read, or 304 where the caller has that version.

    An If-None-Match that is none is passed over: the whole answer is right for everybody.
    """
    if response.etag is None:
        return response
    known = known_versions(request)
    return not_modified(response) if known is not None and known.names(response.etag.strip('"')) else response


def known_versions(request: Request) -> TagList | None:
    """The versions that the caller has, by its If-None-Match; None where there is none that can be read."""
    value = request.scope[HEADERS_KEY].get(b"if-none-match")
    if value is None:
        return None
    try:
        return TagList.parse(value.decode("latin-1"))
    except InvalidHeader:
        return None
