"""How often something may be done: moving windows, and how they are written in a setting.

A moving window counts what was let through in the seconds before now: no moment is better than another to come at, as
there is where counts begin anew each minute. Who is refused is not counted, so waiting helps.
"""

import re
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast, get_args

Group = Literal["auth", "read", "write"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""What is counted apart: operations that try or cost a password, other reads, other writes."""

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
# Five digits at the most: each request that counts is remembered for as long as the window is.
_WRITTEN = re.compile(rf"({'|'.join(GROUPS)})=([1-9][0-9]{{0,4}})/({'|'.join(_SECONDS)})")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `amount` in any `seconds`."""

    amount: int
    seconds: int


class Taken(NamedTuple):
    """What became of one more."""

    allowed: bool
    remaining: int
    """How many more there would be room for now."""
    wait: float
    """Seconds until there is room for one more than now."""


class CountsAway(Exception):
    """Nobody can say how many there were: where they are counted is out of reach."""


Take = Callable[[str], Awaitable[Taken]]
"""Counts one more of a caller, if there is room. Raises CountsAway."""
OpenWindow = Callable[[str, Rate], Take]
"""Makes a window of this name, or finds the one that other processes have made."""


def parse_rates(text: str) -> Mapping[Group, Rate]:
    """What RATE_LIMITS says, such as `read=600/minute,auth=30/minute`; `none` is no limit. Raises ValueError."""
    if text.strip() == "none":
        return {}
    found = [_WRITTEN.fullmatch(part.strip()) for part in text.split(",")]
    rates = {cast("Group", part[1]): Rate(int(part[2]), _SECONDS[part[3]]) for part in found if part}
    if len(rates) != len(found):
        raise ValueError(
            "takes group=number/unit with commas between, such as read=600/minute,write=120/minute; "
            f"groups: {', '.join(GROUPS)}, each once; numbers up to 99999; units: {', '.join(_SECONDS)}; or none alone"
        )
    return rates


class MemoryWindow:
    """A window of this process alone."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()  # by caller; who was let through last stands last

    async def take(self, caller: str) -> Taken:
        """Count one more, if there is room."""
        now = self._clock()
        begin = now - self._rate.seconds
        self._forget(begin)
        times = self._times.get(caller)
        if times is None:
            times = self._times[caller] = deque()
        while times and times[0] <= begin:
            times.popleft()
        allowed = len(times) < self._rate.amount
        if allowed:
            times.append(now)
            self._times.move_to_end(caller)
        return Taken(allowed, self._rate.amount - len(times), times[0] - begin)

    def _forget(self, begin: float) -> None:
        """Let go of callers of whom nothing counts any more."""
        while self._times and next(iter(self._times.values()))[-1] <= begin:
            self._times.popitem(last=False)


def in_memory(_name: str, rate: Rate) -> Take:
    """A window of this process alone, whatever its name."""
    return MemoryWindow(rate).take
