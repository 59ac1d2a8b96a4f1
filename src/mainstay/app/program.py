"""Puts the program together: the kernel around the chosen services, and what these are given."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from mainstay import __version__
from mainstay.app.accounts import secrets_of, token_keys, users_of
from mainstay.app.database import PENDING, database_url, make_database, migrate, said_plainly, timeouts
from mainstay.app.events import relaying
from mainstay.app.services import SERVICES
from mainstay.kernel.core.cursor import Cursors
from mainstay.kernel.core.errors import StartupError
from mainstay.kernel.core.tokens import TokenVerifier
from mainstay.kernel.db import migrations
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.notify import Notifier
from mainstay.kernel.db.outbox_metrics import OutboxMetrics
from mainstay.kernel.http.application import create_application
from mainstay.kernel.http.auth import Guard
from mainstay.kernel.http.connection import ON_STOP
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.storage import postgres_storage
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.database_metrics import DatabaseMetrics, RelayMetrics
from mainstay.kernel.ops.exposition import Exposition
from mainstay.kernel.ops.logging import configure_logging
from mainstay.kernel.ops.traces import database_metrics, make_tracing
from mainstay.kernel.sinks import from_extra
from mainstay.services.configs import dependencies as configs
from mainstay.services.configs import migrations as configs_migrations
from mainstay.services.configs.pool import Pool
from mainstay.services.pets import dependencies as pets
from mainstay.services.tasks import dependencies as tasks
from mainstay.services.tasks.domain import TaskEvent
from mainstay.services.tasks.listeners import log as log_task
from mainstay.services.users.domain import UserEvent
from mainstay.settings import Settings, load_settings, wants_traces

ABOUT = """\
Pets, tasks, configs, orders and users: five services, and one manner in all of them.

- **Errors** come in one envelope, `{"error": {"code", "message", "details", "request_id"}}`, or as RFC 9457 for those
  who accept `application/problem+json`. `code` is for programs and does not change; `message` is for people.
- **Versions.** An answer with one resource has its version as `ETag`. Send it back as `If-Match` to change that version
  and no other (412 where somebody was faster), or as `If-None-Match` to hear 304 where nothing is new.
- **Retries.** With an `Idempotency-Key` a POST is carried out once, however often it is sent; each time it gets the
  first answer.
- **Tokens** come from `/api/v1/auth/login` and are sent as `Authorization: Bearer`.
- **Limits.** `RateLimit` tells how many requests are left; a 429 and a 503 say in `Retry-After` when to come back.
- Every answer has an `X-Request-ID`: name it when you ask for help.
"""
"""What the documentation says of all operations."""

OPERATIONS = {
    "name": "operations",
    "description": "For those who run the program: does it live, is it ready, what did it count.",
}
"""What it says of the operations that are no service's."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """See `mainstay.app.create_app`."""
    settings = settings or load_settings()
    tracing = make_tracing(wanted=wants_traces())
    traced = tracing is not None
    configure_logging(settings.effective_log_level, json=settings.json_logs, traced=traced)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            app.state.database_metrics = database_metrics(app.state.exposition.registry, tracing, stack)
            try:
                await _start(app, settings, stack)
            except StartupError as error:  # the log has it too, but goes to standard output
                sys.stderr.write(f"mainstay: {error}\n")
                raise
            yield {ON_STOP: app.state.on_stop}

    return create_application(
        title="Mainstay",
        summary="Five production REST services in one program on one small kernel.",
        description=ABOUT,
        version=__version__,
        openapi_tags=[{"name": name, "description": SERVICES[name].about} for name in settings.services] + [OPERATIONS],
        routers=[SERVICES[name].router for name in settings.services],
        lifespan=lifespan,
        limits=Limits(
            max_body_bytes=settings.max_body_bytes,
            body_timeout=settings.body_timeout,
            rates=settings.effective_rate_limits,
        ),
        access_log=AccessLog(json=settings.json_logs, traced=traced),
        show_cause=settings.show_cause,
        cors_origins=settings.cors_origins,
        guarded=settings.guarded,
        tracing=tracing,
    )


async def _start(app: FastAPI, settings: Settings, stack: AsyncExitStack) -> None:
    """Open what the chosen services need; `stack` closes it. Raises StartupError."""
    app.state.bus.subscribe(log_task, TaskEvent)
    app.state.cursors = Cursors(*secrets_of(settings))
    app.state.guard = Guard(TokenVerifier(token_keys(settings)), settings.guarded)
    if settings.redis_url is not None and settings.effective_rate_limits:
        _share_rate_limits(app, settings.redis_url.get_secret_value(), settings, stack)
    if settings.needs_postgres:
        database = await _open_database(app, settings, stack)
        state = stack.enter_context(users_of(settings, database.share("users"), app.state.exposition.registry))
        app.state.users = lambda: state
        app.state.bus.subscribe(state.callers.hear, UserEvent)
        app.state.guard = state.guard(settings.guarded)
        for name, service in SERVICES.items():
            if service.repository is not None:
                setattr(app.state, name, postgres_storage(service.repository, database.share(name)))
    keep_keys = settings.idempotency_seconds
    if "pets" in settings.in_process:
        app.state.pets = pets.memory_storage(keep_keys=keep_keys)
    if "tasks" in settings.in_process:
        app.state.tasks = await stack.enter_async_context(tasks.sqlite_storage(keep_keys=keep_keys))


def _share_rate_limits(app: FastAPI, url: str, settings: Settings, stack: AsyncExitStack) -> None:
    """Count in Redis, together with all who have the same one. Raises StartupError."""
    with from_extra("redis", "REDIS_URL, where rate limits are counted,"):
        from mainstay.kernel.http.redis_windows import RedisWindows
    windows = RedisWindows(url, settings.topic_prefix, secrets_of(settings)[0])
    stack.push_async_callback(windows.aclose)
    app.state.rate_limits.count_in(windows.open)


async def _open_database(app: FastAPI, settings: Settings, stack: AsyncExitStack) -> Database:
    """PostgreSQL, migrated and watched by the readiness probe. Raises StartupError."""
    with said_plainly():
        url = await database_url(settings, stack)
        if settings.migrates_on_start:
            await migrate(url)
        exposition: Exposition = app.state.exposition
        metrics: DatabaseMetrics = app.state.database_metrics
        database = await stack.enter_async_context(make_database(url, settings, metrics))
        relay_at_work = relaying(url, settings, RelayMetrics(exposition.registry))
        relay = await stack.enter_async_context(relay_at_work) if settings.relay else None
        await stack.enter_async_context(Notifier(database, relay))
        if "configs" in settings.services:
            await _start_configs(app, url, settings, stack)
        exposition.add(OutboxMetrics(database).look)
    app.state.health.checks |= {"database": partial(_answers, database), "migrations": partial(_migrated, database)}
    return database


async def _start_configs(app: FastAPI, url: str, settings: Settings, stack: AsyncExitStack) -> None:
    """Open the pool of its own that this service has. Raises Unavailable."""
    make = partial(Pool, url, timeouts=timeouts(settings), metrics=app.state.database_metrics)
    pool = await stack.enter_async_context(make(size=settings.db_pool_max))
    # Where a table is locked, the pool is full, but the program ready: it is asked on a connection beside.
    probe = await stack.enter_async_context(make(size=1, name="readiness"))
    app.state.health.checks["configs"] = partial(_configs_migrated, probe)
    served = await stack.enter_async_context(configs.watching(configs.Configs(pool), url))
    app.state.on_stop.append(served.end_waits)
    app.state.configs = lambda: served


async def _answers(database: Database) -> str | None:
    await database.fetch_text("SELECT 1")
    return None


async def _migrated(database: Database) -> str | None:
    return None if await migrations.is_current(database) else PENDING


async def _configs_migrated(pool: Pool) -> str | None:
    return None if await configs_migrations.is_current(pool) else PENDING
