"""A FastAPI application in the kernel's manner: its envelope, its boundary, its health and documentation pages."""

from collections.abc import Collection, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from mainstay.kernel.core.events import EventBus
from mainstay.kernel.http import health
from mainstay.kernel.http.auth import NO_TOKENS, Guard
from mainstay.kernel.http.boundary import Boundary
from mainstay.kernel.http.cors import Cors
from mainstay.kernel.http.docs import mount_docs
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.openapi import document, operation_id
from mainstay.kernel.http.rate_limits import RateLimits
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.metrics import RateLimitMetrics, RequestMetrics


class Application(FastAPI):
    """FastAPI with the kernel's OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document."""
        return document(self)

    def build_middleware_stack(self) -> ASGIApp:
        """Our middleware around the router, without the three layers that FastAPI puts between.

        They turn exceptions into answers, which the boundary and the route class do, and close `yield` dependencies,
        which there are none of.
        """
        app: ASGIApp = self.router
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
        generate_unique_id_function=operation_id,
        **options,
    )
    registry = CollectorRegistry()
    app.state.limits = limits
    app.state.guarded = guarded
    app.state.guard = Guard(NO_TOKENS, guarded)
    app.state.show_cause = show_cause
    app.state.bus = EventBus()
    app.state.on_stop = []
    app.state.health = health.Health()
    app.state.metrics = RequestMetrics(registry)
    app.state.rate_limits = RateLimits(limits.rates, RateLimitMetrics(registry))
    for router in (*routers, health.router):
        app.include_router(router)
    mount_docs(app)
    app.add_middleware(
        Boundary, metrics=app.state.metrics, access_log=access_log, cors=Cors(cors_origins)
    )  # the last one added is the outermost
    return app
