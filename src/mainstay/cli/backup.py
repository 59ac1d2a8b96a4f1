"""`mainstay backup` and `mainstay restore`: all data in one file, and back."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mainstay.cli.running import fail, on_database, read_settings

if TYPE_CHECKING:
    from mainstay.cli.backup_file import Backup, Manifest
    from mainstay.kernel.db.inspection import Inspection, Relations, Server
    from mainstay.settings import Settings

BOOKKEEPING = ("alembic_version", "migration_checksums", "migrations", "outbox_sinks")
"""Tables that have rows in a database without data: which migrations are applied, how far each sink is."""

File = Annotated[Path, typer.Argument(help="The backup.", show_default=False)]


def backup(
    file: File, force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False
) -> None:
    """Write all data into one file, while the server runs. It is whole, or it is not there."""
    from mainstay.cli.backup_file import BackupError

    settings = _keeping_data()
    if file.exists() and not force:
        fail(f"{file} is there already: choose another name, or say --force to replace it.")

    async def write(url: str) -> "Manifest":
        return await _write(url, file, settings)

    try:
        manifest = on_database(write)
    except BackupError as error:
        fail(str(error))
    typer.echo(f"Wrote {file}: {file.stat().st_size:,} bytes, from PostgreSQL {manifest.server}.")
    for line in _left_out(settings, manifest):
        typer.echo(line)


def restore(
    file: File, force: Annotated[bool, typer.Option("--force", help="Replace the data that is there.")] = False
) -> None:
    """Put the data of a backup in the place of what is there, all of it or nothing. Stop the program before."""
    from mainstay.cli.backup_file import BackupError, reading

    settings = _keeping_data()
    try:
        with reading(file) as found:

            async def load(url: str) -> list[str]:
                return await _load(url, found, force=force)

            _refuse_newer(found.manifest)
            pending = on_database(load)
            _give_secret(settings, found)
    except BackupError as error:
        fail(str(error))
    typer.echo(f"Restored {file}, of {found.manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    if pending:
        typer.echo("It is of an older release: run `mainstay migrate up`.")


async def _write(url: str, file: Path, settings: "Settings") -> "Manifest":
    from mainstay import __version__
    from mainstay.app.database import MIGRATIONS
    from mainstay.cli import backup_file
    from mainstay.kernel.core.clock import now
    from mainstay.kernel.db.archive import Archiver, contents
    from mainstay.kernel.db.inspection import open_inspection
    from mainstay.kernel.db.tools import tools_for

    async with open_inspection(url) as inspection:
        server, present = await inspection.server(), await inspection.relations()
    if not present.among(ours()).tables:
        fail(f"The database {server.database} has no tables: is it the right one? `mainstay migrate up` makes them.")
    secret, tools = _secret(settings), tools_for(server.release, encrypted=server.is_encrypted)
    manifest = backup_file.Manifest(
        program=__version__,
        made_at=now(),
        server=server.version,
        tools=tools.release,
        schema_name=_schema(server),
        migrations={name: (await kind.status(url)).current for name, kind in MIGRATIONS.items()},
        secret=None if secret is None else backup_file.fingerprint(secret),
    )
    archiver = Archiver(url, manifest.schema_name, tools)
    kept = None if settings.given_secrets else secret
    await asyncio.to_thread(backup_file.write, file, manifest, kept, archiver.dump)
    with backup_file.reading(file) as written, written.dump() as archive:
        await asyncio.to_thread(contents, archive, tools)
    return manifest


def _left_out(settings: "Settings", manifest: "Manifest") -> Sequence[str]:
    """What else is needed for the same answers, and what the file holds that others may not see."""
    lines = []
    if settings.given_secrets:
        lines.append("SECRET_KEY is not in it, which signs tokens and cursors: keep that too.")
    elif manifest.secret is not None:
        lines.append("It holds the secret that signs tokens and cursors: keep it where nobody else can read it.")
    if settings.token_key_file is not None:
        lines.append("The file of TOKEN_KEY_FILE is not in it, which signs access tokens: keep that too.")
    return lines


async def _load(url: str, found: "Backup", *, force: bool) -> list[str]:
    """Which migrations are pending afterwards."""
    from mainstay.app.database import MIGRATIONS
    from mainstay.kernel.db.archive import Archiver, contents, relations_in
    from mainstay.kernel.db.inspection import open_inspection
    from mainstay.kernel.db.tools import tools_for

    async with open_inspection(url) as inspection:
        server = await inspection.server()
        tools = tools_for(server.release, encrypted=server.is_encrypted)
        _refuse_unlike(server, tools.release, found.manifest)
        await _refuse_running(inspection)
        with found.dump() as archive:
            listed = await asyncio.to_thread(contents, archive, tools)
        replaced = (await inspection.relations()).among(ours() | relations_in(listed))
        if not force:
            await _refuse_filled(inspection, server, replaced)
    with found.dump() as archive:
        await asyncio.to_thread(Archiver(url, found.manifest.schema_name, tools).load, archive, listed, replaced)
    return [revision for kind in MIGRATIONS.values() for revision in (await kind.status(url)).pending]


def _refuse_newer(manifest: "Manifest") -> None:
    from mainstay.kernel.db import migrations
    from mainstay.services.configs import migrations as configs

    known = {"models": migrations.revisions(), "configs": [file.name for file in configs.load(configs.LOCATION)]}
    newer = [str(newest) for kind, newest in manifest.migrations.items() if newest not in [None, *known.get(kind, [])]]
    if newer:
        at = ", ".join(newer)
        fail(f"The backup is of a newer release (Mainstay {manifest.program}, at {at}): restore it with that.")


def _refuse_unlike(server: "Server", tools: int, manifest: "Manifest") -> None:
    if tools < manifest.tools:
        fail(
            f"The backup was made with tools of PostgreSQL {manifest.tools}, which those for this server "
            f"({server.version}) cannot read: restore it to PostgreSQL {manifest.tools} or newer."
        )
    if _schema(server) != manifest.schema_name:
        fail(
            f"The backup is of the schema {manifest.schema_name}, tables would go to {server.schema}: set the role's "
            "search_path to the former, or choose another database."
        )


async def _refuse_running(inspection: "Inspection") -> None:
    """Also with --force: a server would go on with the secret, the sessions and the positions of before."""
    if programs := await inspection.programs():
        sessions = ", ".join(f"{name} ({count})" for name, count in programs.items())
        fail(f"The program is running on this database: stop every server and relay first. Connected: {sessions}.")


async def _refuse_filled(inspection: "Inspection", server: "Server", replaced: "Relations") -> None:
    tables = [name for name in replaced.tables if name not in BOOKKEEPING]
    if filled := await inspection.filled(tables):
        fail(
            f"The database {server.database} holds data ({', '.join(filled)}): say --force to replace it, "
            "and `mainstay backup` first if you may want it back."
        )


def _give_secret(settings: "Settings", found: "Backup") -> None:
    """Have tokens and cursors from before accepted, or say that they are not."""
    from mainstay.cli.backup_file import is_among
    from mainstay.kernel.ops.secret import keep_secret

    path = settings.data_dir / "secret_key"
    if found.secret is not None and not settings.given_secrets:
        try:
            keep_secret(path, found.secret)
        except OSError as error:
            fail(f"The data is restored, but {path} cannot be written ({error.strerror}): mend it, and do it again.")
    elif not is_among(found.manifest, settings.given_secrets or [secret for secret in [_secret(settings)] if secret]):
        name = "SECRET_KEY_PREVIOUS, or `secret_key` of the backup as SECRET_KEY" if found.secret else "SECRET_KEY"
        typer.echo(f"mainstay: tokens and cursors of before are not valid: set {name} to what it was then.", err=True)


def _keeping_data() -> "Settings":
    """The settings of a program that keeps data at all."""
    settings = read_settings()
    if not settings.needs_postgres:
        fail("There is nothing to keep: every chosen service has its data in the server's memory.")
    return settings


def _secret(settings: "Settings") -> bytes | None:
    """What signs; None where nothing has been signed yet."""
    path = settings.data_dir / "secret_key"
    try:
        return settings.given_secrets[0] if settings.given_secrets else path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        fail(f"{path}: {error.strerror}")


def _schema(server: "Server") -> str:
    if server.schema is None:
        fail(f"The role {server.role} has no schema in {server.database}: its search_path names none that is there.")
    return server.schema


def ours() -> frozenset[str]:
    """The tables and sequences of this release; a test compares them with a migrated database."""
    from mainstay.app.database import tables

    others = ("applications", "configurations", "outbox_position_seq", "outbox_seq_seq", "pets_id_seq", "tasks_id_seq")
    return frozenset({*tables().tables, *BOOKKEEPING, *others})
