"""The database against the models: migrations build the one out of the other, `verify` finds where they differ."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, NullPool, Table
from sqlalchemy.ext.asyncio import create_async_engine

import mainstay.services.pets.models  # noqa: F401 - puts its tables into the metadata
from mainstay.kernel.db.migrations import down, up, verify
from mainstay.kernel.db.models import Base

MODELS = Base.metadata

# What PostgreSQL knows of tables and sequences, one row a thing.
COLUMNS = """
    SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attcollation,
           pg_get_expr(adbin, adrelid)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid::regclass::text = ANY($1) AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = ANY($1) ORDER BY 1"
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid::regclass::text = ANY($1) ORDER BY 1, 2"""
SEQUENCES = "SELECT sequencename, data_type, start_value, increment_by, max_value FROM pg_sequences ORDER BY 1"


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Not migrated: that is what is tested."""
    return empty_database_url


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of someone else in the database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_migrated_database_is_what_the_models_would_create(
    database_url: str, connection: asyncpg.Connection
) -> None:
    """In all that PostgreSQL knows of it, much of which Alembic does not compare."""

    async def catalog() -> list[list[asyncpg.Record]]:
        names = list(MODELS.tables)
        tables = [await connection.fetch(query, names) for query in (COLUMNS, INDEXES, CONSTRAINTS)]
        return [*tables, await connection.fetch(SEQUENCES)]

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(database_url)

    await up(database_url)
    migrated = await catalog()
    await down(database_url, "base")
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.begin() as sqlalchemy:
        await sqlalchemy.run_sync(MODELS.create_all)
    assert migrated == await catalog()
    assert all(migrated)


async def test_no_extension_is_needed(database_url: str, connection: asyncpg.Connection) -> None:
    await up(database_url)
    assert [row[0] for row in await connection.fetch("SELECT extname FROM pg_extension")] == ["plpgsql"]


async def test_verify_finds_what_differs_from_the_models(database_url: str, connection: asyncpg.Connection) -> None:
    await up(database_url)
    await connection.execute(
        """
        ALTER TABLE pets DROP age_years, ADD nickname text, ALTER species DROP NOT NULL, ALTER version TYPE int;
        ALTER TABLE outbox_deliveries ALTER attempts SET DEFAULT 7;
        DROP INDEX outbox_pending_idx;
        CREATE INDEX by_hand ON pets (version);
        DROP TABLE idempotency_keys;
        """
    )
    assert sorted(await verify(database_url, MODELS)) == [
        "table idempotency_keys is in the models, not in the database",
        "table idempotency_keys: index idempotency_keys_created_at_idx is in the models, not in the database",
        "table outbox: index outbox_pending_idx is in the models, not in the database",
        "table outbox_deliveries: column attempts has default 7 in the database, None in the models",
        "table pets: column age_years is in the models, not in the database",
        "table pets: column nickname is in the database, not in the models",
        "table pets: column species has nullable True in the database, False in the models",
        "table pets: column version has type INTEGER in the database, BIGINT in the models",
        "table pets: index by_hand is in the database, not in the models",
    ]


async def test_verify_finds_constraints_of_either_side(database_url: str, connection: asyncpg.Connection) -> None:
    models = MetaData()
    columns = [Column("id", Integer, primary_key=True), Column("room", Integer, nullable=False)]
    Table("toy_shelves", models, *columns, CheckConstraint("room > 0", name="toy_shelves_room_check"))
    await connection.execute(
        """
        CREATE TABLE toy_rooms (id int PRIMARY KEY);
        CREATE TABLE toy_shelves (
            id int PRIMARY KEY,
            room int NOT NULL
                CONSTRAINT toy_shelves_room_key UNIQUE CONSTRAINT toy_shelves_room_fkey REFERENCES toy_rooms
        );
        """
    )
    await up(database_url)
    assert sorted(await verify(database_url, models)) == [
        "table toy_shelves: constraint toy_shelves_room_check is in the models, not in the database",
        "table toy_shelves: constraint toy_shelves_room_key is in the database, not in the models",
        "table toy_shelves: fk toy_shelves_room_fkey is in the database, not in the models",
    ]


async def test_verify_overlooks_the_tables_of_others_and_comments(
    database_url: str, connection: asyncpg.Connection
) -> None:
    await up(database_url)
    await connection.execute(
        """
        CREATE TABLE configurations (id int);
        CREATE VIEW cats AS SELECT * FROM pets;
        COMMENT ON TABLE pets IS 'Everyone starts here';
        COMMENT ON COLUMN pets.name IS 'As its owner calls it';
        """
    )
    assert await verify(database_url, MODELS) == []
