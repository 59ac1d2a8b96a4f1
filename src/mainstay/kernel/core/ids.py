"""Identifiers made by the program."""

import os
import random
import time
from uuid import UUID

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_RANDOM_BITS = 62


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562, section 5.7): sorts by the time it was made, to a quarter of a microsecond.

    The twelve bits after the millisecond hold its fraction (section 6.2, method 3), the rest is random.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), _NANOSECONDS_PER_MILLISECOND)
    fraction = nanoseconds * 4096 // _NANOSECONDS_PER_MILLISECOND
    rest = int.from_bytes(os.urandom(8), "big") & ((1 << _RANDOM_BITS) - 1)
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << _RANDOM_BITS | rest)


def random_uuid() -> str:
    """A UUID of version 4 (RFC 9562, section 5.4) as text, for what is no secret: a fourth of the time of `uuid4`."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
