"""The services that there are: a line for each."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fastapi import APIRouter

from mainstay.kernel.core.events import Event
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.configs.routes import router as configs
from mainstay.services.orders.repository import OrderRepository
from mainstay.services.orders.routes import router as orders
from mainstay.services.pets.postgres import PostgresPetRepository
from mainstay.services.pets.routes import router as pets
from mainstay.services.tasks.postgres import PostgresTaskRepository
from mainstay.services.tasks.routes import router as tasks
from mainstay.services.users.routes import router as users


class Service(NamedTuple):
    """What the app has to know of a service."""

    router: APIRouter
    about: str
    """What the documentation says of its operations."""
    repository: Callable[[Database, PostgresUnit], Any] | None = None
    """Reads and writes its data in PostgreSQL; None where the service has a storage of a kind of its own."""


SERVICES = {
    "pets": Service(pets, "The resource that everyone starts from.", PostgresPetRepository),
    "tasks": Service(tasks, "What a team has agreed to do: one list, nothing twice.", PostgresTaskRepository),
    "configs": Service(configs, "Applications and their configurations: read at the start, then watched for changes."),
    "orders": Service(
        orders,
        "Of many tenants, each with its own: made once however often it is asked for, confirmed, closed.",
        OrderRepository,
    ),
    "users": Service(users, "Accounts, and the tokens that the other services take."),
}
"""By the names that SERVICES takes."""


def aggregate_types() -> set[str]:
    """What the services' events are about."""
    return {kind.aggregate_type for kind in _kinds(Event) if kind.__module__.startswith("mainstay.services.")}


def _kinds(kind: type[Event]) -> Iterator[type[Event]]:
    if "type" in vars(kind):
        yield kind
    for more in kind.__subclasses__():
        yield from _kinds(more)
