"""Which other sites' pages may call from a browser (the Fetch standard, section 3.2, "CORS protocol").

Headers alone: Starlette's middleware refuses a preflight outside the error envelope, and would have to stand outside of
the boundary for a page to be able to read an error.
"""

from collections.abc import Sequence

from mainstay.kernel.http.rendering import Rendered
from mainstay.kernel.http.types import HeaderList, Headers

_VARY = (b"vary", b"Origin")
# Lower case, so that a `grep ETag` meets the ETag line alone.
_EXPOSE = (
    b"access-control-expose-headers",
    b"etag, location, link, retry-after, ratelimit, ratelimit-policy, x-request-id, idempotency-replayed",
)
_ALLOW = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"*, authorization"),  # the star leaves this one out
    (b"access-control-max-age", b"600"),  # seconds
)


class Cors:
    """What answers say to the origins it was made with, `*` meaning every one. Cookies are let in from none."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, request: Headers) -> HeaderList:
        """For every answer. A caller from elsewhere learns nothing, and its browser keeps the answer from the page."""
        if not self._origins:
            return ()
        origin = b"*" if b"*" in self._origins else request.get(b"origin", b"")
        return ((b"access-control-allow-origin", origin), _EXPOSE, _VARY) if origin in self._origins else (_VARY,)

    def preflight(self, method: str, request: Headers) -> Rendered | None:
        """The answer to a browser that asks beforehand; None where nobody does, or no page is let in at all."""
        asked = method == "OPTIONS" and {b"origin", b"access-control-request-method"} <= request.keys()
        return Rendered(204, headers=_ALLOW) if asked and self._origins else None
