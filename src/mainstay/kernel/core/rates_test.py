from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.kernel.core.rates import GROUPS, MemoryWindow, Rate, Taken, parse_rates

UNITS = {"second": 1, "minute": 60, "hour": 3600}
RATES = st.dictionaries(
    st.sampled_from(GROUPS), st.tuples(st.integers(1, 99_999), st.sampled_from(sorted(UNITS))), min_size=1
)


class Clock:
    """Seconds, which the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@given(RATES, st.sampled_from(["", " "]))
def test_what_is_written_is_read(rates: dict[str, tuple[int, str]], space: str) -> None:
    text = f",{space}".join(f"{group}={amount}/{unit}" for group, (amount, unit) in rates.items())
    expected = {group: Rate(amount, UNITS[unit]) for group, (amount, unit) in rates.items()}
    assert parse_rates(text) == expected


@given(st.text("authredwi=0159/,nmscouh ", max_size=40) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rates = parse_rates(text)
    except ValueError:
        return
    assert set(rates) <= set(GROUPS)
    assert rates or text.strip() == "none"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "none,read=1/second",
        "read=1/second,",
        "read=1/second,read=1/second",
        "read=1/second;write=1/second",
        "read=0/second",
        "read=01/second",
        "read=-1/second",
        "read=1.5/second",
        "read=100000/second",
        "read=\u0661/second",
        "read=1/day",
        "read=1/Minute",
        "read=1 / minute",
        "Read=1/minute",
        "hunter2=1/minute",
        "read:1/minute",
        "read=1",
    ],
)
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as read=600/minute") as raised:
        parse_rates(text)
    assert "hunter2" not in str(raised.value)


def test_none_is_no_limit() -> None:
    assert parse_rates(" none ") == {}


async def test_there_is_room_for_the_amount_and_then_when_the_first_has_left(clock: Clock) -> None:
    take = MemoryWindow(Rate(2, 60), clock).take
    assert await take("ada") == Taken(True, 1, 60)
    clock.now += 15
    assert await take("ada") == Taken(True, 0, 45)
    clock.now += 44
    assert await take("ada") == Taken(False, 0, 1)
    clock.now += 1
    assert await take("ada") == Taken(True, 0, 15)
    clock.now += 14
    assert await take("ada") == Taken(False, 0, 1)


async def test_who_is_refused_is_not_counted(clock: Clock) -> None:
    take = MemoryWindow(Rate(1, 10), clock).take
    await take("ada")
    for _ in range(9):
        clock.now += 1
        assert not (await take("ada")).allowed
    clock.now += 1
    assert (await take("ada")).allowed


async def test_everybody_has_a_window_of_their_own(clock: Clock) -> None:
    take = MemoryWindow(Rate(1, 10), clock).take
    found = [(await take(caller)).allowed for caller in ("ada", "bob", "ada", "Ada")]
    assert found == [True, True, False, True]


async def test_two_windows_count_apart(clock: Clock) -> None:
    first, second = MemoryWindow(Rate(1, 10), clock), MemoryWindow(Rate(1, 10), clock)
    assert (await first.take("ada")).allowed
    assert (await second.take("ada")).allowed


async def test_who_does_not_come_any_more_is_forgotten_who_does_is_not(clock: Clock) -> None:
    window = MemoryWindow(Rate(2, 10), clock)
    for number in range(1000):
        await window.take(f"caller {number}")
    clock.now += 5
    await window.take("caller 0")
    clock.now += 5
    await window.take("another")
    assert list(window._times) == ["caller 0", "another"]
    assert (await window.take("caller 0")).remaining == 0


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6)), max_size=60))
async def test_never_more_than_the_amount_in_any_window_and_never_fewer(
    amount: int, calls: list[tuple[str, int]]
) -> None:
    clock = Clock()
    take = MemoryWindow(Rate(amount, 10), clock).take
    counted: dict[str, deque[float]] = {"a": deque(), "b": deque()}
    for caller, pause in calls:
        clock.now += pause
        inside = [at for at in counted[caller] if at > clock.now - 10]
        taken = await take(caller)
        assert taken.allowed == (len(inside) < amount)
        if taken.allowed:
            counted[caller].append(clock.now)
            inside.append(clock.now)
        assert taken == Taken(taken.allowed, amount - len(inside), inside[0] + 10 - clock.now)
