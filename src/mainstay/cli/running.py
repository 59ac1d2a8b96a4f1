"""What the commands share: settings, a database, and a way to fail."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from mainstay.settings import Settings


def read_settings(**overrides: Any) -> "Settings":
    """The settings of this process, `overrides` before everything; ends the command where one is wrong."""
    from mainstay.settings import SettingsError, load_settings

    try:
        return load_settings(**overrides)
    except SettingsError as error:
        fail(str(error))


def on_database(work: Callable[[str], Any]) -> Any:
    """Run a coroutine function on the database's url, with the embedded server started where that is the database."""
    from mainstay.app.database import database_url
    from mainstay.kernel.db.archive import ArchiveError
    from mainstay.kernel.db.embedded import EmbeddedPostgresError
    from mainstay.kernel.db.inspection import InspectionError
    from mainstay.kernel.db.relay.operations import OutboxError
    from mainstay.kernel.db.revisions import MigrationError
    from mainstay.kernel.db.tools import ToolsError

    settings = read_settings()

    async def run() -> Any:
        async with AsyncExitStack() as stack:
            return await work(await database_url(settings, stack))

    try:
        return asyncio.run(run())
    except (ArchiveError, EmbeddedPostgresError, InspectionError, MigrationError, OutboxError, ToolsError) as error:
        fail(str(error))


def fail(message: str, *, code: int = 2) -> NoReturn:
    """Say what is wrong on standard error, one line each, and end."""
    for line in message.splitlines():
        typer.echo(f"mainstay: {line}", err=True)
    raise typer.Exit(code)
