"""Names for the shapes that ASGI passes around."""

from collections.abc import Mapping, Sequence

HeaderList = Sequence[tuple[bytes, bytes]]
Headers = Mapping[bytes, bytes]

HEADERS_KEY = "mainstay.headers"
"""Where in the ASGI scope the boundary leaves the headers by name."""

UNIT_KEY = "mainstay.unit"
"""Where in the ASGI scope a dependency leaves the unit of work that the route commits."""

TENANT_KEY = "mainstay.tenant"
"""Where in the ASGI scope the route leaves the caller's tenant, of operations that ask for it."""

PRINCIPAL_KEY = "mainstay.principal"
"""Where in the ASGI scope whoever verified the access token leaves who calls; absent where nobody did."""

RATE_LIMIT_KEY = "mainstay.rate_limit"
"""Where in the ASGI scope the route leaves the headers that tell of a limit, for every answer to the request."""

SIGN_IN_KEY = "mainstay.sign_in"
"""Is in the ASGI scope of an attempt to sign in that has been counted."""

HEAD_KEY = "mainstay.head"
"""Is in the ASGI scope where a HEAD request is answered as a GET: nobody reads the body."""


class _Spelled(bytes):
    """A header name that keeps its spelling where uvicorn serves without us, which lower-cases each with `lower()`."""

    def lower(self) -> bytes:
        """Itself."""
        return self


ETAG = _Spelled(b"ETag")
"""People type `grep ETag`."""
