"""What a request for a service is given: a repository for its reads, the service on a unit of work for its writes."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from mainstay.kernel.core.unit import Unit
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.http.unit import begin

Repository = TypeVar("Repository")
Service = TypeVar("Service")

Storage = Callable[[], tuple[Repository, Unit]]
"""Makes, for one request, a repository and the unit of work that it writes into."""


def postgres_storage(
    repository: Callable[[Database, PostgresUnit], Repository], database: Database
) -> Storage[Repository]:
    """A service's data in PostgreSQL, read and written by such a repository."""

    def open_unit() -> tuple[Repository, Unit]:
        unit = PostgresUnit(database)
        return repository(database, unit), unit

    return open_unit


class Providers(Generic[Repository, Service]):
    """The dependencies of a service's routes. The app keeps the storage in its state, under the service's name."""

    def __init__(self, name: str, service: Callable[[Repository, Any], Service]) -> None:
        self._name = name
        self._service = service

    async def repository(self, request: Request) -> Repository:
        """For the reads."""
        repository, _ = self._open(request)
        return repository

    async def service(self, request: Request) -> Service:
        """For the writes."""
        repository, unit = self._open(request)
        return self._service(repository, begin(request, unit))

    def _open(self, request: Request) -> tuple[Repository, Unit]:
        storage: Storage[Repository] = getattr(request.app.state, self._name)
        return storage()
