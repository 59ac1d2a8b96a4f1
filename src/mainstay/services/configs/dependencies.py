"""What a request for configs is given."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from mainstay.services.configs.domain import ApplicationNotFound, ConfigurationNotFound, Representation
from mainstay.services.configs.loader import Loader
from mainstay.services.configs.pool import Pool
from mainstay.services.configs.repository import ConfigsRepository
from mainstay.services.configs.service import ConfigsService
from mainstay.services.configs.watch import Listener, Watch


class Configs:
    """All that there is to call, on one pool."""

    def __init__(self, pool: Pool) -> None:
        self.stored = ConfigsRepository(pool)
        """For the list."""
        self.service = ConfigsService(pool)
        """For the writes."""
        self.applications = Watch(self.get_application)
        self.configurations = Watch(self.get_configuration)
        self._applications = Loader(self.stored.find_applications)
        self._configurations = Loader(self.stored.find_configurations)

    @property
    def watches(self) -> Sequence[Watch]:
        """Of both kinds."""
        return self.applications, self.configurations

    async def get_application(self, application_id: str) -> Representation:
        """The application. Raises ApplicationNotFound."""
        found = await self._applications.find(application_id)
        if found is None:
            raise ApplicationNotFound(id=application_id)
        return found

    async def get_configuration(self, configuration_id: str) -> Representation:
        """The configuration. Raises ConfigurationNotFound."""
        found = await self._configurations.find(configuration_id)
        if found is None:
            raise ConfigurationNotFound(id=configuration_id)
        return found

    def end_waits(self) -> None:
        """Answer those who wait for a change, now."""
        for watch in self.watches:
            watch.end()


Storage = Callable[[], Configs]
"""Gives each request what it calls. The app keeps it in its state."""


@asynccontextmanager
async def watching(configs: Configs, url: str) -> AsyncIterator[Configs]:
    """Hear of changes for as long as the block lasts; those who wait are answered at its end."""
    listener = asyncio.create_task(Listener(url, configs.watches).run())
    try:
        yield configs
    finally:
        configs.end_waits()
        listener.cancel()
        await asyncio.wait([listener])


async def _configs(request: Request) -> Configs:
    storage: Storage = request.app.state.configs
    return storage()


ConfigsOf = Annotated[Configs, Depends(_configs)]
