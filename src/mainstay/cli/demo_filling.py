"""Believable data into the services, by the use cases that requests run: with events, one commit each.

How far a seed has come stands in an application of configs, so that a second run adds nothing. After a run that was
cut off, names tell what is there already; pets and orders, which have none, are made with idempotency keys.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any
from uuid import UUID

import orjson

from mainstay.cli import demo_data
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.core.unit import Key, KeyTaken, Reply, Unit
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.configs.domain import Configuration, DuplicateApplication
from mainstay.services.configs.pool import Pool
from mainstay.services.configs.repository import ConfigsRepository
from mainstay.services.configs.service import ConfigsService
from mainstay.services.orders.repository import OrderRepository
from mainstay.services.orders.service import OrderService
from mainstay.services.pets.postgres import PostgresPetRepository
from mainstay.services.pets.service import PetService
from mainstay.services.tasks.domain import DuplicateTask
from mainstay.services.tasks.postgres import PostgresTaskRepository
from mainstay.services.tasks.service import TaskService
from mainstay.services.users.callers import Callers
from mainstay.services.users.domain import EmailTaken
from mainstay.services.users.passwords import Passwords
from mainstay.services.users.repository import SessionRepository, UserRepository
from mainstay.services.users.service import UserService

APPLICATION = "mainstay-demo"
ANY = TagList(anything=True)
_THERE = (DuplicateApplication, DuplicateTask, EmailTaken, KeyTaken)


class Filling:
    """Fills one database for one seed. Every call raises Unavailable where the database is away."""

    def __init__(self, database: Database, pool: Pool, passwords: Passwords, seed: int, password: str | None) -> None:
        """`password`: of all users; None gives each a password of its own, which nobody is told."""
        self._database = database
        self._configs = ConfigsService(pool)
        self._stored = ConfigsRepository(pool)
        self._passwords = passwords
        self._seed = seed
        self._password = password
        self._add: Mapping[str, Callable[[int], Awaitable[None]]] = {
            "pets": self._add_pet,
            "tasks": self._add_task,
            "configs": self._add_application,
            "orders": self._add_order,
            "users": self._add_user,
        }
        self._today = date.today()  # noqa: DTZ011 - the team's day, wherever it sits

    async def fill(self, wanted: Mapping[str, int], made: Callable[[str], None]) -> Mapping[str, int]:
        """Add what is missing of so many items of each service; `made` hears of each. How many were added."""
        record = await self._record()
        done: dict[str, int] = orjson.loads(record.config)
        added = Counter(dict.fromkeys(wanted, 0))
        for service, number in wanted.items():
            for item in range(done.get(service, 0), number):
                with suppress(*_THERE):
                    await self._add[service](item)
                    added[service] += 1
                made(service)
            done[service] = max(number, done.get(service, 0))
            await self._note(record, done)
        return added

    async def missing(self, wanted: Mapping[str, int]) -> Mapping[str, int]:
        """How many items of each service are to come."""
        done = orjson.loads((await self._record()).config)
        return {service: max(0, number - done.get(service, 0)) for service, number in wanted.items()}

    async def _add_pet(self, number: int) -> None:
        unit = self._unit()
        await PetService(PostgresPetRepository(self._database, unit), unit).create(demo_data.pet(self._seed, number))
        await self._commit(unit, f"pet/{number}")

    async def _add_task(self, number: int) -> None:
        made = demo_data.task(self._seed, number, self._today)
        unit = self._unit()
        task = await TaskService(PostgresTaskRepository(self._database, unit), unit).create(made.fields)
        await self._commit(unit)
        for status in made.statuses:
            unit = self._unit()
            tasks = TaskService(PostgresTaskRepository(self._database, unit), unit)
            await tasks.update(task.id, ANY, {"status": status})
            await self._commit(unit)

    async def _add_order(self, number: int) -> None:
        made = demo_data.order(self._seed, number)
        unit = self._unit()
        order = await OrderService(OrderRepository(self._database, unit), unit).create(made.tenant)
        await self._commit(unit, f"order/{number}", made.tenant)
        order_id = UUID(str(order.id))
        if made.total_cents is not None:
            unit = self._unit()
            orders = OrderService(OrderRepository(self._database, unit), unit)
            await orders.confirm(made.tenant, order_id, ANY, made.total_cents)
            await self._commit(unit)
        if made.is_closed:
            unit = self._unit()
            await OrderService(OrderRepository(self._database, unit), unit).close(made.tenant, order_id, ANY)
            await self._commit(unit)

    async def _add_user(self, number: int) -> None:
        unit = self._unit()
        callers = Callers(SessionRepository(self._database, unit))
        users = UserService(UserRepository(self._database, unit), unit, self._passwords, callers)
        await users.register(demo_data.user(self._seed, number), self._password or secrets.token_urlsafe(32))
        await self._commit(unit)

    async def _add_application(self, number: int) -> None:
        made = demo_data.application(self._seed, number)
        application = await self._configs.create_application(**made.fields)
        for name, config in made.configurations.items():
            text = orjson.dumps(config).decode()
            await self._configs.create_configuration(
                application_id=application.id, name=name, comments=None, config=text
            )

    def _unit(self) -> PostgresUnit:
        return PostgresUnit(self._database)

    async def _commit(self, unit: Unit, item: str | None = None, tenant: str = "") -> None:
        """With the item's key, where it has no name that is there once."""
        key = None
        if item is not None:
            value = f"{self._seed}/{item}"
            key = Key(tenant, "mainstay demo", value, hashlib.sha256(value.encode()).digest())
        await unit.commit(Reply(201, b""), key)

    async def _record(self) -> Configuration:
        """What is noted of this seed; made where there is nothing."""
        name = f"seed-{self._seed}"
        with suppress(DuplicateApplication):
            await self._configs.create_application(name=APPLICATION, comments="How far `mainstay demo` has come.")
        async for batch in self._stored.list_applications():
            for application in batch:
                if application.name == APPLICATION:
                    return await self._record_in(application.id, application.configuration_ids, name)
        raise RuntimeError("somebody has removed it in this moment")

    async def _record_in(self, application_id: str, configuration_ids: Sequence[str], name: str) -> Configuration:
        for found in await self._stored.find_configurations(configuration_ids):
            if found.name == name:
                return found
        fields: dict[str, Any] = {"application_id": application_id, "name": name, "comments": None, "config": "{}"}
        return await self._configs.create_configuration(**fields)

    async def _note(self, record: Configuration, done: Mapping[str, int]) -> None:
        text = orjson.dumps(done).decode()
        await self._configs.replace_configuration(record.id, ANY, None, name=record.name, comments=None, config=text)
