"""Turns. Connections on loan need a server: tests/integration/kernel/lease_test.py."""

import asyncio

import pytest

from mainstay.kernel.db.lease import Turns


async def waiting(turns: Turns, number: int, order: list[int]) -> None:
    await turns.wait()
    order.append(number)


async def queue(turns: Turns, order: list[int], length: int) -> list[asyncio.Task[None]]:
    """So many who wait, each of whom has begun to."""
    tasks = [asyncio.create_task(waiting(turns, number, order)) for number in range(length)]
    await asyncio.sleep(0)
    return tasks


def free(turns: Turns) -> int:
    """How many are free; all of them are taken by it."""
    taken = 0
    while turns.take():
        taken += 1
    return taken


async def test_there_are_as_many_as_there_are_and_those_given_back() -> None:
    turns = Turns(2)
    assert [turns.take() for _ in range(3)] == [True, True, False]
    turns.give_back()
    assert free(turns) == 1


async def test_who_came_first_is_first_and_nobody_goes_before_who_waits() -> None:
    turns, order = Turns(1), list[int]()
    turns.take()
    tasks = await queue(turns, order, 3)
    for _ in tasks:
        turns.give_back()
        assert not turns.take()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2]


async def test_who_waits_where_one_is_free_does_not_wait() -> None:
    turns = Turns(1)
    await asyncio.wait_for(turns.wait(), 5)
    assert not turns.take()


async def test_the_turn_of_who_has_gone_is_the_next_ones() -> None:
    turns, order = Turns(1), list[int]()
    turns.take()
    tasks = await queue(turns, order, 3)
    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.sleep(0)
    turns.give_back()
    await tasks[2]
    assert order == [2]


@pytest.mark.parametrize("others", [0, 1])
async def test_a_turn_that_comes_to_who_is_just_going_is_not_lost(others: int) -> None:
    turns, order = Turns(1), list[int]()
    turns.take()
    first, *rest = await queue(turns, order, 1 + others)
    turns.give_back()  # it is the first one's, who does not know yet
    first.cancel()
    await asyncio.gather(first, *rest, return_exceptions=True)
    assert first.cancelled()
    assert order == [1][:others]
    assert free(turns) == 1 - others


async def test_nothing_is_left_of_many_who_have_gone() -> None:
    turns = Turns(1)
    turns.take()
    tasks = await queue(turns, [], 50)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    turns.give_back()
    assert free(turns) == 1
