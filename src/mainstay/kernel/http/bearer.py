"""The access token of a request (RFC 6750, section 2.1)."""

from starlette.requests import Request

from mainstay.kernel.http.types import HEADERS_KEY


def bearer_token(request: Request) -> str | None:
    """What stands behind `Bearer` in the Authorization header, whatever it is; None where no such thing was sent."""
    value: bytes = request.scope[HEADERS_KEY].get(b"authorization", b"")
    scheme, _, token = value.partition(b" ")
    return token.strip(b" ").decode("latin-1") if scheme.lower() == b"bearer" else None
