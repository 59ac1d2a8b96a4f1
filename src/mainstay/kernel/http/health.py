"""Whether the program lives, and whether it should get requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.http.connection import STOPPING
from mainstay.kernel.http.contract import answers
from mainstay.kernel.http.errors import MESSAGE_MAX
from mainstay.kernel.http.rendering import Rendered, no_store, respond
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.ops.exposition import Exposition

CHECK_SECONDS = 1.5
"""A probe that waits longer than its own time-out tells nobody anything."""

Check = Callable[[], Awaitable[str | None]]
"""Answers what is wrong, or None."""

router = APIRouter(tags=["operations"], route_class=UnitRoute)


class NotReady(Unavailable):
    """The program lives, but should get no requests now; `details.checks` says why."""

    message = "Not ready; see details.checks."


class Alive(TypedDict):
    """The program answers."""

    status: Annotated[Literal["ok"], Field(description="Always the same: no answer is the other state.")]


class Ready(TypedDict):
    """The program can do its work."""

    status: Annotated[Literal["ready"], Field(description="Always the same: 503 is the other state.")]
    checks: Annotated[
        dict[str, Annotated[str, Field(max_length=MESSAGE_MAX)]],
        Field(description="What was looked at, and what was found.", examples=[{"shutdown": "ok", "database": "ok"}]),
    ]


class Health:
    """What readiness depends on."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}

    async def findings(self, *, stopping: bool) -> Mapping[str, str]:
        """Each check's state, `ok` where nothing is wrong."""
        states = await asyncio.gather(*(_state(check) for check in self.checks.values()))
        shutdown = "the server is stopping" if stopping else "ok"
        return {"shutdown": shutdown, **dict(zip(self.checks, states, strict=True))}


async def _state(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check() or "ok"
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS} s"
    except Unavailable:
        return "unavailable"


@router.get("/health", response_model=Alive)
@answers(public=True, counted=False, stored=False)
async def health() -> Response:
    """Say that the program answers."""
    return respond({"status": "ok"})


@router.get("/healthz", response_model=Alive)
@answers(public=True, counted=False, stored=False)
async def healthz() -> Response:
    """Say that the process lives, without any I/O: for a liveness probe."""
    return respond({"status": "ok"})


@router.get("/readyz", response_model=Ready)
@answers(NotReady, public=True, counted=False, stored=False)
async def readyz(request: Request) -> Response:
    """Say whether requests can be answered now: for a readiness probe."""
    known: Health = request.app.state.health
    checks = await known.findings(stopping=STOPPING in request.scope.get("state", ()))
    if any(state != "ok" for state in checks.values()):
        raise NotReady(checks=checks)
    return respond({"status": "ready", "checks": checks})


_COUNTED = {"description": "All counters.", "content": {"text/plain": {"schema": {"type": "string"}}}}


@router.get("/metrics", response_class=Response, responses={200: _COUNTED})
@answers(public=True, counted=False, stored=False)
async def metrics(request: Request) -> Response:
    """What was counted, in Prometheus's text format."""
    exposition: Exposition = request.app.state.exposition
    text = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
    return no_store(Rendered(200, await exposition.render(), [text]))
