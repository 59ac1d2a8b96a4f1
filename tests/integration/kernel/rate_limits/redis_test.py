"""Windows in a real Redis: one budget for all, and what becomes of it when Redis goes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from mainstay.kernel.core.rates import CountsAway, Rate, Take
from mainstay.kernel.http.redis_windows import PAUSE_SECONDS, SECONDS, RedisWindows

Windows = Callable[..., RedisWindows]
Eventually = Callable[..., Awaitable[Any]]


@pytest.fixture
async def beside(redis: Any) -> AsyncIterator[Redis]:
    """Somebody who looks into it."""
    async with Redis(port=redis.port, decode_responses=True) as beside:
        yield beside


async def key_of(beside: Redis) -> str:
    (key,) = await beside.keys("*")
    return str(key)


async def grow_old(beside: Redis, seconds: float) -> None:
    """Make all that was counted so much older."""
    for key in await beside.keys("*"):
        times = await beside.lrange(key, 0, -1)
        for index, at in enumerate(times):
            await beside.lset(key, index, str(int(at) - int(seconds * 1_000_000)))


async def count(take: Take, times: int, caller: str = "ada") -> list[bool]:
    return [(await take(caller)).allowed for _ in range(times)]


async def test_there_is_room_for_the_amount_and_then_when_the_first_has_left(windows: Windows, beside: Redis) -> None:
    take = windows().open("read", Rate(2, 60))
    first, second = await take("ada"), await take("ada")
    assert (first.allowed, first.remaining, round(first.wait, 3)) == (True, 1, 60)
    assert (second.allowed, second.remaining) == (True, 0)
    await grow_old(beside, 40)
    third = await take("ada")
    assert (third.allowed, third.remaining) == (False, 0)
    assert 0 < third.wait <= 20
    await grow_old(beside, 20)
    assert await count(take, 3) == [True, True, False]


async def test_what_is_too_old_leaves_one_by_one(windows: Windows, beside: Redis) -> None:
    take = windows().open("read", Rate(3, 60))
    await take("ada")
    await grow_old(beside, 50)
    await take("ada")
    await grow_old(beside, 10)
    assert (await take("ada")).remaining == 1
    assert await beside.llen(await key_of(beside)) == 2


async def test_who_is_refused_is_not_counted(windows: Windows, beside: Redis) -> None:
    take = windows().open("read", Rate(1, 60))
    assert await count(take, 5) == [True, False, False, False, False]
    assert await beside.llen(await key_of(beside)) == 1


async def test_what_nobody_adds_to_goes_by_itself(windows: Windows, beside: Redis) -> None:
    await windows().open("read", Rate(5, 60))("ada")
    assert 0 < await beside.ttl(await key_of(beside)) <= 60


async def test_of_all_at_once_in_two_processes_exactly_the_amount_gets_in(windows: Windows) -> None:
    takes = [windows().open("read", Rate(60, 3600)) for _ in range(2)]
    found = await asyncio.gather(*(takes[number % 2]("ada") for number in range(200)))
    assert sum(taken.allowed for taken in found) == 60
    assert sorted(taken.remaining for taken in found if taken.allowed) == list(range(60))


async def test_callers_groups_and_programs_count_apart(windows: Windows) -> None:
    rate = Rate(1, 60)
    one, other = windows(), windows(prefix="other")
    windows_of_all = [one.open("read", rate), one.open("write", rate), other.open("read", rate)]
    for take in windows_of_all:
        assert [await count(take, 2, caller) for caller in ("ada", "bob")] == [[True, False]] * 2


async def test_redis_is_told_nobody(windows: Windows, beside: Redis) -> None:
    for secret in (b"s" * 32, b"another" * 8):
        await windows(secret=secret).open("sign-in:60", Rate(1, 60))("address 10.9.8.7")
    keys = [str(key) for key in await beside.keys("*")]
    assert len(keys) == 2  # who has the one secret cannot tell what the other one's hashes stand for
    assert all(key.startswith("mainstay:rate:sign-in:60:") and "10.9" not in key for key in keys)


async def test_a_redis_that_has_forgotten_the_script_is_given_it_again(windows: Windows, beside: Redis) -> None:
    take = windows().open("read", Rate(2, 60))
    await take("ada")
    await beside.script_flush()
    assert await count(take, 2) == [True, False]


# Away


async def refused(take: Take) -> float:
    """How many seconds it took to say that nobody can say."""
    begun = time.monotonic()
    with pytest.raises(CountsAway):
        await take("ada")
    return time.monotonic() - begun


async def test_one_that_is_gone_is_not_waited_for_and_found_again(
    windows: Windows, redis: Any, eventually: Eventually
) -> None:
    take = windows().open("read", Rate(2, 60))
    await take("ada")
    redis.kill()
    assert await refused(take) < 5
    redis.start()

    async def back() -> bool:
        try:
            await take("ada")
        except CountsAway:
            return False
        return True

    await eventually(back)
    assert await count(take, 2) == [True, False]  # it kept nothing on a disk


async def test_one_that_hangs_costs_its_time_once_not_every_request(windows: Windows, redis: Any) -> None:
    take = windows(seconds=SECONDS).open("read", Rate(2, 60))
    redis.freeze()
    try:
        first = await refused(take)
        begun = time.monotonic()
        others = [await refused(take) for _ in range(50)]
        whole = time.monotonic() - begun
    finally:
        redis.thaw()
    assert SECONDS * 0.9 < first < 2
    # 50 time-outs are 5 s; one more comes with every second that a busy machine takes over it
    assert sum(seconds > SECONDS / 2 for seconds in others) <= 1 + whole / PAUSE_SECONDS


async def test_one_that_hung_is_found_again(windows: Windows, redis: Any, eventually: Eventually) -> None:
    take = windows(seconds=0.3).open("read", Rate(1, 3600))
    redis.freeze()
    try:
        await refused(take)
    finally:
        redis.thaw()

    async def counts() -> bool:
        try:
            return not (await take("bob")).allowed
        except CountsAway:
            return False

    await eventually(counts)


async def test_those_that_ask_while_it_hangs_do_not_mix_up_answers(
    windows: Windows, redis: Any, eventually: Eventually
) -> None:
    """A connection that was given up in the middle of an answer is not used again."""
    take = windows(seconds=0.3).open("read", Rate(50, 3600))
    await take("ada")
    redis.freeze()
    try:
        await asyncio.gather(*(take("bob") for _ in range(20)), return_exceptions=True)
    finally:
        redis.thaw()

    async def answered() -> int:
        try:
            return (await take("ada")).remaining
        except CountsAway:
            return 0

    assert await eventually(answered) == 48


@pytest.mark.parametrize("seconds", [SECONDS, 1])
async def test_an_address_where_nobody_listens(redis: Any, seconds: float) -> None:
    redis.kill()
    windows = RedisWindows(f"redis://user:hunter2@127.0.0.1:{redis.port}", "mainstay", b"s", seconds=seconds)
    with pytest.raises(CountsAway) as raised:
        await windows.open("read", Rate(1, 60))("ada")
    assert "hunter2" not in str(raised.value)
    await windows.aclose()


async def test_an_answer_that_is_an_error_is_no_count(windows: Windows, beside: Redis) -> None:
    take = windows().open("read", Rate(1, 60))
    await take("ada")
    await beside.set(await key_of(beside), "no list")
    assert await refused(take) < 5
