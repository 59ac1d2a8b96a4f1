import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread
from types import SimpleNamespace

import pytest

from mainstay.kernel.core import memory
from mainstay.kernel.core.memory import MemoryStore, MemoryUnit
from mainstay.kernel.core.unit import IdempotencyKeyReused, Key, KeyTaken, LostRace, Reply

KEY = Key(tenant="", scope="POST /pets", value="a", fingerprint=b"1")
REPLY = Reply(201, b"{}", '"1"', "/pets/1")
MET_SECONDS = 0.2
"""How long one change waits for another to run beside it. None may come, so that a slow machine harms nothing."""


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(keep_keys=60)


async def commit(store: MemoryStore, change: Callable[[], None] | None = None, key: Key | None = None) -> None:
    unit = MemoryUnit(store)
    if change is not None:
        unit.write(change)
    await unit.commit(REPLY, key)


def fail_with(error: Exception) -> Callable[[], None]:
    def change() -> None:
        raise error

    return change


async def test_the_change_runs_at_the_commit(store: MemoryStore) -> None:
    rows: list[int] = []
    unit = MemoryUnit(store)
    unit.write(lambda: rows.append(1))
    assert rows == []
    await unit.commit(REPLY, None)
    assert rows == [1]


def test_a_unit_writes_one_row(store: MemoryStore) -> None:
    unit = MemoryUnit(store)
    unit.write(lambda: None)
    with pytest.raises(RuntimeError):
        unit.write(lambda: None)


async def test_a_commit_of_nothing_does_nothing(store: MemoryStore) -> None:
    await commit(store)
    assert await MemoryUnit(store).first(KEY) is None


async def test_the_first_answer_is_kept_under_its_key(store: MemoryStore) -> None:
    await commit(store, key=KEY)
    assert await MemoryUnit(store).first(KEY) == REPLY


async def test_a_taken_key_undoes_the_whole(store: MemoryStore) -> None:
    rows: list[int] = []
    await commit(store, key=KEY)
    with pytest.raises(KeyTaken):
        await commit(store, lambda: rows.append(1), KEY)
    assert rows == []


@pytest.mark.parametrize("error", [LostRace(), ValueError()])
async def test_a_change_that_fails_leaves_its_key_free(store: MemoryStore, error: Exception) -> None:
    with pytest.raises(type(error)):
        await commit(store, fail_with(error), KEY)
    assert await MemoryUnit(store).first(KEY) is None


async def test_a_key_with_another_body_is_reused(store: MemoryStore) -> None:
    await commit(store, key=KEY)
    with pytest.raises(IdempotencyKeyReused):
        await MemoryUnit(store).first(Key(KEY.tenant, KEY.scope, KEY.value, b"2"))


@pytest.mark.parametrize(
    "other", [Key("t", "POST /pets", "a", b"1"), Key("", "POST /cats", "a", b"1"), Key("", "POST /pets", "b", b"1")]
)
async def test_a_key_holds_in_its_scope_alone(store: MemoryStore, other: Key) -> None:
    await commit(store, key=KEY)
    assert await MemoryUnit(store).first(other) is None
    await commit(store, key=other)


async def test_keys_are_forgotten_after_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: now))
    store = MemoryStore(keep_keys=60)
    await commit(store, key=KEY)
    now = 1059.0
    assert await MemoryUnit(store).first(KEY) == REPLY
    now = 1060.0
    assert await MemoryUnit(store).first(KEY) is None
    await commit(store, key=KEY)
    assert await MemoryUnit(store).first(KEY) == REPLY
    assert len(store._replies) == 1


async def test_the_store_does_not_grow_by_keys_whose_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: now))
    store = MemoryStore(keep_keys=60)
    for number in range(100):
        await commit(store, key=Key("", "POST /pets", str(number), b""))
        now += 20
    assert len(store._replies) <= 4


@pytest.mark.parametrize(("key", "commits"), [(None, [True, True]), (KEY, [False, True])])
def test_changes_run_one_after_another(store: MemoryStore, key: Key | None, commits: list[bool]) -> None:
    meeting = Barrier(2)
    met: list[int] = []
    ended: list[bool] = []

    def change() -> None:
        with suppress(BrokenBarrierError):
            met.append(meeting.wait(MET_SECONDS))

    def attempt() -> None:
        try:
            asyncio.run(commit(store, change, key))
        except KeyTaken:
            ended.append(False)
        else:
            ended.append(True)

    other = Thread(target=attempt)
    other.start()
    attempt()
    other.join()
    assert met == []
    assert sorted(ended) == commits
