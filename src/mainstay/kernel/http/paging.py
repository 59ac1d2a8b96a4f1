"""Pages by cursor: the parameters that a list takes and the address of its next page."""

from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Query
from starlette.requests import Request

from mainstay.kernel.core.cursor import Cursors
from mainstay.kernel.http.parameters import PLAIN_DIGITS, CursorText

CursorParameter = Annotated[
    CursorText | None,
    Query(description="`nextCursor` of the page before; left out for the first.", examples=["2SoBvhHM_yn56_s3"]),
]
Limit = Annotated[int, Query(ge=1, le=100, description="Items on the page, at most."), PLAIN_DIGITS]


async def _cursors(request: Request) -> Cursors:
    cursors: Cursors = request.app.state.cursors
    return cursors


Pages = Annotated[Cursors, Depends(_cursors)]
"""Makes and reads the cursors of a list."""


def next_page(request: Request, cursor: str | None) -> str | None:
    """The address of the same list from the cursor on, None at its end."""
    if cursor is None:
        return None
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    others = [(name, value) for name, value in query if name != "cursor"]
    return f"{request.scope['path']}?{urlencode([*others, ('cursor', cursor)])}"
