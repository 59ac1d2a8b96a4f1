"""How long the relay waits before it tries something again, in seconds."""

import random

REFUSED_FIRST = 2.0
REFUSED_LONGEST = 3600.0
"""Eleven waits, which the default of twelve attempts has, come to half an hour on average: a receiver can be mended."""

AWAY_FIRST = 0.5
AWAY_LONGEST = 30.0
"""All events wait: a sink that is back is to hear of them soon."""

ASKED_LONGEST = 3600.0
"""What a sink may ask for, at most, as a slip of its clock must not silence it for years; at least AWAY_FIRST."""


def refused(attempts: int) -> float:
    """After so many attempts at one message: anything up to a bound that doubles ("full jitter")."""
    return random.uniform(0, _doubled(REFUSED_FIRST, attempts, REFUSED_LONGEST))  # noqa: S311 - no secret


def away(failures: int, asked: float | None = None) -> float:
    """After so many failures of a whole sink in a row: what it asked for, else half to all of a bound that doubles."""
    if asked is not None:
        return min(max(asked, AWAY_FIRST), ASKED_LONGEST)
    longest = _doubled(AWAY_FIRST, failures, AWAY_LONGEST)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def _doubled(first: float, times: int, longest: float) -> float:
    return min(longest, first * 2.0 ** min(times - 1, 100))  # a float holds no 2 to the power of a day's failures
