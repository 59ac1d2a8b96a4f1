"""`mainstay new` and `mainstay remove`: a team's own service, in a checkout."""

from typing import TYPE_CHECKING, Annotated

import typer

from mainstay.cli.running import fail

if TYPE_CHECKING:
    from mainstay.cli.scaffold.checkout import Checkout
    from mainstay.cli.scaffold.service import Changes

new = typer.Typer(no_args_is_help=True, add_completion=False, help="Begin something of one's own, in a checkout.")
remove = typer.Typer(no_args_is_help=True, add_completion=False, help="Take out again what `mainstay new` has begun.")

Plural = Annotated[str, typer.Argument(help="Its name: what there are many of, in small letters.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@new.callback()
@remove.callback()
def kinds() -> None:
    """Stay a group, for all that it has one command."""


@new.command(
    "service",
    epilog="Examples: `mainstay new service invoices --field number:str --field total_cents:int --field due:date`, "
    "`mainstay new service rooms --field name:str --field seats:int? --unique name --tenant`",
)
def new_service(
    name: Plural,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="name:type, or name:type? for one that may be left out; str, text, int, bool, date, datetime, decimal "
            "or uuid. Once for each."
        ),
    ] = None,
    unique: Annotated[str | None, typer.Option(help="A field of type str that no two share.")] = None,
    tenant: Annotated[bool, typer.Option("--tenant", help="Each tenant has its own.")] = False,
    singular: Annotated[
        str | None, typer.Option(help="What one of them is called, where that is no simple rule.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also beside changes that are not committed.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Write a service into this checkout: code, migration, tests, documents. All of it, or nothing."""
    from mainstay.cli.scaffold.checkout import Checkout, CheckoutError
    from mainstay.cli.scaffold.service import plan_of, to_add

    try:
        plan = plan_of(name, singular, field or [], tenant=tenant, unique=unique)
        checkout = Checkout.of_this_program()
        changes = to_add(checkout, plan)
        if not force and (dirty := checkout.uncommitted(changes.files.keys() - changes.new)):
            fail("\n".join(f"{path}: it has changes; commit them first, or say --force" for path in dirty))
        _carry_out(checkout, changes, dry_run=dry_run)
    except (CheckoutError, ValueError) as error:
        fail(str(error))
    if not dry_run:
        typer.echo(
            f"{name} is there: make run serves it at /{name}, make all tries it, and all of it is yours to change."
        )


@remove.command(
    "service",
    epilog="Examples: `mainstay remove service invoices --dry-run`, `mainstay remove service invoices`",
)
def remove_service(
    name: Plural,
    force: Annotated[bool, typer.Option("--force", help="Also what somebody has changed since.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Take a service out of this checkout as it was put in. What was changed since stays, with the rest, unless forced.

    The five services that the program comes with stay too, and a database keeps its tables.
    """
    from mainstay.cli.scaffold.checkout import Checkout, CheckoutError
    from mainstay.cli.scaffold.service import to_remove

    try:
        checkout = Checkout.of_this_program()
        changes = to_remove(checkout, name)
        if changes.refused and not force:
            fail("\n".join(f"{path}: it is not as it was written; --force goes on" for path in changes.refused))
        _carry_out(checkout, changes, dry_run=dry_run)
    except CheckoutError as error:
        fail(str(error))
    if not dry_run:
        typer.echo(f"{name} is gone. A database that has its table keeps it, and counts as one of a newer program.")


def _carry_out(checkout: "Checkout", changes: "Changes", *, dry_run: bool) -> None:
    """Write what is to be written, and say so of each file."""
    for path, text in sorted(changes.files.items()):
        done = "removed" if text is None else "new    " if path in changes.new else "changed"
        typer.echo(f"{done} {path}")
    if not dry_run:
        checkout.write(changes.files)
