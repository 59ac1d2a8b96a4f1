"""What a caller can do with applications and configurations."""

from dataclasses import replace
from typing import Any

from mainstay.kernel.core.etag import TagList
from mainstay.services.configs.domain import Application, Configuration, InvalidRequest, Representation, new_id
from mainstay.services.configs.pool import Pool
from mainstay.services.configs.repository import ConfigsRepository


class ConfigsService:
    """The writes; a read has no rule and goes from the route to the repository."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create_application(self, **fields: Any) -> Application:
        """Add an application. Raises DuplicateApplication."""
        application = Application(id=new_id(), configuration_ids=(), **fields)
        await ConfigsRepository(self._pool).add_application(application)
        return application

    async def replace_application(self, application_id: str, if_match: TagList, **fields: Any) -> Application:
        """Change all fields of an application. Raises ApplicationNotFound, PreconditionFailed, DuplicateApplication."""
        async with self._pool.connection() as connection:
            configs = ConfigsRepository(connection)
            current = await configs.lock_application(application_id)
            if_match.check(Representation.of(current).tag)
            changed = replace(current, **fields)
            await configs.save_application(changed)
        return changed

    async def create_configuration(self, **fields: Any) -> Configuration:
        """Add a configuration to an application. Raises UnknownApplication and DuplicateConfiguration."""
        configuration = Configuration(id=new_id(), **fields)
        return await ConfigsRepository(self._pool).add_configuration(configuration)

    async def replace_configuration(
        self, configuration_id: str, if_match: TagList, application_id: str | None, **fields: Any
    ) -> Configuration:
        """Change all fields of a configuration but its application, which `application_id` may only repeat.

        Raises ConfigurationNotFound, InvalidRequest, PreconditionFailed, DuplicateConfiguration.
        """
        async with self._pool.connection() as connection:
            configs = ConfigsRepository(connection)
            current = await configs.lock_configuration(configuration_id)
            if application_id not in {None, current.application_id}:
                raise InvalidRequest(errors=[_MOVED])
            if_match.check(Representation.of(current).tag)
            return await configs.save_configuration(replace(current, **fields))


_MOVED = {
    "loc": ["body", "application_id"],
    "message": "A configuration stays with its application: leave this out, or repeat what it is",
    "type": "frozen_field",
}
