"""A FastAPI application in the kernel's manner: its envelope, its boundary, its health and documentation pages."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from mainstay.kernel.core.events import EventBus
from mainstay.kernel.http import health
from mainstay.kernel.http.auth import NO_TOKENS, Guard
from mainstay.kernel.http.boundary import Boundary
from mainstay.kernel.http.contract import Need
from mainstay.kernel.http.cors import Cors
from mainstay.kernel.http.dispatch import Dispatch
from mainstay.kernel.http.docs import mount_docs
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.openapi import document
from mainstay.kernel.http.rate_limits import RateLimits
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.exposition import Exposition
from mainstay.kernel.ops.metrics import RateLimitMetrics, ReplayMetrics, RequestMetrics

if TYPE_CHECKING:
    from mainstay.kernel.ops.tracing import Tracing


class Application(FastAPI):
    """FastAPI with the kernel's OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document."""
        return document(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live; as its bases do, with one coroutine in place of two."""
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Our middleware around the router, without the three layers that FastAPI puts between.

        They turn exceptions into answers, which the boundary and the route class do, and close `yield` dependencies,
        which there are none of.
        """
        app: ASGIApp = Dispatch(self.router)
        for middleware, args, kwargs in reversed(self.user_middleware):
            app = middleware(app, *args, **kwargs)
        return app


def create_application(  # noqa: PLR0913 - what applications differ in
    *,
    routers: Sequence[APIRouter],
    limits: Limits,
    access_log: AccessLog,
    show_cause: bool,
    cors_origins: Sequence[str],
    guarded: Collection[str] = (),
    tracing: "Tracing | None" = None,
    **options: Any,
) -> FastAPI:
    """Put the kernel around the services' routers; `options` go to FastAPI (title, lifespan and so on).

    `guarded` are the services that take no call without a token. Who starts the application puts a `Guard` that knows
    tokens into its state; until then no token is one. Requests are counted in this process alone, until
    `app.state.rate_limits` is told where else.
    """
    app = Application(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # its target would be built from the caller's Host
        **options,
    )
    exposition = Exposition()
    app.state.limits = limits
    app.state.guarded = guarded
    app.state.guard = Guard(NO_TOKENS, guarded)
    app.state.show_cause = show_cause
    app.state.bus = EventBus()
    app.state.on_stop = []
    app.state.health = health.Health()
    app.state.exposition = exposition
    app.state.replays = ReplayMetrics(exposition.registry)
    app.state.rate_limits = RateLimits(limits.rates, RateLimitMetrics(exposition.registry))
    for router in (*routers, health.router):
        app.router.routes += router.routes  # include_router would analyse each again, 150 ms, or hide it behind its own
    for route in app.routes:
        if isinstance(route, UnitRoute) and route.contract.idempotency is not Need.NONE:
            app.state.replays.expect(route.service)
    mount_docs(app)
    cors = Cors(cors_origins)
    if tracing is None:
        app.add_middleware(Boundary, metrics=RequestMetrics(exposition.registry), access_log=access_log, cors=cors)
        return app
    from mainstay.kernel.http.tracing import Traced, TracedRequests  # noqa: PLC0415 - comes with an extra

    app.add_middleware(Boundary, metrics=TracedRequests(exposition.registry), access_log=access_log, cors=cors)
    app.add_middleware(Traced, tracer=tracing.tracer)  # the last one added is the outermost
    return app
