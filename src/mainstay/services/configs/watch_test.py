import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.core.etag import TagList
from mainstay.services.configs import watch as module
from mainstay.services.configs.domain import Application, ApplicationNotFound, Representation
from mainstay.services.configs.watch import Listener, Watch

ID = "01JCZ5W1XJ8T3S6V9Q4N2M7KRA"
LONG = 30.0


class Stored:
    """What there is, and how often it was read."""

    def __init__(self) -> None:
        self.reads = 0
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.name = "one"

    @property
    def now(self) -> Representation:
        return Representation.of(Application(ID, self.name, None, ()))

    @property
    def known(self) -> TagList:
        return TagList.parse(f'"{self.now.tag}"')

    async def read(self, resource_id: str) -> Representation:
        assert resource_id == ID
        self.reads += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return self.now


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def watch(stored: Stored) -> Watch:
    watch = Watch(stored.read)
    watch.connected()
    return watch


@contextmanager
def waiting(watch: Watch, known: TagList, seconds: float = LONG) -> Iterator[asyncio.Task[Representation]]:
    """Somebody who waits."""
    task = asyncio.create_task(watch.changed(ID, known, seconds))
    yield task
    task.cancel()


async def settled() -> None:
    """Everything that can go on without news has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_knows_something_else_is_shown_what_is_there(watch: Watch, stored: Stored) -> None:
    assert await watch.changed(ID, TagList.parse('"other"'), LONG) == stored.now


async def test_who_knows_what_is_there_is_shown_the_change(watch: Watch, stored: Stored) -> None:
    with waiting(watch, stored.known) as waiter:
        await settled()
        assert not waiter.done()
        stored.name = "two"
        watch.heard(ID)
        assert await waiter == stored.now


async def test_news_of_others_or_of_nothing_new_wake_nobody(watch: Watch, stored: Stored) -> None:
    with waiting(watch, stored.known) as waiter:
        await settled()
        watch.heard("01JCZ5Y7Q2GDB5E0H8F3W6PXTC")
        watch.heard(ID)
        await settled()
        assert not waiter.done()
        assert stored.reads == 2


async def test_at_the_end_of_the_time_it_is_shown_as_it_is(watch: Watch, stored: Stored) -> None:
    assert await watch.changed(ID, stored.known, 0.01) == stored.now


async def test_many_are_shown_one_read(watch: Watch, stored: Stored) -> None:
    known = stored.known
    tasks = [asyncio.create_task(watch.changed(ID, known, LONG)) for _ in range(100)]
    await settled()
    read = stored.reads
    stored.name = "two"
    watch.heard(ID)
    assert await asyncio.gather(*tasks) == [stored.now] * 100
    assert stored.reads == read + 1


async def test_a_change_during_the_first_look_is_seen(watch: Watch, stored: Stored) -> None:
    stored.answers.clear()
    known = stored.known
    with waiting(watch, known) as waiter:
        await settled()
        watch.heard(ID)  # while the first read is under way
        stored.answers.set()
        await settled()
        assert stored.reads == 2
        stored.name = "two"
        watch.heard(ID)
        assert await waiter == stored.now


async def test_who_comes_while_nothing_is_heard_looks_for_himself(watch: Watch, stored: Stored) -> None:
    with waiting(watch, stored.known):
        await settled()
        watch.disconnected()
        read = stored.reads
        with waiting(watch, stored.known):
            await settled()
            assert stored.reads == read + 1


async def test_what_was_missed_meanwhile_is_looked_for_when_it_hears_again(watch: Watch, stored: Stored) -> None:
    with waiting(watch, stored.known) as waiter:
        await settled()
        watch.disconnected()
        stored.name = "two"
        watch.connected()
        assert await waiter == stored.now


@pytest.mark.parametrize("error", [ApplicationNotFound(), Unavailable()])
async def test_an_error_of_the_first_look_is_the_callers(watch: Watch, stored: Stored, error: Exception) -> None:
    stored.error = error
    with pytest.raises(type(error)):
        await watch.changed(ID, stored.known, LONG)


async def test_a_first_look_without_an_answer_has_an_end(
    watch: Watch, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    stored.answers.clear()
    with pytest.raises(Unavailable):
        await watch.changed(ID, stored.known, LONG)


async def test_who_waits_already_goes_on_waiting_through_errors(
    watch: Watch, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    with waiting(watch, stored.known) as waiter:
        await settled()
        stored.error = Unavailable()
        watch.heard(ID)
        await settled()
        assert not waiter.done()
        stored.error, stored.name = None, "two"
        assert await waiter == stored.now


async def test_the_end_sends_everybody_home(watch: Watch, stored: Stored) -> None:
    with waiting(watch, stored.known) as waiter:
        await settled()
        watch.end()
        assert await waiter == stored.now
    assert await watch.changed(ID, stored.known, LONG) == stored.now


async def test_nothing_is_left_of_those_who_went(watch: Watch, stored: Stored) -> None:
    with waiting(watch, stored.known):
        await settled()
    await settled()
    read = stored.reads
    watch.heard(ID)
    await settled()
    assert stored.reads == read
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_listener_without_a_database_tries_on_and_nobody_is_told_it_hears(
    stored: Stored, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch(stored.read)
    listening = asyncio.create_task(Listener("postgresql://u:secret@127.0.0.1:1/d", [watch]).run())
    async with asyncio.timeout(10):
        while len(caplog.records) < 2:
            await asyncio.sleep(0.01)
    listening.cancel()
    assert "not listening" in caplog.text
    assert "secret" not in caplog.text
    with waiting(watch, stored.known):
        await settled()
        with waiting(watch, stored.known):
            await settled()
            assert stored.reads == 2  # each for himself, as nothing is heard
