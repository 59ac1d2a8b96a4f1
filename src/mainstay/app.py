"""The composition root: which services there are and what they are given. Nothing else."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from fastapi import FastAPI
from pydantic import SecretStr

from mainstay import __version__
from mainstay.kernel.core.cursor import Cursors
from mainstay.kernel.core.errors import StartupError, Unavailable
from mainstay.kernel.core.keys import EdKeys, HmacKeys, Keys
from mainstay.kernel.core.sink import Sink
from mainstay.kernel.core.tokens import TokenVerifier
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db import migrations
from mainstay.kernel.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.db.models import Base
from mainstay.kernel.db.notify import Notifier
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.http.application import create_application
from mainstay.kernel.http.auth import Guard
from mainstay.kernel.http.connection import ON_STOP
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.logging import configure_logging
from mainstay.kernel.ops.secret import kept_secret
from mainstay.kernel.sinks import from_extra
from mainstay.kernel.sinks.log import LogSink
from mainstay.kernel.sinks.signature import signing_keys
from mainstay.kernel.sinks.webhook import WebhookSink
from mainstay.services.configs import dependencies as configs
from mainstay.services.configs import migrations as configs_migrations
from mainstay.services.configs.pool import Pool
from mainstay.services.configs.routes import router as configs_router
from mainstay.services.orders import dependencies as orders
from mainstay.services.orders.routes import router as orders_router
from mainstay.services.pets import dependencies as pets
from mainstay.services.pets.routes import router as pets_router
from mainstay.services.tasks import dependencies as tasks
from mainstay.services.tasks.domain import TaskEvent
from mainstay.services.tasks.listeners import log as log_task
from mainstay.services.tasks.routes import router as tasks_router
from mainstay.services.users import dependencies as users
from mainstay.services.users.domain import User, UserEvent
from mainstay.services.users.routes import router as users_router
from mainstay.settings import Settings, load_settings

logger = logging.getLogger(__name__)

_PENDING = "pending: run `mainstay migrate up`"

ROUTERS = {
    "pets": pets_router,
    "tasks": tasks_router,
    "configs": configs_router,
    "orders": orders_router,
    "users": users_router,
}

TAGS = {
    "pets": "The resource that everyone starts from.",
    "tasks": "What a team has agreed to do: one list, nothing twice.",
    "configs": "Applications and their configurations: read at the start, then watched for changes.",
    "orders": "Of many tenants, each with its own: made once however often it is asked for, confirmed, closed.",
    "users": "Accounts, and the tokens that the other services take.",
    "operations": "For those who run the program: does it live, is it ready, what did it count.",
}
"""What the documentation says of each group of operations."""

TABLES = Base.metadata
"""All tables that have models: importing the services above has put them into it."""


class Migrations(NamedTuple):
    """A way in which tables are migrated. Each function takes the database's url, and raises MigrationError."""

    up: Callable[[str], Coroutine[Any, Any, list[str]]]
    status: Callable[[str], Coroutine[Any, Any, migrations.Status]]
    verify: Callable[[str], Coroutine[Any, Any, list[str]]]


MIGRATIONS = {
    "models": Migrations(migrations.up, migrations.status, partial(migrations.verify, metadata=TABLES)),
    "configs": Migrations(
        lambda url: asyncio.to_thread(configs_migrations.up, url),
        lambda url: asyncio.to_thread(configs_migrations.status, url),
        lambda url: asyncio.to_thread(configs_migrations.verify, url),
    ),
}
"""Alembic's, and those of configs, which has no models, in the order in which they are applied."""


def _webhook(settings: Settings) -> Sink:
    url = _needed("webhook", WEBHOOK_URL=settings.webhook_url)
    return WebhookSink(url, signing_keys(_needed("webhook", WEBHOOK_SECRET=settings.webhook_secret)))


def _nats(settings: Settings) -> Sink:
    servers = _needed("nats", NATS_URL=settings.nats_url).split(",")
    with from_extra("nats", "The sink nats"):
        from mainstay.kernel.sinks.nats import NatsSink
    return NatsSink(servers, settings.topic_prefix, settings.nats_stream)


def _kafka(settings: Settings) -> Sink:
    if not settings.kafka_bootstrap_servers:
        raise StartupError("SINKS has kafka: KAFKA_BOOTSTRAP_SERVERS is required")
    with from_extra("kafka", "The sink kafka"):
        from mainstay.kernel.sinks.kafka import KafkaSink
    return KafkaSink(settings.kafka_bootstrap_servers, settings.topic_prefix)


def _redis(settings: Settings) -> Sink:
    url = _needed("redis", REDIS_URL=settings.redis_url)
    with from_extra("redis", "The sink redis"):
        from mainstay.kernel.sinks.redis import RedisSink
    return RedisSink(url, settings.topic_prefix, settings.redis_stream_length)


def _needed(sink: str, **setting: SecretStr | None) -> str:
    ((name, value),) = setting.items()
    if value is None:
        raise StartupError(f"SINKS has {sink}: {name} is required")
    return value.get_secret_value()


SINKS: dict[str, Callable[[Settings], Sink]] = {
    "log": lambda _: LogSink(),
    "webhook": _webhook,
    "nats": _nats,
    "kafka": _kafka,
    "redis": _redis,
}
"""Where events can be sent, by the names that SINKS has. Each raises StartupError where something for it is missing."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The program as one ASGI application; reads the settings itself where it is given none. Raises SettingsError."""
    settings = settings or load_settings()
    configure_logging(settings.effective_log_level, json=settings.json_logs)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            try:
                await _start(app, settings, stack)
            except StartupError as error:  # the log has it too, but goes to standard output
                sys.stderr.write(f"mainstay: {error}\n")
                raise
            yield {ON_STOP: app.state.on_stop}

    return create_application(
        title="Mainstay",
        summary="Five production REST services in one program on one small kernel.",
        version=__version__,
        openapi_tags=[{"name": name, "description": TAGS[name]} for name in (*settings.services, "operations")],
        routers=[ROUTERS[name] for name in settings.services],
        lifespan=lifespan,
        limits=Limits(
            max_body_bytes=settings.max_body_bytes,
            body_timeout=settings.body_timeout,
            rates=settings.effective_rate_limits,
        ),
        access_log=AccessLog(json=settings.json_logs),
        show_cause=settings.show_cause,
        cors_origins=settings.cors_origins,
        guarded=settings.guarded,
    )


async def _start(app: FastAPI, settings: Settings, stack: AsyncExitStack) -> None:
    """Open what the chosen services need; `stack` closes it. Raises StartupError."""
    app.state.bus.subscribe(log_task, TaskEvent)
    app.state.cursors = Cursors(*_secrets(settings))
    app.state.guard = Guard(TokenVerifier(_token_keys(settings)), settings.guarded)
    if settings.redis_url is not None and settings.effective_rate_limits:
        _share_rate_limits(app, settings.redis_url.get_secret_value(), settings, stack)
    if settings.needs_postgres:
        database = await _open_database(app, settings, stack)
        state = stack.enter_context(_users(settings, database.share()))
        app.state.users = lambda: state
        app.state.bus.subscribe(state.callers.hear, UserEvent)
        app.state.guard = state.guard(settings.guarded)
        app.state.pets = pets.postgres_storage(database.share())
        app.state.tasks = tasks.postgres_storage(database.share())
        app.state.orders = orders.postgres_storage(database.share())
    keep_keys = settings.idempotency_seconds
    if "pets" in settings.in_process:
        app.state.pets = pets.memory_storage(keep_keys=keep_keys)
    if "tasks" in settings.in_process:
        app.state.tasks = await stack.enter_async_context(tasks.sqlite_storage(keep_keys=keep_keys))


def _users(settings: Settings, database: Database) -> AbstractContextManager[users.UsersState]:
    """Accounts and sessions, also where another process serves them: it is they that say who calls."""
    passwords = users.hashed_with(settings.password_hash, settings.bcrypt_cost)
    return users.users_state(database, _token_keys(settings), _secrets(settings), passwords)


def _share_rate_limits(app: FastAPI, url: str, settings: Settings, stack: AsyncExitStack) -> None:
    """Count in Redis, together with all who have the same one. Raises StartupError."""
    with from_extra("redis", "REDIS_URL, where rate limits are counted,"):
        from mainstay.kernel.http.redis_windows import RedisWindows
    windows = RedisWindows(url, settings.topic_prefix, _secrets(settings)[0])
    stack.push_async_callback(windows.aclose)
    app.state.rate_limits.count_in(windows.open)


def _secrets(settings: Settings) -> Sequence[bytes]:
    """What signs, then what has signed before. Raises StartupError."""
    return settings.given_secrets or [kept_secret(settings.data_dir / "secret_key")]


def _token_keys(settings: Settings) -> Keys:
    """What signs access tokens: the program's secret, or the Ed25519 key of a file. Raises StartupError."""
    if settings.token_key_file is None:
        return HmacKeys(*_secrets(settings))
    try:
        current, *others = (path.read_bytes() for path in (settings.token_key_file, *settings.token_key_files_other))
        return EdKeys.read(current, *others)
    except (OSError, ValueError) as error:
        raise StartupError(f"TOKEN_KEY_FILE, TOKEN_KEY_FILES_OTHER: {error}") from None


async def _open_database(app: FastAPI, settings: Settings, stack: AsyncExitStack) -> Database:
    """PostgreSQL, migrated and watched by the readiness probe. Raises StartupError."""
    with _said_plainly():
        url = await database_url(settings, stack)
        if settings.migrates_on_start:
            await _migrate(url)
        database = await stack.enter_async_context(_database(url, settings))
        relay = await stack.enter_async_context(_relaying(url, settings)) if settings.relay else None
        await stack.enter_async_context(Notifier(database, relay))
        if "configs" in settings.services:
            await _start_configs(app, url, settings, stack)
    app.state.health.checks |= {"database": partial(_answers, database), "migrations": partial(_migrated, database)}
    return database


@contextmanager
def _said_plainly() -> Iterator[None]:
    """What is wrong with the database, as an operator can read it. Raises StartupError."""
    try:
        yield
    except (EmbeddedPostgresError, migrations.MigrationError) as error:
        raise StartupError(str(error)) from error
    except Unavailable as error:
        cause = error.original_error or error
        raise StartupError(f"The database cannot be used: {cause}. Check DATABASE_URL.") from error


async def _start_configs(app: FastAPI, url: str, settings: Settings, stack: AsyncExitStack) -> None:
    """Open the pool of its own that this service has. Raises Unavailable."""
    pool = await stack.enter_async_context(Pool(url, size=settings.db_pool_max, timeouts=_timeouts(settings)))
    # Where a table is locked, the pool is full, but the program ready: it is asked on a connection beside.
    probe = await stack.enter_async_context(Pool(url, size=1, timeouts=_timeouts(settings)))
    app.state.health.checks["configs"] = partial(_configs_migrated, probe)
    served = await stack.enter_async_context(configs.watching(configs.Configs(pool), url))
    app.state.on_stop.append(served.end_waits)
    app.state.configs = lambda: served


async def _migrate(url: str) -> None:
    """Apply what is pending; a replica that starts again while a newer release is rolled out goes on without."""
    for kind in MIGRATIONS.values():
        try:
            await kind.up(url)
        except migrations.DatabaseAheadError as error:
            logger.warning("not migrated: %s", error)


async def database_url(settings: Settings, stack: AsyncExitStack) -> str:
    """Where PostgreSQL is: DATABASE_URL, else the embedded server, kept running until `stack` is closed."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    postgres = EmbeddedPostgres(settings.data_dir / "postgres")
    # Blocking, on purpose: the server dies with the thread that started it, and nothing is served yet.
    url = postgres.start()
    stack.callback(postgres.stop)
    keeper = asyncio.create_task(postgres.keep())
    stack.push_async_callback(_cancel, keeper)
    return url


async def run_relay(settings: Settings) -> None:
    """Relay events until SIGTERM or SIGINT, without serving. Raises StartupError."""
    configure_logging(settings.effective_log_level, json=settings.json_logs)
    async with AsyncExitStack() as stack:
        with _said_plainly():
            url = await database_url(settings, stack)
            relay = make_relay(url, settings)
            if settings.migrates_on_start:
                await _migrate(url)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, relay.stop)
        await relay.run()


async def open_admin(settings: Settings, fields: Mapping[str, Any], password: str) -> User:
    """Open an account with the role that registration does not give, without serving.

    Raises StartupError, Invalid for a password that is guessed first, and EmailTaken.
    """
    async with AsyncExitStack() as stack:
        with _said_plainly():
            url = await database_url(settings, stack)
            if settings.migrates_on_start:
                await _migrate(url)
            database = await stack.enter_async_context(_database(url, settings))
            if not await migrations.is_current(database):
                raise StartupError(f"migrations are {_PENDING}")
            unit = PostgresUnit(database)
            accounts = stack.enter_context(_users(settings, database)).accounts(unit)
            user = await accounts.register({**fields, "role": "admin"}, password)
            await unit.commit(Reply(201, b""), None)
        return user


def make_relay(url: str, settings: Settings) -> Relay:
    """A relay for the chosen sinks. Raises StartupError where something for one is missing."""
    return Relay(url, [SINKS[name](settings) for name in settings.sinks], relay_options(settings))


def relay_options(settings: Settings) -> RelayOptions:
    """What the settings say of the relay."""
    return RelayOptions(
        max_attempts=settings.outbox_max_attempts,
        keep_events=timedelta(days=settings.outbox_retention_days),
        keep_keys=timedelta(hours=settings.idempotency_hours),
    )


@asynccontextmanager
async def _relaying(url: str, settings: Settings) -> AsyncIterator[Relay]:
    relay = make_relay(url, settings)
    async with relay.running():
        yield relay


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _database(url: str, settings: Settings) -> Database:
    pool_min, pool_max = settings.db_pool_min, settings.db_pool_max
    return Database(url, pool_min=pool_min, pool_max=pool_max, timeouts=_timeouts(settings))


def _timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        connect=settings.db_connect_timeout,
        pool_wait=settings.db_pool_timeout,
        lock=settings.db_lock_timeout,
        statement=settings.db_statement_timeout,
    )


async def _answers(database: Database) -> str | None:
    await database.fetch_text("SELECT 1")
    return None


async def _migrated(database: Database) -> str | None:
    return None if await migrations.is_current(database) else _PENDING


async def _configs_migrated(pool: Pool) -> str | None:
    return None if await configs_migrations.is_current(pool) else _PENDING
