"""Sixteen threads at once, each with an event loop and (where there are any) connections of its own."""

import asyncio
import functools
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from queue import SimpleQueue
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from mainstay.kernel.core.unit import Key, KeyTaken, LostRace, Reply
from mainstay.services.pets.domain import Pet
from mainstay.services.pets.repository import pet_item

if TYPE_CHECKING:
    from tests.contract.pets.conftest import Open, Pets

THREADS = 16
ROUNDS = 2
LATER = datetime(2026, 2, 3, tzinfo=UTC)
KEY = Key(tenant="", scope="POST /pets", value="k", fingerprint=b"\x01" * 32)
CONNECTED_SECONDS = 30
DONE_SECONDS = 50
"""Less than a test may take, so that a thread that hangs fails its test and no other."""
T = TypeVar("T")
Job = tuple[Future[Any], Coroutine[Any, Any, Any]]


@functools.cache
def crew() -> SimpleQueue[Job]:
    """What the threads take their jobs from. They are made once, and none ends before the process does.

    When a thread ends, greenlet has the main thread drop what it kept for it, and coverage hears of that through a weak
    reference. Python 3.11, while it is traced, never leaves that call if another thread ends meanwhile: a pool of
    sixteen, whose threads end together, hung the run now and then.
    """
    jobs: SimpleQueue[Job] = SimpleQueue()
    for _ in range(THREADS):
        Thread(target=work_off, args=(jobs,), daemon=True).start()
    return jobs


def work_off(jobs: SimpleQueue[Job]) -> None:
    """Do what comes, each job in an event loop of its own."""
    while True:
        future, job = jobs.get()
        try:
            future.set_result(asyncio.run(job))
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)


def in_threads(opened: "Open", work: "Callable[[Pets, int], Awaitable[T]]") -> list[T]:
    """What each thread's work came to. None begins before all are there: so nobody has two jobs."""
    barrier = Barrier(THREADS)

    async def run(number: int) -> T:
        async with opened() as pets:
            barrier.wait(CONNECTED_SECONDS)
            with giving_way():
                return await work(pets, number)

    futures: list[Future[T]] = [Future() for _ in range(THREADS)]
    for number, future in enumerate(futures):
        crew().put((future, run(number)))
    return [future.result(DONE_SECONDS) for future in futures]


@contextmanager
def giving_way() -> Iterator[None]:
    """Let others go first at every call and return: else a write in memory ends before Python lets another run."""
    sys.setprofile(lambda *_: time.sleep(0))
    try:
        yield
    finally:
        sys.setprofile(None)


def alone(opened: "Open", work: "Callable[[Pets], Awaitable[T]]") -> T:
    """What the work comes to in this thread."""

    async def run() -> T:
        async with opened() as pets:
            return await work(pets)

    return asyncio.run(run())


async def won(write: Awaitable[None]) -> bool:
    """Whether a write was the one that got through."""
    try:
        await write
    except (LostRace, KeyTaken):
        return False
    return True


def test_of_all_who_save_one_version_one_wins(opened: "Open") -> None:
    pet = alone(opened, lambda pets: pets.stored())
    wins = in_threads(opened, lambda pets, number: won(pets.save(pet.change({"age_years": number}, LATER))))
    stored = alone(opened, lambda pets: pets.repository.get(pet.id))
    assert wins.count(True) == 1
    assert (stored.version, stored.age_years) == (2, wins.index(True))


def test_of_all_who_remove_a_pet_one_wins(opened: "Open") -> None:
    pet = alone(opened, lambda pets: pets.stored())
    wins = in_threads(opened, lambda pets, _: won(pets.remove(pet)))
    assert wins.count(True) == 1
    assert alone(opened, lambda pets: pets.ids()) == []


def test_all_who_try_again_get_through_and_no_version_is_lost_or_doubled(opened: "Open") -> None:
    pet_id = alone(opened, lambda pets: pets.stored()).id

    async def change(pets: "Pets", number: int) -> list[Pet]:
        written: list[Pet] = []
        while len(written) < ROUNDS:
            changed = (await pets.repository.get(pet_id)).change({"name": f"{number}.{len(written)}"}, LATER)
            if await won(pets.save(changed)):
                written.append(changed)
        return written

    written = sorted(chain(*in_threads(opened, change)), key=lambda pet: pet.version)
    assert [pet.version for pet in written] == list(range(2, THREADS * ROUNDS + 2))
    assert len({pet.name for pet in written}) == THREADS * ROUNDS
    assert alone(opened, lambda pets: pets.repository.get(pet_id)) == written[-1]


def test_all_who_add_have_ids_of_their_own_and_all_pets_are_there(opened: "Open") -> None:
    async def add(pets: "Pets", number: int) -> list[Pet]:
        return await pets.named(*[str(number)] * ROUNDS)

    added = sorted(chain(*in_threads(opened, add)), key=lambda pet: (pet.name, pet.id))
    page = alone(opened, lambda pets: pets.page(limit=200))
    assert list(page.items) == [pet_item(pet) for pet in added]
    assert page.total == len({pet.id for pet in added}) == THREADS * ROUNDS


def test_of_all_who_use_one_key_one_adds_its_pet(opened: "Open") -> None:
    async def add(pets: "Pets", number: int) -> bool:
        return await won(pets.add(await pets.new(name=str(number)), KEY, Reply(201, b"%d" % number)))

    wins = in_threads(opened, add)
    page = alone(opened, lambda pets: pets.page())
    assert wins.count(True) == 1
    assert [pet["name"] for pet in page.items] == [str(wins.index(True))]
    assert alone(opened, lambda pets: pets.first(KEY)) == Reply(201, b"%d" % wins.index(True))
