"""Moving windows in Redis (Valkey does as well): all processes that have the same one share what they count."""

import asyncio
import hashlib
import time
from functools import partial

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from mainstay.kernel.core.rates import CountsAway, Rate, Take, Taken

SECONDS = 0.1
"""For one count, connecting included: a request waits for it."""
PAUSE_SECONDS = 1.0
"""After a failure nobody asks for so long: else each request would wait for a Redis that is gone."""
_CONNECTIONS = 32  # of one process; a count takes a fraction of a millisecond, so they are seldom all in use

# The clock is Redis's own: those of the processes that share a window differ. The newest comes first, so that Redis
# finds what it looks at, at both ends, in no time. ARGV: amount, seconds.
_SCRIPT = """
local amount, window = tonumber(ARGV[1]), ARGV[2] * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and oldest + window <= now do
    redis.call('RPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], -1)
end
local count = redis.call('LLEN', KEYS[1])
local allowed = count < amount
if allowed then
    redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
    redis.call('EXPIRE', KEYS[1], ARGV[2])
    count = count + 1
end
return {allowed and 1 or 0, amount - count, (oldest or now) + window - now}
"""


class RedisWindows:
    """Makes windows whose keys begin with `prefix`.

    Callers are addresses, accounts and users: Redis is given a hash of them, which nobody who lacks `secret` can make.
    """

    def __init__(self, url: str, prefix: str, secret: bytes, *, seconds: float = SECONDS) -> None:
        # The next request tries again: a second try in here would only take this one's time.
        pool = BlockingConnectionPool.from_url(
            url, max_connections=_CONNECTIONS, timeout=seconds, retry=Retry(NoBackoff(), 0)
        )
        self._redis = Redis.from_pool(pool)
        self._count = self._redis.register_script(_SCRIPT)
        self._prefix = prefix
        self._seconds = seconds
        self._key = hashlib.sha256(secret).digest()
        self._away = False
        self._next_try = 0.0

    def open(self, name: str, rate: Rate) -> Take:
        """The window of this name."""
        return partial(self._take, f"{self._prefix}:rate:{name}", rate)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _take(self, name: str, rate: Rate, caller: str) -> Taken:
        self._check()
        key = f"{name}:{hashlib.blake2b(caller.encode(), key=self._key, digest_size=16).hexdigest()}"
        try:
            async with asyncio.timeout(self._seconds):
                allowed, remaining, wait = await self._count([key], [rate.amount, rate.seconds])
        except (RedisError, OSError) as error:  # the time-out is an OSError too
            self._away = True
            raise CountsAway(type(error).__name__) from error
        self._away = False
        return Taken(bool(allowed), remaining, wait / 1_000_000)

    def _check(self) -> None:
        """While Redis is away, let one through in a while, to see. Raises CountsAway for all the others."""
        now = time.monotonic()
        if self._away and now < self._next_try:
            raise CountsAway("not asked again yet")
        self._next_try = now + PAUSE_SECONDS
