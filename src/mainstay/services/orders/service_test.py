from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from mainstay.kernel.core.errors import PreconditionFailed
from mainstay.kernel.core.etag import ANY_VERSION, TagList
from mainstay.kernel.core.memory import MemoryStore, MemoryUnit
from mainstay.kernel.core.unit import LostRace, Reply
from mainstay.services.orders import service
from mainstay.services.orders.domain import InvalidState, Order, OrderNotFound
from mainstay.services.orders.repository import OrderRepository
from mainstay.services.orders.service import OrderService

REPLY = Reply(200, b"")
FIRST, SECOND, THIRD = (TagList.parse(f'"{version}"') for version in (1, 2, 3))
START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

Call = Callable[[OrderService, str, UUID, TagList], Awaitable[Order]]


class Orders(MemoryStore):
    """What is kept."""

    def __init__(self) -> None:
        super().__init__(keep_keys=60)
        self.by_key: dict[tuple[str, UUID], Order] = {}

    def put(self, order: Order, version_before: int | None) -> None:
        stored = self.by_key.get((order.tenant_id, order.id))
        if (stored and stored.version) != version_before:
            raise LostRace
        self.by_key[order.tenant_id, order.id] = order


class FakeOrderRepository(OrderRepository):
    """The least that a service can be tried on."""

    def __init__(self, store: Orders, unit: MemoryUnit) -> None:
        self._store = store
        self._memory = unit

    async def get(self, tenant_id: str, order_id: UUID) -> Order:
        if (tenant_id, order_id) not in self._store.by_key:
            raise OrderNotFound(id=order_id)
        return self._store.by_key[tenant_id, order_id]

    def add(self, order: Order) -> None:
        self._memory.write(lambda: self._store.put(order, None))

    def save(self, order: Order) -> None:
        self._memory.write(lambda: self._store.put(order, order.version - 1))


class Work:
    """One request's service, and the unit that it fills."""

    def __init__(self, store: Orders) -> None:
        self.unit = MemoryUnit(store)
        self.orders = FakeOrderRepository(store, self.unit)
        self.service = OrderService(self.orders, self.unit)

    @property
    def told(self) -> list[tuple[str, str, int]]:
        return [(event.type, event.tenant, event.aggregate_version) for event in self.unit.events]


@pytest.fixture
def store() -> Orders:
    return Orders()


@pytest.fixture
def work(store: Orders) -> Work:
    return Work(store)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change is a second after the one before."""
    times = iter(START + timedelta(seconds=second) for second in range(100))
    monkeypatch.setattr(service, "now", lambda: next(times))


async def draft(store: Orders) -> Order:
    """A draft that is stored."""
    work = Work(store)
    order = await work.service.create("tenant-1")
    await work.unit.commit(REPLY, None)
    return order


async def confirmed(store: Orders) -> Order:
    """A confirmed order that is stored."""
    work, order = Work(store), await draft(store)
    order = await work.service.confirm("tenant-1", order.id, FIRST, 5000)
    await work.unit.commit(REPLY, None)
    return order


async def confirm(orders: OrderService, tenant_id: str, order_id: UUID, if_match: TagList) -> Order:
    return await orders.confirm(tenant_id, order_id, if_match, 5000)


async def close(orders: OrderService, tenant_id: str, order_id: UUID, if_match: TagList) -> Order:
    return await orders.close(tenant_id, order_id, if_match)


WRITES = pytest.mark.parametrize("write", [confirm, close])


async def test_a_new_order_is_a_draft_of_its_tenant_and_told_of(store: Orders, work: Work) -> None:
    order = await work.service.create("tenant-1")
    assert (order.tenant_id, order.status, order.version, order.created_at) == ("tenant-1", "draft", 1, START)
    assert order.id.version == 7
    assert work.told == [("order.created", "tenant-1", 1)]
    assert store.by_key == {}  # until the commit
    await work.unit.commit(REPLY, None)
    assert store.by_key == {("tenant-1", order.id): order}


async def test_each_new_order_has_an_id_of_its_own(store: Orders) -> None:
    assert len({(await draft(store)).id for _ in range(3)}) == 3


async def test_the_time_of_an_order_is_now(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    before = datetime.now(UTC)
    order = await work.service.create("tenant-1")
    assert before <= order.created_at <= datetime.now(UTC)
    assert order.created_at.tzinfo is UTC


@pytest.mark.parametrize("if_match", [ANY_VERSION, FIRST, TagList.parse('"9", W/"1"')])
async def test_a_confirmed_order_has_its_total_and_is_told_of(store: Orders, work: Work, if_match: TagList) -> None:
    order = await draft(store)
    changed = await work.service.confirm("tenant-1", order.id, if_match, 5000)
    assert changed == order.confirm(5000, START + timedelta(seconds=1))
    assert work.told == [("order.confirmed", "tenant-1", 2)]
    await work.unit.commit(REPLY, None)
    assert store.by_key["tenant-1", order.id] == changed


@pytest.mark.parametrize("if_match", [ANY_VERSION, SECOND])
async def test_a_closed_order_is_told_of(store: Orders, work: Work, if_match: TagList) -> None:
    order = await confirmed(store)
    closed = await work.service.close("tenant-1", order.id, if_match)
    assert closed == order.close(START + timedelta(seconds=2))
    assert work.told == [("order.closed", "tenant-1", 3)]
    await work.unit.commit(REPLY, None)
    assert store.by_key["tenant-1", order.id] == closed


@pytest.mark.parametrize("if_match", [ANY_VERSION, THIRD])
async def test_a_second_close_answers_the_same_and_tells_nothing(store: Orders, work: Work, if_match: TagList) -> None:
    order = await confirmed(store)
    closed = await work.service.close("tenant-1", order.id, ANY_VERSION)
    await work.unit.commit(REPLY, None)
    again = Work(store)
    assert await again.service.close("tenant-1", order.id, if_match) == closed
    assert again.told == []
    await again.unit.commit(REPLY, None)
    assert store.by_key["tenant-1", order.id] == closed


@pytest.mark.parametrize("make", [confirmed, None], ids=["confirmed", "closed"])
async def test_what_is_no_draft_is_not_confirmed(
    store: Orders, work: Work, make: Callable[[Orders], Awaitable[Order]] | None
) -> None:
    order = await confirmed(store)
    if make is None:
        closing = Work(store)
        order = await closing.service.close("tenant-1", order.id, ANY_VERSION)
        await closing.unit.commit(REPLY, None)
    with pytest.raises(InvalidState) as raised:
        await confirm(work.service, "tenant-1", order.id, ANY_VERSION)
    assert raised.value.details == {"status": order.status}
    assert work.told == []


async def test_a_draft_is_not_closed(store: Orders, work: Work) -> None:
    order = await draft(store)
    with pytest.raises(InvalidState):
        await close(work.service, "tenant-1", order.id, ANY_VERSION)
    assert work.told == []


@WRITES
async def test_an_order_of_nobody_or_of_another_tenant_is_not_there(store: Orders, work: Work, write: Call) -> None:
    order = await draft(store)
    for tenant_id, order_id in (("tenant-1", uuid4()), ("tenant-2", order.id)):
        with pytest.raises(OrderNotFound) as raised:
            await write(work.service, tenant_id, order_id, THIRD)
        assert raised.value.details == {"id": order_id}
    assert work.told == []


@WRITES
async def test_a_stale_version_is_found_before_the_wrong_state(store: Orders, work: Work, write: Call) -> None:
    order = await (confirmed if write is confirm else draft)(store)
    with pytest.raises(PreconditionFailed) as raised:
        await write(work.service, "tenant-1", order.id, THIRD)
    assert raised.value.etag == f'"{order.version}"'
    assert work.told == []


async def test_of_two_who_confirm_one_version_the_later_commit_loses(store: Orders) -> None:
    order = await draft(store)
    winner, loser = Work(store), Work(store)
    for work, total in ((winner, 1), (loser, 2)):
        await work.service.confirm("tenant-1", order.id, FIRST, total)
    await winner.unit.commit(REPLY, None)
    with pytest.raises(LostRace):
        await loser.unit.commit(REPLY, None)
    assert store.by_key["tenant-1", order.id].total_cents == 1
