"""`mainstay outbox`: what was not published, and what to do about it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from mainstay.cli.running import fail, on_database, read_settings

if TYPE_CHECKING:
    from mainstay.kernel.db.relay.operations import Left, OutboxOperations, SinkStats, Totals

outbox = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Look after the events that wait to be published."
)

Sink = Annotated[str | None, typer.Option(help="Of one sink alone.")]


@outbox.command(epilog="Example: `mainstay outbox stats`")
def stats() -> None:
    """Say how many events there are, and how each sink stands."""

    async def look(operations: "OutboxOperations") -> "tuple[Totals, list[SinkStats]]":
        return await operations.totals(), await operations.stats()

    totals, sinks = _operate(look)
    oldest = f", the oldest of {totals.oldest:%Y-%m-%d %H:%M:%S} UTC" if totals.oldest else ""
    typer.echo(f"{totals.events} events{oldest}; {totals.pending} not yet seen by a relay")
    rows = [(s.sink, s.position, s.behind, s.waiting, s.held, s.dead, _state(s)) for s in sinks]
    _print_table(("sink", "position", "behind", "waiting", "held", "dead", "state"), rows)


@outbox.command("list", epilog="Examples: `mainstay outbox list`, `mainstay outbox list --sink webhook --limit 1000`")
def list_left(
    sink: Sink = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many at most.")] = 100,
) -> None:
    """List the events that a sink has refused: given up (dead), tried again (waiting), or held behind such a one."""

    async def look(operations: "OutboxOperations") -> "list[Left]":
        return await operations.left(sink, limit)

    found: list[Left] = _operate(look)
    rows = [
        (each.event_id, each.sink, each.state, each.attempts, each.type, _aggregate(each), each.last_error or "")
        for each in found
    ]
    _print_table(("event", "sink", "state", "attempts", "type", "aggregate", "last error"), rows)
    if len(found) == limit:
        typer.echo(f"The first {limit}; --limit shows more.")


@outbox.command(
    epilog="Examples: `mainstay outbox retry 0197a3f0-5d7e-7c3a-9f0e-3b1d2c4e5f60`, "
    "`mainstay outbox retry --all`, `mainstay outbox retry --sink webhook`"
)
def retry(
    events: Annotated[list[UUID] | None, typer.Argument(help="Ids as `mainstay outbox list` shows them.")] = None,
    sink: Annotated[str | None, typer.Option(help="To this sink alone, which is enabled where it is disabled.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are dead or wait.")] = False,
) -> None:
    """Try events again at once, as if for the first time; dead ones too."""
    if events and every:
        fail("Name events, or say --all, not both.")
    if not (events or every or sink):
        fail("Say what to try again: ids of events, --all, or --sink NAME to enable a sink that is disabled.")

    async def again(operations: "OutboxOperations") -> set[UUID]:
        if sink is not None:
            await operations.enable(sink)
        return await operations.retry(events or None, sink) if events or every else set()

    found: set[UUID] = _operate(again)
    if sink is not None:
        typer.echo(f"{sink} is enabled.")
    if events or every:
        typer.echo(f"{len(found)} {'is' if len(found) == 1 else 'are'} tried again.")
    missing = sorted(set(events or ()) - found)
    if missing:
        fail("\n".join(f"{event} is neither dead nor waiting; see `mainstay outbox list`" for event in missing), code=1)


@outbox.command(epilog="Example: `mainstay outbox purge`")
def purge() -> None:
    """Delete old events that every sink is past, and old answers to idempotency keys. A running relay does it too."""
    from mainstay.app.events import relay_options
    from mainstay.kernel.db.relay.purge import Purge, Purged
    from mainstay.kernel.db.relay.repository import OutboxRepository

    settings = read_settings()

    async def delete(operations: "OutboxOperations") -> Purged:
        repository = OutboxRepository(operations.session)
        return await Purge(repository, settings.sinks, relay_options(settings)).run_once()

    purged: Purged = _operate(delete)
    typer.echo(f"Deleted {purged.events} events and {purged.keys} idempotency keys.")


def _operate(work: "Callable[[OutboxOperations], Awaitable[Any]]") -> Any:
    from mainstay.kernel.db.relay.operations import open_operations

    async def run(url: str) -> Any:
        async with open_operations(url) as operations:
            return await work(operations)

    return on_database(run)


def _state(stats: "SinkStats") -> str:
    if stats.disabled_at is None:
        return "enabled"
    return f"disabled since {stats.disabled_at:%Y-%m-%d %H:%M:%S} UTC: {stats.last_error}"


def _aggregate(left: "Left") -> str:
    tenant = f"{left.tenant}/" if left.tenant else ""
    return f"{tenant}{left.aggregate_type}/{left.aggregate_id}"


def _print_table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; what is no printable character cannot break a line."""
    cells = [heading, *([_printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
