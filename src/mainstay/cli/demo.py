"""`mainstay demo`: believable data in all services."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mainstay.cli.running import fail, on_database, read_settings

if TYPE_CHECKING:
    from mainstay.settings import Settings

SIZES = {"small": 20, "medium": 100, "large": 1000}
LARGEST = 100_000


def demo(
    size: Annotated[str, typer.Option(help="small (20 of a kind), medium (100), large (1000), or a number.")] = "small",
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same data.")] = 1,
    password_file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="Its first line is the password of all demo users; - is standard input."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="In prod too.")] = False,
) -> None:
    """Fill the services with believable data. Run again, it adds nothing; with a larger size, what is missing.

    There is no default password: without --password-file each user gets one of its own that nobody is told, and none
    can sign in. Pets and tasks that a server has in its memory cannot be filled from here.
    """
    settings = read_settings()
    number = _number(size)
    if settings.app_env == "prod" and not force:
        fail("This is APP_ENV=prod: demo data does not belong there. Say --force if you mean it.")
    if not settings.needs_postgres:
        fail("There is nothing to fill: every chosen service has its data in the server's memory.")
    for service, storage in settings.in_process.items():
        typer.echo(f"mainstay: {service}: not filled, a server has them in its memory ({storage})", err=True)
    password = None if password_file is None else _password(password_file.readline())

    async def fill(url: str) -> Mapping[str, int]:
        return await _fill(url, settings, _wanted(settings, number), seed, password)

    added = on_database(fill)
    if not any(added.values()):
        typer.echo(f"Nothing to add: the demo data of seed {seed} is there.")
        return
    typer.echo("Added " + ", ".join(f"{count} to {service}" for service, count in added.items()) + ".")
    if added.get("users") and password is None:
        typer.echo("Nobody knows the users' passwords; on another seed, --password-file sets one for all.")


def _number(size: str) -> int:
    """How many of a kind. Ends the command where that is no size."""
    number = SIZES.get(size) or (int(size) if size.isascii() and size.isdigit() and len(size) < len("1000000") else 0)
    if not 1 <= number <= LARGEST:
        fail(f"--size is {', '.join(SIZES)}, or a number from 1 to {LARGEST}.")
    return number


def _wanted(settings: "Settings", number: int) -> Mapping[str, int]:
    """Of applications and users, of which a company has fewer, a tenth."""
    fewer = max(5, number // 10)
    numbers = {"pets": number, "tasks": number, "configs": fewer, "orders": number, "users": fewer}
    chosen = set(settings.services) - settings.in_process.keys()
    return {service: wanted for service, wanted in numbers.items() if service in chosen}


def _password(line: bytes) -> str:
    """The password, as registration takes it. Ends the command where it does not."""
    from pydantic import ValidationError

    from mainstay.kernel.core.errors import Invalid
    from mainstay.services.users.passwords import check_password
    from mainstay.services.users.schemas import UserIn

    try:
        password = line.decode().rstrip("\r\n")
        UserIn(email="demo@example.com", password=password)
        check_password(password, "demo@example.com", "password")
    except UnicodeDecodeError:
        fail("--password-file: it is not UTF-8")
    except ValidationError as error:
        fail("\n".join(f"--password-file: {found['msg']}" for found in error.errors()))
    except Invalid:
        fail("--password-file: this password is among the most common ones: choose another")
    if "\0" in password:
        fail("--password-file: it holds a NUL character, which no caller can send")
    return password


async def _fill(
    url: str, settings: "Settings", wanted: Mapping[str, int], seed: int, password: str | None
) -> Mapping[str, int]:
    from contextlib import closing

    from rich.console import Console
    from rich.progress import Progress

    from mainstay.cli.demo_filling import Filling
    from mainstay.kernel.core.errors import Unavailable
    from mainstay.kernel.core.unit import LostRace, RequestInProgress
    from mainstay.kernel.db.engine import Database
    from mainstay.services.configs.pool import Pool
    from mainstay.services.users.dependencies import hashed_with

    await _make_tables(url, settings)
    console = Console(stderr=True)
    try:
        async with Database(url, pool_min=1, pool_max=2) as database, Pool(url, size=1) as pool:
            with closing(hashed_with(settings.password_hash, settings.bcrypt_cost)) as passwords:
                filling = Filling(database, pool, passwords, seed, password)
                missing = await filling.missing(wanted)
                with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
                    bars = {service: progress.add_task(service, total=total) for service, total in missing.items()}
                    return await filling.fill(wanted, lambda service: progress.advance(bars[service]))
    except Unavailable as error:
        fail(f"The database cannot be used: {error.original_error or error}. Check DATABASE_URL; then run it again.")
    except (LostRace, RequestInProgress):
        fail("Somebody else is filling this database, or changes what is filled in: run it again later.")


async def _make_tables(url: str, settings: "Settings") -> None:
    from mainstay.app.database import MIGRATIONS

    for kind in MIGRATIONS.values():
        if settings.migrates_on_start:
            await kind.up(url)
        elif (await kind.status(url)).pending:
            fail("Migrations are pending: run `mainstay migrate up`.")
