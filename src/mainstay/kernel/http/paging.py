"""Pages by cursor: the parameters that a list takes and the address of its next page."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import Query
from starlette.requests import Request

from mainstay.kernel.core.cursor import Cursors, KeysetPage, Scope
from mainstay.kernel.http.parameters import PLAIN_DIGITS, CursorText
from mainstay.kernel.http.rendering import Rendered, respond_page
from mainstay.kernel.http.types import TENANT_KEY

T = TypeVar("T")

Cursor = Annotated[
    CursorText | None,
    Query(description="`nextCursor` of the page before; left out for the first.", examples=["2SoBvhHM_yn56_s3"]),
]
Limit = Annotated[int, Query(ge=1, le=100, description="Items on the page, at most."), PLAIN_DIGITS]


def position(request: Request, cursor: str | None, scope: Scope, place: Callable[..., T]) -> T | None:
    """Where a page begins, None for the first; `place` makes it of what the cursor holds. Raises InvalidCursor."""
    return None if cursor is None else _cursors(request).read(cursor, scope, place)


async def respond_newest(
    request: Request, newest: Callable[..., Awaitable[KeysetPage[Any]]], cursor: str | None, limit: int
) -> Rendered:
    """The answer with a page of what was made last, of the tenant's where tenants have their own."""
    tenant = request.scope.get(TENANT_KEY)
    scope = (request.scope["path"], tenant)
    page = await newest(before=position(request, cursor, scope, UUID), limit=limit, tenant_id=tenant)
    return respond_list(request, page, scope)


def respond_list(request: Request, page: KeysetPage[Any], scope: Scope) -> Rendered:
    """The answer with a page of the list that `scope` names, and with the way to the next."""
    following = None if page.next is None else _cursors(request).make(page.next, scope)
    return respond_page({"items": page.items, "nextCursor": following}, next_page=next_page(request, following))


def _cursors(request: Request) -> Cursors:
    cursors: Cursors = request.app.state.cursors
    return cursors


def next_page(request: Request, cursor: str | None) -> str | None:
    """The address of the same list from the cursor on, None at its end."""
    if cursor is None:
        return None
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    others = [(name, value) for name, value in query if name != "cursor"]
    return f"{request.scope['path']}?{urlencode([*others, ('cursor', cursor)])}"
