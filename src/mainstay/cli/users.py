"""Accounts that nobody can open over HTTP."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mainstay.cli.running import fail, read_settings

if TYPE_CHECKING:
    from mainstay.services.users.domain import User
    from mainstay.services.users.schemas import UserIn
    from mainstay.settings import Settings

users = typer.Typer(no_args_is_help=True, add_completion=False, help="Open the accounts that everything begins with.")


@users.callback()
def accounts() -> None:
    """Stay a group, for all that it has one command."""


@users.command(
    epilog="Examples: `mainstay users create-admin ada@example.com`, "
    "`mainstay users create-admin ada@example.com < password.txt`"
)
def create_admin(
    email: Annotated[str, typer.Argument(help="The admin's e-mail address.", show_default=False)],
    full_name: Annotated[str | None, typer.Option(help="What the admin is called.")] = None,
) -> None:
    """Open an account that may look after all users.

    The password is asked for; where nobody sits at the terminal, it is the first line of standard input. Exit code 2
    for what cannot be an account, 1 for an address that has one.
    """
    settings = read_settings()
    user = _opened(settings, _account(email, full_name, _password()))
    typer.echo(f"{user.email} is an admin: user {user.id}.")


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        password = sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        fail("password: it is not UTF-8")
    if "\0" in password:
        fail("password: it holds a NUL character, which no caller can send")
    return password


def _account(email: str, full_name: str | None, password: str) -> "UserIn":
    """What registration takes; ends the command where it does not."""
    from pydantic import ValidationError

    from mainstay.services.users.schemas import UserIn

    try:
        return UserIn(email=email, full_name=full_name, password=password)
    except ValidationError as error:
        fail("\n".join(f"{found['loc'][0]}: {found['msg']}" for found in error.errors()))


def _opened(settings: "Settings", account: "UserIn") -> "User":
    """The new admin; ends the command where there can be none."""
    from mainstay.app.accounts import open_admin
    from mainstay.kernel.core.errors import Invalid, StartupError
    from mainstay.services.users.domain import EmailTaken

    try:
        return asyncio.run(open_admin(settings, account.model_dump(exclude={"password"}), account.password))
    except StartupError as error:
        fail(str(error))
    except EmailTaken as error:
        fail(str(error), code=1)
    except Invalid as error:
        errors: Any = error.details["errors"]
        fail("\n".join(f"{found['loc'][-1]}: {found['message']}" for found in errors))
