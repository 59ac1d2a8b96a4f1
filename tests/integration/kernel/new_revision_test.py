"""Migrations that are written from the models."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from mainstay.kernel.db import migrations
from mainstay.kernel.db.migrations import up, verify
from mainstay.kernel.db.revisions import LOCATION, MigrationError

FILES = sorted((LOCATION / "versions").glob("*.py"))


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Not migrated: that is what is tested."""
    return empty_database_url


async def test_new_revision_leads_to_the_models(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(LOCATION, folder)
    await up(database_url)
    models = MetaData()
    columns = (Column("id", Integer, primary_key=True), Column("name", Text, nullable=False, index=True))
    Table("toy_boxes", models, *columns)

    file = await migrations.new_revision(database_url, models, "Create toy boxes", location=folder)

    assert re.fullmatch(r"\d{4}_\d\d_\d\d_\d{4}_create_toy_boxes\.py", file.name)
    assert await up(database_url, location=folder) == [file.name[:15]]
    assert await verify(database_url, models, location=folder) == []
    next_file = await migrations.new_revision(database_url, models, "Paint toy boxes", location=folder)
    assert file.name[:15] < next_file.name[:15]


async def test_new_revision_of_a_database_that_is_not_current(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(LOCATION, folder)
    with pytest.raises(MigrationError, match="not up to date"):
        await migrations.new_revision(database_url, MetaData(), "Create toy boxes", location=folder)
    assert len(list((folder / "versions").glob("*.py"))) == len(FILES)


@pytest.mark.parametrize("year", [2020, 2099])
def test_a_new_revision_comes_after_all_that_there_are(monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    monkeypatch.setattr(migrations, "now", lambda: datetime(year, 1, 2, 3, 4, tzinfo=UTC))
    newest, made = migrations.revisions()[-1], migrations.next_revision()
    assert re.fullmatch(r"\d{4}_\d\d_\d\d_\d{4}", made)
    assert made > newest
    assert made.startswith("2099_01_02_0304" if year == 2099 else newest[:10])
