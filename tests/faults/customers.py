"""Customers of several tenants, who order over HTTP whatever becomes of the server, and remember what they were told.

What got no answer, or the answer to come again, is sent again as it was, with the same key.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import asyncpg
import httpx
import orjson

TENANTS = ("acme", "globex", "initech")
CUSTOMERS = 6
PAUSE = 0.01
"""Seconds before a request is sent again."""
PATIENCE = 30.0
"""Seconds after which a customer gives up, which fails the test."""


class Version(NamedTuple):
    """An order as it was once."""

    tenant: str
    order: str
    number: int


class Keyed(NamedTuple):
    """A request that may be sent again."""

    tenant: str
    path: str
    key: str


@dataclass
class Ledger:
    """What the customers know."""

    told: dict[Version, Any] = field(default_factory=dict)
    """The orders of all answers that promise something."""
    kept: dict[Keyed, bytes] = field(default_factory=dict)
    """What each key was answered first."""
    seconds: list[float] = field(default_factory=list)
    """Of every answer, until it was there."""
    unanswered: int = 0
    unavailable: int = 0
    overtaken: int = 0
    """Confirmations that had got through though nobody was told."""

    async def more(self, answers: int) -> None:
        """Wait for so many more promises."""
        enough = len(self.told) + answers
        while len(self.told) < enough:
            await asyncio.sleep(0.001)

    def unheard(self) -> int:
        """How many requests had to be sent again."""
        return self.unanswered + self.unavailable


class Shop:
    """Where the customers find the server; while it is shut, they wait."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.url = ""

    def open(self, url: str) -> None:
        """Let them in."""
        self.url = url
        self.is_open.set()

    def shut(self) -> None:
        """Let nobody in; who is in stays."""
        self.is_open.clear()


class Customer:
    """Makes, confirms and closes one order after another."""

    def __init__(self, shop: Shop, ledger: Ledger, client: httpx.AsyncClient, tenant: str) -> None:
        self._shop = shop
        self._ledger = ledger
        self._client = client
        self._tenant = tenant

    async def order(self, number: int) -> None:
        """One order, from its making to its end."""
        draft = await self._keyed(201, "/orders", f"make-{number}")
        await self._confirm(draft["id"], number)
        closed = await self._keyed(200, f"/orders/{draft['id']}/close", f"close-{number}")
        assert (closed["id"], closed["status"], closed["version"]) == (draft["id"], "closed", 3)

    async def _keyed(self, status: int, path: str, key: str) -> Any:
        answer, _ = await self._ask("POST", path, headers={"Idempotency-Key": key})
        assert answer.status_code == status, answer.text
        self._ledger.kept[Keyed(self._tenant, path, key)] = answer.content
        return self._note(answer)

    async def _confirm(self, order: str, total: int) -> None:
        path = f"/orders/{order}"
        answer, times = await self._ask(
            "PATCH", f"{path}/confirm", json={"totalCents": total}, headers={"If-Match": '"1"'}
        )
        if answer.status_code == 412 and times > 1:  # one of them got through, and its answer did not
            self._ledger.overtaken += 1
            answer, _ = await self._ask("GET", path)
        assert answer.status_code == 200, answer.text
        confirmed = self._note(answer)
        assert (confirmed["id"], confirmed["totalCents"], confirmed["version"]) == (order, total, 2)

    def _note(self, answer: httpx.Response) -> Any:
        order = answer.json()
        self._ledger.told[Version(self._tenant, order["id"], order["version"])] = order
        return order

    async def _ask(self, method: str, path: str, **content: Any) -> tuple[httpx.Response, int]:
        """The answer, and how many times it was asked for. Raises TimeoutError where it takes too long."""
        async with asyncio.timeout(PATIENCE):
            times = 1
            while (answer := await self._try(method, path, **content)) is None:
                await asyncio.sleep(PAUSE)
                times += 1
            return answer, times

    async def _try(self, method: str, path: str, **content: Any) -> httpx.Response | None:
        headers = {"X-Tenant-Id": self._tenant, **content.pop("headers", {})}
        await self._shop.is_open.wait()
        started = time.monotonic()
        try:
            answer = await self._client.request(method, f"{self._shop.url}{path}", headers=headers, **content)
        except httpx.TransportError:
            self._ledger.unanswered += 1
            return None
        if answer.status_code == 503:
            self._ledger.unavailable += 1
            return None
        self._ledger.seconds.append(time.monotonic() - started)
        return answer


@asynccontextmanager
async def ordering(shop: Shop, ledger: Ledger) -> AsyncIterator[None]:
    """Customers at work while a block lasts; at its end each brings its order to an end."""
    ended, numbers = asyncio.Event(), count(1)

    async def order(customer: Customer) -> None:
        while not ended.is_set():
            await customer.order(next(numbers))

    async with httpx.AsyncClient(timeout=10) as client, asyncio.TaskGroup() as group:
        for number in range(CUSTOMERS):
            group.create_task(order(Customer(shop, ledger, client, TENANTS[number % len(TENANTS)])))
        yield
        ended.set()


async def assert_whole(url: str, ledger: Ledger) -> None:
    """Each order has its events, from its first version to its last, and what was told is what they say.

    It may be asked at any moment, also while customers order.
    """
    told = dict(ledger.told)
    session = await asyncpg.connect(url)
    try:
        async with session.transaction(isolation="repeatable_read", readonly=True):
            orders = await session.fetch("SELECT tenant_id, id::text, version FROM orders")
            events = await session.fetch(
                "SELECT tenant_id, aggregateid, aggregateversion, payload FROM outbox "
                "WHERE aggregatetype = 'order' ORDER BY seq"
            )
    finally:
        await session.close()
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for tenant, order, version, _ in events:
        versions[tenant, order].append(version)
    assert versions == {(tenant, order): list(range(1, last + 1)) for tenant, order, last in orders}
    written = {Version(*version): orjson.loads(payload) for *version, payload in events}
    assert told == {version: written.get(version) for version in told}


def assert_in_order(events: Iterable[Version]) -> None:
    """Of each order one version after another, from the first."""
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for tenant, order, version in events:
        versions[tenant, order].append(version)
    assert versions == {order: list(range(1, len(found) + 1)) for order, found in versions.items()}


async def assert_one_for_each_key(shop: Shop, database_url: str, ledger: Ledger) -> None:
    """Every key gets once more what it was answered first, and there are no more orders than keys that made one."""
    left = list(ledger.kept.items())

    async def ask_again(client: httpx.AsyncClient) -> None:
        while left:
            (tenant, path, key), first = left.pop()
            answer = await client.post(path, headers={"X-Tenant-Id": tenant, "Idempotency-Key": key})
            assert (answer.content, answer.headers.get("idempotency-replayed")) == (first, "true")

    async with httpx.AsyncClient(base_url=shop.url, timeout=10) as client, asyncio.TaskGroup() as group:
        for _ in range(CUSTOMERS):
            group.create_task(ask_again(client))
    session = await asyncpg.connect(database_url)
    made = sum(path == "/orders" for _, path, _ in ledger.kept)
    assert await session.fetchval("SELECT count(*) FROM orders") == made
    await session.close()
    await assert_whole(database_url, ledger)
