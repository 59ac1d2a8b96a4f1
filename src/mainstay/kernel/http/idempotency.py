"""The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import re

import orjson

from mainstay.kernel.core.errors import InvalidHeader
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.core.unit import IdempotencyKeyRequired, Key
from mainstay.kernel.http.contract import Need
from mainstay.kernel.http.request import StrictRequest
from mainstay.kernel.http.types import PRINCIPAL_KEY, TENANT_KEY

_BARE = re.compile(r"[\x20-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')  # a string of RFC 8941, section 3.3.3
_ESCAPE = re.compile(r"\\(.)")


def idempotency_key(request: StrictRequest, need: Need) -> Key | None:
    """The request's key in its scope, None where it has none. Raises InvalidHeader and IdempotencyKeyRequired."""
    header = request.named_headers.get(b"idempotency-key")
    if header is None:
        if need is Need.REQUIRED:
            raise IdempotencyKeyRequired
        return None
    return Key(
        tenant=_owner(request),
        scope=f"{request.scope['method']} {request.scope['path']}",
        value=parse_key(header.decode("latin-1")),
        fingerprint=fingerprint(request.value),
    )


def _owner(request: StrictRequest) -> str:
    """The tenant or the user, where there is one: what others do with the same key is their business."""
    principal: Principal | None = request.scope.get(PRINCIPAL_KEY)
    tenant: str | None = request.scope.get(TENANT_KEY)
    return tenant or ("" if principal is None else principal.subject)


def parse_key(header: str) -> str:
    """The key, quoted or bare; both spellings are one key. Raises InvalidHeader."""
    quoted = _QUOTED.fullmatch(header)
    key = _ESCAPE.sub(r"\1", quoted[1]) if quoted else header
    if not _BARE.fullmatch(key) or (header.startswith('"') and not quoted):
        raise InvalidHeader("An Idempotency-Key has 1 to 255 printable ASCII characters, bare or in double quotes.")
    return key


def fingerprint(body: object) -> bytes:
    """SHA-256 of the body's canonical JSON: the order of members and the white space do not count."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
