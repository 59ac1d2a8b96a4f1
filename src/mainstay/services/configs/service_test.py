from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, cast

import pytest
from ulid import ULID

from mainstay.kernel.core.errors import PreconditionFailed
from mainstay.kernel.core.etag import ANY_VERSION, TagList
from mainstay.services.configs.domain import (
    Application,
    ApplicationNotFound,
    Configuration,
    ConfigurationNotFound,
    InvalidRequest,
    Representation,
)
from mainstay.services.configs.pool import Pool
from mainstay.services.configs.service import ConfigsService

CHECKOUT = Application("01JCZ5W1XJ8T3S6V9Q4N2M7KRA", "checkout", "old", ["01JCZ5Y7Q2GDB5E0H8F3W6PXTC"])
PRODUCTION = Configuration("01JCZ5Y7Q2GDB5E0H8F3W6PXTC", CHECKOUT.id, "production", "old", '{"a": 1}')
NEW: dict[str, Any] = {"name": "new", "comments": None}
STALE = TagList.parse('"stale"')


class Connection:
    """In place of a pool and its connections: one row, and a log of what was done and how the block ended."""

    def __init__(self, row: Application | Configuration | None) -> None:
        self._row = row
        self.done: list[str] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["Connection"]:
        try:
            yield self
        except BaseException:
            self.done.append("rolled back")
            raise
        self.done.append("committed")

    async def run(self, _function: Any, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        if "FOR UPDATE" in statement:
            self.done.append("locked")
            return [asdict(self._row)] if self._row else []
        self.done.append("written")
        return [{name: value for name, value in values.items() if name != "configuration_ids"}]


def service(row: Application | Configuration | None = None) -> tuple[ConfigsService, Connection]:
    connection = Connection(row)
    return ConfigsService(cast("Pool", connection)), connection


def tag(resource: Application | Configuration) -> TagList:
    return TagList.parse(f'"{Representation.of(resource).tag}"')


async def test_a_new_application_has_an_id_of_its_own_and_no_configuration() -> None:
    configs, connection = service()
    made = [await configs.create_application(**NEW) for _ in range(2)]
    assert made[0] == Application(made[0].id, "new", None, ())
    assert made[0].id != made[1].id
    assert str(ULID.from_str(made[0].id)) == made[0].id
    assert connection.done == ["written"] * 2


async def test_a_new_configuration_has_an_id_of_its_own() -> None:
    configs, connection = service()
    made = await configs.create_configuration(application_id=CHECKOUT.id, config="{}", **NEW)
    assert made == Configuration(made.id, CHECKOUT.id, "new", None, "{}")
    assert connection.done == ["written"]


@pytest.mark.parametrize("if_match", [ANY_VERSION, tag(CHECKOUT)])
async def test_an_application_is_locked_then_compared_then_written(if_match: TagList) -> None:
    configs, connection = service(CHECKOUT)
    changed = await configs.replace_application(CHECKOUT.id, if_match, **NEW)
    assert changed == Application(CHECKOUT.id, "new", None, CHECKOUT.configuration_ids)
    assert connection.done == ["locked", "written", "committed"]


@pytest.mark.parametrize("if_match", [ANY_VERSION, tag(PRODUCTION)])
@pytest.mark.parametrize("application_id", [None, CHECKOUT.id])
async def test_a_configuration_too(if_match: TagList, application_id: str | None) -> None:
    configs, connection = service(PRODUCTION)
    changed = await configs.replace_configuration(PRODUCTION.id, if_match, application_id, config="{}", **NEW)
    assert changed == Configuration(PRODUCTION.id, CHECKOUT.id, "new", None, "{}")
    assert connection.done == ["locked", "written", "committed"]


@pytest.mark.parametrize("if_match", [STALE, tag(PRODUCTION)])
async def test_a_stale_tag_writes_nothing_and_tells_the_current_one(if_match: TagList) -> None:
    configs, connection = service(CHECKOUT)
    with pytest.raises(PreconditionFailed) as raised:
        await configs.replace_application(CHECKOUT.id, if_match, **NEW)
    assert raised.value.etag == f'"{Representation.of(CHECKOUT).tag}"'
    assert connection.done == ["locked", "rolled back"]


async def test_a_configuration_with_a_stale_tag_is_not_written() -> None:
    configs, connection = service(PRODUCTION)
    with pytest.raises(PreconditionFailed):
        await configs.replace_configuration(PRODUCTION.id, STALE, None, config="{}", **NEW)
    assert connection.done == ["locked", "rolled back"]


@pytest.mark.parametrize("if_match", [ANY_VERSION, STALE, tag(PRODUCTION)])
async def test_a_configuration_is_not_moved_whatever_the_tag(if_match: TagList) -> None:
    configs, connection = service(PRODUCTION)
    with pytest.raises(InvalidRequest) as raised:
        await configs.replace_configuration(PRODUCTION.id, if_match, PRODUCTION.id, config="{}", **NEW)
    assert "application_id" in str(raised.value.details)
    assert connection.done == ["locked", "rolled back"]


@pytest.mark.parametrize("if_match", [ANY_VERSION, STALE])
async def test_what_is_not_there_is_not_written(if_match: TagList) -> None:
    configs, connection = service()
    with pytest.raises(ApplicationNotFound):
        await configs.replace_application(CHECKOUT.id, if_match, **NEW)
    with pytest.raises(ConfigurationNotFound):
        await configs.replace_configuration(PRODUCTION.id, if_match, CHECKOUT.id, config="{}", **NEW)
    assert connection.done == ["locked", "rolled back"] * 2
