"""Serving, migrating, looking: the commands that are no group of their own, and migrate."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mainstay.cli.backup import backup, restore
from mainstay.cli.demo import demo
from mainstay.cli.doctor import doctor
from mainstay.cli.new import new, remove
from mainstay.cli.outbox import outbox
from mainstay.cli.running import fail, on_database, read_settings
from mainstay.cli.users import users

if TYPE_CHECKING:
    from mainstay.app.database import Migrations
    from mainstay.kernel.db.migrations import Status
    from mainstay.settings import Settings

app = typer.Typer(
    name="mainstay",
    help="Five production REST services in one program on one small kernel.",
    epilog="Settings come from the environment, .env.<APP_ENV> and .env; .env.example lists them all.",
    pretty_exceptions_show_locals=False,  # they hold secrets
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
migrate = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Bring the database's tables up to this program."
)
app.add_typer(migrate, name="migrate")
app.add_typer(outbox, name="outbox")
app.add_typer(users, name="users")
app.add_typer(new, name="new")
app.add_typer(remove, name="remove")
app.command(epilog="Examples: `mainstay demo`, `mainstay demo --size large --seed 7 --password-file -`")(demo)
app.command(epilog="Examples: `mainstay doctor`, `APP_ENV=qa mainstay doctor --workers 8 --json`")(doctor)
app.command(epilog="Examples: `mainstay backup monday.mainstay`, `mainstay backup --force latest.mainstay`")(backup)
app.command(epilog="Examples: `mainstay restore monday.mainstay`, `mainstay restore --force monday.mainstay`")(restore)


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Take the options that stand before a command."""
    if version:
        from mainstay import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:  # typer's own way to this help ends with 2, as if it were a mistake
        typer.echo(context.get_help())


@app.command(epilog="Examples: `mainstay serve`, `mainstay serve --port 8080 --services pets,tasks --workers 2`")
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (APP_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port (APP_PORT); 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Server processes on one port.")] = 1,
    reload: Annotated[bool, typer.Option(help="Start again when the code changes.")] = False,
    services: Annotated[str | None, typer.Option(help="Which services, comma-separated (SERVICES).")] = None,
    relay: Annotated[bool | None, typer.Option(help="Relay events too (RELAY).", show_default=False)] = None,
) -> None:
    """Migrate the database, then answer requests until Ctrl-C or SIGTERM."""
    given = {"app_host": host, "app_port": port, "services": services, "relay": relay}
    settings = read_settings(**{name: value for name, value in given.items() if value is not None})
    if workers > 1:
        _refuse_in_process(settings)
    if services is not None:
        os.environ["SERVICES"] = services  # further processes read their settings themselves
    if relay is not None:
        os.environ["RELAY"] = str(relay)
    from mainstay.app import create_app
    from mainstay.kernel.core.errors import StartupError
    from mainstay.kernel.http.server import ServerLimits
    from mainstay.kernel.http.server import serve as run

    limits = ServerLimits(
        header_timeout=settings.header_timeout,
        keep_alive=settings.keep_alive_timeout,
        drain=settings.drain_seconds,
        graceful=settings.graceful_timeout,
    )
    many = workers > 1 or reload
    try:
        code = run(
            "mainstay.app:create_app" if many else create_app(settings),
            host=settings.app_host,
            port=settings.app_port,
            workers=workers,
            reload=reload,
            limits=limits,
        )
    except StartupError as error:
        fail(str(error))
    raise typer.Exit(code)


@app.command(epilog="Examples: `mainstay relay`, `SINKS=nats,webhook mainstay relay`")
def relay() -> None:
    """Relay events to the sinks until Ctrl-C or SIGTERM. Of all relays on a database one works, the others stand by."""
    settings = read_settings()
    if not settings.needs_postgres:
        fail("There is no outbox: no chosen service keeps its data in PostgreSQL.")
    from mainstay.app.events import run_relay
    from mainstay.kernel.core.errors import StartupError

    try:
        asyncio.run(run_relay(settings))
    except StartupError as error:
        fail(str(error))


@migrate.callback()
def migrations_chosen(
    context: typer.Context,
    only: Annotated[
        Literal["models", "configs"] | None,
        typer.Option(help="Leave out the others: configs has SQL files, no models."),
    ] = None,
) -> None:
    """Take the option that stands before a command."""
    context.obj = only


@migrate.command("up", epilog="Example: `mainstay migrate up`")
def migrate_up(context: typer.Context) -> None:
    """Apply what is pending. Safe to run twice, and at the same time in several places."""

    async def up(url: str) -> None:
        for kind in _migrations(context.obj):
            for revision in await kind.up(url):
                typer.echo(f"applied {revision}")

    on_database(up)
    typer.echo("The database is current.")


@migrate.command("status", epilog="Example: `mainstay migrate status || mainstay migrate up`")
def migrate_status(context: typer.Context) -> None:
    """Say which migrations are applied and which are pending. Exit code 1 where any is."""

    async def status(url: str) -> list["Status"]:
        return [await kind.status(url) for kind in _migrations(context.obj)]

    statuses: list[Status] = on_database(status)
    for found in statuses:
        typer.echo(f"current: {found.current or 'none'}")
        typer.echo(f"newest:  {found.head or 'none'}")
        for revision in found.pending:
            typer.echo(f"pending: {revision}")
    if any(found.ahead for found in statuses):
        fail("The database is ahead: a newer version of the program has migrated it.", code=1)
    raise typer.Exit(1 if any(found.pending for found in statuses) else 0)


@migrate.command("verify", epilog="Example: `mainstay migrate verify`")
def migrate_verify(context: typer.Context) -> None:
    """Look for migration files that were changed, and for tables that are not as the models say. Exit code 1 on any."""

    async def verify(url: str) -> list[str]:
        return [finding for kind in _migrations(context.obj) for finding in await kind.verify(url)]

    findings = on_database(verify)
    for finding in findings:
        typer.echo(finding, err=True)
    typer.echo("Nothing found." if not findings else f"{len(findings)} found.")
    raise typer.Exit(1 if findings else 0)


@migrate.command("new", epilog="Example: `mainstay migrate new 'Give pets a colour'`")
def migrate_new(
    message: Annotated[str, typer.Argument(help="What it does, in a few words: its name.", show_default=False)],
) -> None:
    """Write the migration from the database, which has to be current, to the models. Read it before you commit it."""
    from mainstay.app.database import tables
    from mainstay.cli.scaffold.checkout import Checkout, CheckoutError
    from mainstay.kernel.db.migrations import new_revision

    try:
        Checkout.of_this_program()
    except CheckoutError as error:
        fail(str(error))

    async def write(url: str) -> Path:
        return await new_revision(url, tables(), message)

    typer.echo(on_database(write))


@app.command(epilog="Examples: `mainstay openapi | jq .paths`, `mainstay openapi --output openapi.json`")
def openapi(
    output: Annotated[Path | None, typer.Option(help="File to write; standard output where left out.")] = None,
) -> None:
    """Print the OpenAPI document of the chosen services."""
    import orjson

    from mainstay.app import create_app

    text = orjson.dumps(create_app(read_settings()).openapi(), option=orjson.OPT_INDENT_2) + b"\n"
    if output is None:
        sys.stdout.buffer.write(text)
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        fail(f"{output}: {error.strerror}")


def _refuse_in_process(settings: "Settings") -> None:
    """Several processes would each have data of their own."""
    for service, storage in settings.in_process.items():
        name = f"{service.upper()}_STORAGE"
        fail(f"{name}={storage} keeps the {service} in one process: leave out --workers, or use {name}=postgres.")


def _migrations(only: str | None = None) -> "list[Migrations]":
    from mainstay.app.database import MIGRATIONS

    return [kind for name, kind in MIGRATIONS.items() if only in {None, name}]
