"""What a request must be before anything else looks at it."""

from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from mainstay.kernel.core.errors import Malformed
from mainstay.kernel.http.headers import check_host, check_single
from mainstay.kernel.http.types import Headers


def check_request(scope: Scope, headers: Headers) -> None:
    """Raises Malformed where the request's head cannot be taken at its word."""
    if len(headers) != len(scope["headers"]):
        check_single(scope["headers"])
    check_host(headers, scope["http_version"])
    # `path` and Starlette's query parser have already put U+FFFD for what is no UTF-8: look at what was sent
    _check_text(scope["raw_path"])
    if scope["query_string"]:
        _check_text(scope["query_string"])


def _check_text(sent: bytes) -> None:
    if sent.isascii() and b"%" not in sent:
        return
    try:
        text = unquote_to_bytes(sent.decode("ascii")).decode()
    except UnicodeDecodeError as error:
        raise Malformed("The address is not UTF-8.") from error
    if "\0" in text:
        raise Malformed("The address holds a NUL character.")
