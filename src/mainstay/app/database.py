"""Where PostgreSQL is, how it is migrated, and how the settings want it used."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, NamedTuple

from mainstay.kernel.core.errors import StartupError, Unavailable
from mainstay.kernel.db import migrations
from mainstay.kernel.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.db.models import Base, Tables
from mainstay.kernel.db.revisions import MigrationError
from mainstay.kernel.ops.database_metrics import DatabaseMetrics
from mainstay.services.configs import migrations as configs_migrations
from mainstay.settings import Settings

logger = logging.getLogger(__name__)

PENDING = "pending: run `mainstay migrate up`"


def tables() -> Tables:
    """All tables that have models: each service brings its own."""
    from mainstay.app import services  # noqa: F401 - is that

    return Base.metadata


class Migrations(NamedTuple):
    """A way in which tables are migrated. Each function takes the database's url, and raises MigrationError."""

    up: Callable[[str], Coroutine[Any, Any, list[str]]]
    status: Callable[[str], Coroutine[Any, Any, migrations.Status]]
    verify: Callable[[str], Coroutine[Any, Any, list[str]]]


MIGRATIONS = {
    "models": Migrations(migrations.up, migrations.status, lambda url: migrations.verify(url, tables())),
    "configs": Migrations(
        lambda url: asyncio.to_thread(configs_migrations.up, url),
        lambda url: asyncio.to_thread(configs_migrations.status, url),
        lambda url: asyncio.to_thread(configs_migrations.verify, url),
    ),
}
"""Alembic's, and those of configs, which has no models, in the order in which they are applied."""


@contextmanager
def said_plainly() -> Iterator[None]:
    """What is wrong with the database, as an operator can read it. Raises StartupError."""
    try:
        yield
    except (EmbeddedPostgresError, MigrationError) as error:
        raise StartupError(str(error)) from error
    except Unavailable as error:
        cause = error.original_error or error
        raise StartupError(f"The database cannot be used: {cause}. Check DATABASE_URL.") from error


async def migrate(url: str) -> None:
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


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def make_database(url: str, settings: Settings, metrics: DatabaseMetrics | None = None) -> Database:
    """A pool as the settings want it, to be opened by the caller."""
    pool_min, pool_max = settings.db_pool_min, settings.db_pool_max
    return Database(url, pool_min=pool_min, pool_max=pool_max, timeouts=timeouts(settings), metrics=metrics)


def timeouts(settings: Settings) -> Timeouts:
    """What the settings say of waiting."""
    return Timeouts(
        connect=settings.db_connect_timeout,
        pool_wait=settings.db_pool_timeout,
        lock=settings.db_lock_timeout,
        statement=settings.db_statement_timeout,
    )
