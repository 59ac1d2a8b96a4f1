"""The schema, moved and compared by Alembic, which takes 0.2 s to import: only who has something to do imports this."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util import CommandError
from sqlalchemy import Column, Connection, DateTime, MetaData, StaticPool, Table, Text, func
from sqlalchemy.ext.asyncio import create_async_engine

from mainstay.kernel.db.revisions import File, MigrationError

T = TypeVar("T")

# Kept like Alembic's own alembic_version: made by the runner, in no model, in no migration.
_CHECKSUMS = Table(
    "migration_checksums",
    MetaData(),
    Column("revision", Text, primary_key=True),
    Column("checksum", Text, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# All but comments, which are a DBA's to write; CHECK constraints by their names.
_COMPARED = ("alembic.autogenerate.*", "~alembic.autogenerate.comments", "alembic.ext.checkconstraint_byname")


async def move(
    session: asyncpg.Connection, location: Path, direction: Literal["upgrade", "downgrade"], target: str
) -> None:
    """Apply or undo migrations, each in a transaction of its own. Raises what the database says, and MigrationError."""

    def migrate(connection: Connection) -> None:
        _CHECKSUMS.create(connection, checkfirst=True)
        connection.commit()
        getattr(command, direction)(_config(location, connection=connection), target)

    await _run(session, migrate)


async def write(session: asyncpg.Connection, location: Path, metadata: MetaData, message: str, revision: str) -> Path:
    """Write the migration that leads from the database to the models. Raises MigrationError."""

    def generate(connection: Connection) -> Any:
        config = _config(location, connection=connection, metadata=metadata)
        return command.revision(config, message, autogenerate=True, rev_id=revision)

    return Path((await _run(session, generate)).path)


async def differences(session: asyncpg.Connection, metadata: MetaData) -> list[str]:
    """Where the database's tables differ from the models, in sentences for people."""

    def compare(connection: Connection) -> list[str]:
        changes = compare_metadata(MigrationContext.configure(connection, opts=options(metadata)), metadata)
        return [_sentence(*step) for change in changes for step in (change if isinstance(change, list) else [change])]

    return await _run(session, compare)


def options(metadata: MetaData) -> dict[str, Any]:
    """How Alembic is to work: for env.py, and for comparing the database with the models."""
    return {
        "transaction_per_migration": True,  # what is applied stays applied when the next one fails
        "on_version_apply": _record,
        "target_metadata": metadata,
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        "autogenerate_plugins": _COMPARED,
    }


def _record(*, ctx: MigrationContext, step: MigrationInfo, **_: object) -> None:
    """Keep the checksum of a migration, in the migration's own transaction; forget it when it is undone."""
    script: Any = step.up_revision
    connection: Any = ctx.connection
    connection.execute(_CHECKSUMS.delete().where(_CHECKSUMS.c.revision == script.revision))
    if step.is_upgrade:
        checksum = File(Path(script.path), script.revision, script.down_revision).checksum()
        connection.execute(_CHECKSUMS.insert().values(revision=script.revision, checksum=checksum))


def _config(location: Path, **attributes: object) -> Config:
    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(location).replace("%", "%%"))  # it interpolates
    return config


async def _run(session: asyncpg.Connection, function: Callable[[Connection], T]) -> T:
    """Call a function of Alembic's kind, synchronous and with a SQLAlchemy connection, on the session."""

    async def connect() -> asyncpg.Connection:
        return session

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=StaticPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(function)
    except CommandError as error:
        raise MigrationError(str(error)) from error


def _sentence(kind: str, *details: Any) -> str:
    """Say what Alembic found: `kind` is what it would do to the database, its subject comes last in `details`."""
    if kind.startswith("modify_"):
        *_, table, column, _, there, here = details
        what = kind.removeprefix("modify_")
        return (
            f"table {table}: column {column} has {what} {_shown(there)} in the database, {_shown(here)} in the models"
        )
    subject = details[-1]
    where = "the models, not in the database" if kind.startswith("add_") else "the database, not in the models"
    if isinstance(subject, Table):
        return f"table {subject.name} is in {where}"
    what = kind.partition("_")[2]
    return f"table {subject.table.name}: {what} {subject.name} is in {where}"


def _shown(value: Any) -> str:
    return str(getattr(value, "arg", value))  # of a default, its expression
