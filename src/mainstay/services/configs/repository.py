"""Applications and configurations in PostgreSQL: the statements, and what violated constraints mean.

A write that changes what callers see of a resource says so on a channel, in the same transaction: PostgreSQL delivers
it at the commit. A new configuration changes its application, which lists it.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from mainstay.kernel.core.errors import DomainError
from mainstay.services.configs.domain import (
    Application,
    ApplicationNotFound,
    Configuration,
    ConfigurationNotFound,
    DuplicateApplication,
    DuplicateConfiguration,
    UnknownApplication,
)
from mainstay.services.configs.pool import Lease, Pool

Row = dict[str, Any]

CHANNEL = "configs"
"""Its messages are the ids of what has changed."""
BATCH = 200
"""Applications that a list reads at once: what bounds its memory."""

_APPLICATIONS = """
SELECT a.id, a.name, a.comments,
       ARRAY(SELECT c.id FROM configurations c WHERE c.application_id = a.id ORDER BY c.id) AS configuration_ids
FROM applications a"""
_FIND_APPLICATIONS = f"{_APPLICATIONS} WHERE a.id = ANY(%(ids)s)"
_LIST_APPLICATIONS = f"{_APPLICATIONS} WHERE a.id > %(after)s ORDER BY a.id LIMIT %(limit)s"
_ADD_APPLICATION = "INSERT INTO applications (id, name, comments) VALUES (%(id)s, %(name)s, %(comments)s)"
# Two statements, because one that has waited for its lock still reads what was there before the wait. FOR UPDATE keeps
# out new configurations too: their foreign key locks the application FOR KEY SHARE.
_LOCK_APPLICATION = f"SELECT FROM applications WHERE id = %(id)s FOR UPDATE; {_APPLICATIONS} WHERE a.id = %(id)s"
_SAVE_APPLICATION = f"""
UPDATE applications SET name = %(name)s, comments = %(comments)s WHERE id = %(id)s;
SELECT pg_notify('{CHANNEL}', %(id)s)"""

_COLUMNS = "id, application_id, name, comments, config::text AS config"
_FIND_CONFIGURATIONS = f"SELECT {_COLUMNS} FROM configurations WHERE id = ANY(%(ids)s)"
_ADD_CONFIGURATION = f"""
SELECT pg_notify('{CHANNEL}', %(application_id)s);
INSERT INTO configurations (id, application_id, name, comments, config)
VALUES (%(id)s, %(application_id)s, %(name)s, %(comments)s, %(config)s) RETURNING {_COLUMNS}"""
_LOCK_CONFIGURATION = f"SELECT {_COLUMNS} FROM configurations WHERE id = %(id)s FOR UPDATE"
_SAVE_CONFIGURATION = f"""
SELECT pg_notify('{CHANNEL}', %(id)s);
UPDATE configurations SET name = %(name)s, comments = %(comments)s, config = %(config)s WHERE id = %(id)s
RETURNING {_COLUMNS}"""


class ConfigsRepository:
    """Runs on the pool, where each call is a transaction of its own, or on a connection inside one."""

    def __init__(self, runner: Pool | Lease) -> None:
        self._runner = runner

    async def find_applications(self, ids: Sequence[str]) -> Sequence[Application]:
        """Those that there are, in any order."""
        return [Application(**row) for row in await self._fetch(_FIND_APPLICATIONS, {"ids": ids})]

    async def list_applications(self) -> AsyncIterator[Sequence[Application]]:
        """All of them in the order of their ids, in batches. Between two batches no connection is held."""
        after = ""
        while True:
            rows = await self._fetch(_LIST_APPLICATIONS, {"after": after, "limit": BATCH})
            yield [Application(**row) for row in rows]
            if len(rows) < BATCH:
                return
            after = rows[-1]["id"]

    async def add_application(self, application: Application) -> None:
        """Write a new one. Raises DuplicateApplication."""
        with _violating(applications_name_key=DuplicateApplication(fields=["name"])):
            await self._runner.run(_execute, _ADD_APPLICATION, asdict(application))

    async def lock_application(self, application_id: str) -> Application:
        """The application, kept from changes and from new configurations until the transaction ends.

        Raises ApplicationNotFound.
        """
        rows = await self._fetch(_LOCK_APPLICATION, {"id": application_id})
        if not rows:
            raise ApplicationNotFound(id=application_id)
        return Application(**rows[0])

    async def save_application(self, application: Application) -> None:
        """Write what it is from now on. Raises DuplicateApplication."""
        with _violating(applications_name_key=DuplicateApplication(fields=["name"])):
            await self._runner.run(_execute, _SAVE_APPLICATION, asdict(application))

    async def find_configurations(self, ids: Sequence[str]) -> Sequence[Configuration]:
        """Those that there are, in any order."""
        return [Configuration(**row) for row in await self._fetch(_FIND_CONFIGURATIONS, {"ids": ids})]

    async def add_configuration(self, configuration: Configuration) -> Configuration:
        """Write a new one; as it is stored. Raises UnknownApplication and DuplicateConfiguration."""
        with _violating(
            configurations_application_id_fkey=UnknownApplication(fields=["application_id"]),
            configurations_unique_name_per_app=DuplicateConfiguration(fields=["application_id", "name"]),
        ):
            return Configuration(**(await self._fetch(_ADD_CONFIGURATION, asdict(configuration)))[0])

    async def lock_configuration(self, configuration_id: str) -> Configuration:
        """The configuration, kept from changes until the transaction ends. Raises ConfigurationNotFound."""
        rows = await self._fetch(_LOCK_CONFIGURATION, {"id": configuration_id})
        if not rows:
            raise ConfigurationNotFound(id=configuration_id)
        return Configuration(**rows[0])

    async def save_configuration(self, configuration: Configuration) -> Configuration:
        """Write what it is from now on; as it is stored. Raises DuplicateConfiguration."""
        with _violating(configurations_unique_name_per_app=DuplicateConfiguration(fields=["application_id", "name"])):
            return Configuration(**(await self._fetch(_SAVE_CONFIGURATION, asdict(configuration)))[0])

    async def _fetch(self, statement: str, values: Row) -> Sequence[Row]:
        return await self._runner.run(_fetch, statement, values)


# These two run in the pool's threads.


def _execute(cursor: RealDictCursor, statement: str, values: Row) -> None:
    cursor.execute(statement, values)


def _fetch(cursor: RealDictCursor, statement: str, values: Row) -> Sequence[Row]:
    """The rows of the last statement in the text."""
    cursor.execute(statement, values)
    return cursor.fetchall()


@contextmanager
def _violating(**meanings: DomainError) -> Iterator[None]:
    """Raise what the violation of a constraint means, by the constraint's name."""
    try:
        yield
    except psycopg2.IntegrityError as error:
        meaning = meanings.get(error.diag.constraint_name or "")
        if meaning is None:
            raise
        raise meaning from error
