import asyncio
from collections.abc import Sequence

import pytest

from mainstay.kernel.core.errors import Unavailable
from mainstay.services.configs import loader as module
from mainstay.services.configs.domain import Application, Representation
from mainstay.services.configs.loader import QUERIES, Loader


class Stored:
    """Applications by their ids, each query held until it may answer."""

    def __init__(self) -> None:
        self.names = {"a": "one", "b": "two"}
        self.queries: list[Sequence[str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    async def find(self, ids: Sequence[str]) -> Sequence[Application]:
        self.queries.append(ids)
        found = [Application(id_, self.names[id_], None, ()) for id_ in reversed(ids) if id_ in self.names]
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return found


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def loader(stored: Stored) -> Loader:
    return Loader(stored.find)


def shown(resource_id: str, name: str) -> Representation:
    return Representation.of(Application(resource_id, name, None, ()))


async def begun(stored: Stored, number: int) -> None:
    """Wait until so many queries are under way or over."""
    while len(stored.queries) < number:
        await asyncio.sleep(0)


async def test_those_who_come_together_share_a_query(loader: Loader, stored: Stored) -> None:
    found = await asyncio.gather(*(loader.find(resource_id) for resource_id in ("a", "b", "a")))
    assert found == [shown("a", "one"), shown("b", "two"), shown("a", "one")]
    assert stored.queries == [["a", "b"]]


async def test_one_by_one_each_has_a_query(loader: Loader, stored: Stored) -> None:
    for _ in range(3):
        await loader.find("a")
    assert stored.queries == [["a"]] * 3


async def test_what_is_not_there_is_not_found_and_the_others_are(loader: Loader) -> None:
    assert list(await asyncio.gather(loader.find("a"), loader.find("x"))) == [shown("a", "one"), None]


async def test_who_comes_during_a_query_is_shown_what_a_later_one_finds(loader: Loader, stored: Stored) -> None:
    stored.may_answer.clear()
    first = [asyncio.create_task(loader.find("a"))]
    await begun(stored, 1)
    first.append(asyncio.create_task(loader.find("a")))
    await begun(stored, QUERIES)
    stored.names["a"] = "changed"
    later = [asyncio.create_task(loader.find("a")) for _ in range(10)]
    await asyncio.sleep(0)
    stored.may_answer.set()
    assert await asyncio.gather(*first) == [shown("a", "one")] * 2
    assert await asyncio.gather(*later) == [shown("a", "changed")] * 10
    assert len(stored.queries) == QUERIES + 1


async def test_there_are_never_more_queries_than_that_at_once(loader: Loader, stored: Stored) -> None:
    stored.may_answer.clear()
    readers = []
    for number in range(10):
        readers.append(asyncio.create_task(loader.find("a")))
        await begun(stored, min(number + 1, QUERIES))
    assert len(stored.queries) == QUERIES
    stored.may_answer.set()
    await asyncio.gather(*readers)


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError()])
async def test_a_query_that_fails_fails_those_who_asked_and_nobody_after_them(
    loader: Loader, stored: Stored, error: Exception
) -> None:
    stored.error = error
    outcomes = await asyncio.gather(loader.find("a"), loader.find("b"), return_exceptions=True)
    assert list(outcomes) == [error, error]
    stored.error = None
    assert await loader.find("a") == shown("a", "one")


async def test_the_wait_for_a_query_has_an_end(loader: Loader, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_SECONDS", 0.01)
    stored.may_answer.clear()
    first = []
    for number in range(QUERIES):
        first.append(asyncio.create_task(loader.find("a")))
        await begun(stored, number + 1)
    with pytest.raises(Unavailable):
        await loader.find("a")
    stored.may_answer.set()
    assert await asyncio.gather(*first) == [shown("a", "one")] * QUERIES
    assert await loader.find("b") == shown("b", "two")


async def test_who_leaves_takes_nobody_along(loader: Loader, stored: Stored) -> None:
    stored.may_answer.clear()
    leaving, staying = (asyncio.create_task(loader.find("a")) for _ in range(2))
    await begun(stored, 1)
    leaving.cancel()
    stored.may_answer.set()
    assert await staying == shown("a", "one")
    assert leaving.cancelled()
