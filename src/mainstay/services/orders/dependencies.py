"""What a request for orders is given."""

from typing import Annotated

from fastapi import Depends

from mainstay.kernel.http.storage import Providers
from mainstay.services.orders.repository import OrderRepository
from mainstay.services.orders.service import OrderService

_orders = Providers("orders", OrderService)

Orders = Annotated[OrderRepository, Depends(_orders.repository)]
Service = Annotated[OrderService, Depends(_orders.service)]
