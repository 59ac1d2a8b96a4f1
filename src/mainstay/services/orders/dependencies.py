"""What a request for orders is given."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.http.unit import begin
from mainstay.services.orders.repository import OrderRepository
from mainstay.services.orders.service import OrderService

Storage = Callable[[], tuple[OrderRepository, PostgresUnit]]
"""Makes, for one request, a repository and the unit of work that it writes into. The app keeps it in its state."""


def postgres_storage(database: Database) -> Storage:
    """Orders in PostgreSQL."""

    def open_unit() -> tuple[OrderRepository, PostgresUnit]:
        unit = PostgresUnit(database)
        return OrderRepository(database, unit), unit

    return open_unit


async def order_repository(request: Request) -> OrderRepository:
    """For the reads."""
    storage: Storage = request.app.state.orders
    repository, _ = storage()
    return repository


async def order_service(request: Request) -> OrderService:
    """For the writes."""
    storage: Storage = request.app.state.orders
    repository, unit = storage()
    return OrderService(repository, begin(request, unit))


Orders = Annotated[OrderRepository, Depends(order_repository)]
Service = Annotated[OrderService, Depends(order_service)]
