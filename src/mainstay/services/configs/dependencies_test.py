import asyncio
from typing import Any, cast

import pytest

from mainstay.kernel.core.etag import TagList
from mainstay.services.configs.dependencies import Configs, watching
from mainstay.services.configs.domain import ApplicationNotFound, ConfigurationNotFound
from mainstay.services.configs.pool import Pool

ID, ANOTHER = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA", "01JCZ5Y7Q2GDB5E0H8F3W6PXTC"
NOWHERE = "postgresql://127.0.0.1:1/d"
APPLICATION = {"id": ID, "name": "checkout", "comments": None, "configuration_ids": [ANOTHER]}
CONFIGURATION = {"id": ANOTHER, "application_id": ID, "name": "production", "comments": None, "config": "{}"}
OTHER = TagList.parse('"other"')


class Tables:
    """In place of the pool: a row in each table."""

    async def run(self, _function: Any, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        row = APPLICATION if "FROM applications" in statement else CONFIGURATION
        return [row] if row["id"] in values["ids"] else []


@pytest.fixture
def configs() -> Configs:
    return Configs(cast("Pool", Tables()))


async def test_each_watch_reads_its_own_kind(configs: Configs) -> None:
    assert b'"checkout"' in (await configs.applications.changed(ID, OTHER, 1)).body
    assert b'"production"' in (await configs.configurations.changed(ANOTHER, OTHER, 1)).body


async def test_what_is_not_there_is_the_error_of_its_kind(configs: Configs) -> None:
    with pytest.raises(ApplicationNotFound) as application:
        await configs.get_application(ANOTHER)
    assert application.value.details == {"id": ANOTHER}
    with pytest.raises(ConfigurationNotFound) as configuration:
        await configs.get_configuration(ID)
    assert configuration.value.details == {"id": ID}


async def test_an_id_of_the_other_kind_is_not_found(configs: Configs) -> None:
    with pytest.raises(ApplicationNotFound):
        await configs.applications.changed(ANOTHER, OTHER, 1)
    with pytest.raises(ConfigurationNotFound):
        await configs.configurations.changed(ID, OTHER, 1)


async def test_at_the_end_of_the_block_waits_end_and_nothing_listens(configs: Configs) -> None:
    shown = await configs.applications.changed(ID, OTHER, 1)
    async with watching(configs, NOWHERE) as served:
        waiter = asyncio.create_task(served.applications.changed(ID, TagList.parse(f'"{shown.tag}"'), 30))
        await asyncio.sleep(0)
    assert await waiter == shown
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_they_end_where_the_block_fails_too(configs: Configs) -> None:
    with pytest.raises(LookupError):
        async with watching(configs, NOWHERE):
            raise LookupError
    assert asyncio.all_tasks() == {asyncio.current_task()}
