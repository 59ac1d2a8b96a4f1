"""The schema as the database's own catalogue tells it: the contract's, and nothing beside it."""

from typing import Any

import asyncpg
import pytest

TABLES = ["applications", "configurations"]

COLUMNS = [
    ("applications", "id", "text", True, None),
    ("applications", "name", "character varying(256)", True, None),
    ("applications", "comments", "character varying(1024)", False, None),
    ("configurations", "id", "text", True, None),
    ("configurations", "application_id", "text", True, None),
    ("configurations", "name", "character varying(256)", True, None),
    ("configurations", "comments", "character varying(1024)", False, None),
    ("configurations", "config", "jsonb", True, None),
]
"""Table, name, type, whether it must be given, default; in the order of the contract."""

CONSTRAINTS = [
    ("applications", "applications_name_key", "UNIQUE (name)"),
    ("applications", "applications_pkey", "PRIMARY KEY (id)"),
    (
        "configurations",
        "configurations_application_id_fkey",
        "FOREIGN KEY (application_id) REFERENCES applications(id)",
    ),
    ("configurations", "configurations_pkey", "PRIMARY KEY (id)"),
    ("configurations", "configurations_unique_name_per_app", "UNIQUE (application_id, name)"),
]

INDEXES = [
    ("applications", "applications_name_key", "UNIQUE INDEX", "(name)"),
    ("applications", "applications_pkey", "UNIQUE INDEX", "(id)"),
    ("configurations", "configurations_pkey", "UNIQUE INDEX", "(id)"),
    ("configurations", "configurations_unique_name_per_app", "UNIQUE INDEX", "(application_id, name)"),
    ("configurations", "idx_configurations_app_id", "INDEX", "(application_id)"),
]


async def rows(session: asyncpg.Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await session.fetch(query, *values)]


async def test_the_columns_are_those_of_the_contract(session: asyncpg.Connection) -> None:
    query = """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relname = ANY($1) AND c.relkind = 'r' AND a.attnum > 0
        ORDER BY c.relname, a.attnum
    """  # columns that were dropped still have a row, and no type: they would be found
    assert await rows(session, query, TABLES) == COLUMNS


async def test_the_constraints_are_those_of_the_contract(session: asyncpg.Connection) -> None:
    query = """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = ANY($1::regclass[]) AND contype <> 'n' ORDER BY 1, 2
    """  # 'n': PostgreSQL 18 lists NOT NULL here too; the columns tell of it
    assert await rows(session, query, TABLES) == CONSTRAINTS


async def test_the_indexes_are_those_of_the_contract(session: asyncpg.Connection) -> None:
    query = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename = ANY($1) ORDER BY 1, 2"
    found = await rows(session, query, TABLES)
    expected = [
        (table, name, f"CREATE {kind} {name} ON public.{table} USING btree {columns}")
        for table, name, kind, columns in INDEXES
    ]
    assert found == expected


@pytest.mark.parametrize("catalogue", ["pg_trigger WHERE NOT tgisinternal AND tgrelid", "pg_policy WHERE polrelid"])
async def test_nothing_else_hangs_on_the_tables(session: asyncpg.Connection, catalogue: str) -> None:
    assert await session.fetchval(f"SELECT count(*) FROM {catalogue} = ANY($1::regclass[])", TABLES) == 0
