"""How many requests a caller may send: counted by user or address, told in headers, refused with 429.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10. The address is that of the connection: behind a proxy,
the proxy's. Nobody's word is taken for another one.
"""

import logging
import math
import time
from collections.abc import Collection, Mapping
from hashlib import sha256
from ipaddress import IPv6Address

from starlette.requests import Request
from starlette.types import Scope

from mainstay.kernel.core.errors import RateLimited, Unavailable
from mainstay.kernel.core.rates import CountsAway, Group, OpenWindow, Rate, Take, Taken, in_memory
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.http.types import PRINCIPAL_KEY, RATE_LIMIT_KEY, SIGN_IN_KEY, HeaderList
from mainstay.kernel.ops.metrics import RateLimitMetrics

logger = logging.getLogger(__name__)

AUTH: Group = "auth"
"""Waits for its counts: whoever guesses passwords would like nothing better than that nobody counts."""
SIGN_IN_RATES = (Rate(6, 60), Rate(30, 3600))
"""Attempts of an account, and of an address. What the first refuses, the second does not count."""
_LOG_SECONDS = 10.0
"""Between two lines about what every request meets."""


class RateLimits:
    """The groups that are limited, counted in memory until `count_in` says where. The app keeps it in its state."""

    def __init__(self, rates: Mapping[Group, Rate], metrics: RateLimitMetrics) -> None:
        self._rates = rates
        self._metrics = metrics
        self._next_line = 0.0
        self.count_in(in_memory)

    def count_in(self, open_window: OpenWindow) -> None:
        """Count in these windows from now on."""
        self._limits = {group: _Limit(group, rate, open_window(group, rate)) for group, rate in self._rates.items()}
        self._sign_ins = [open_window(f"sign-in:{rate.seconds}", rate) for rate in SIGN_IN_RATES]

    @property
    def groups(self) -> Collection[Group]:
        """Those that are limited."""
        return self._rates.keys()

    async def count(self, scope: Scope, group: Group) -> None:
        """Count a request, where its group is limited, and leave the headers of its answer in the scope.

        Raises RateLimited, and Unavailable where it must not go on uncounted.
        """
        limit = self._limits.get(group)
        if limit is None:
            return
        try:
            taken = await limit.take(_caller(scope))
        except CountsAway as error:
            self._go_on(group, error)
        else:
            scope[RATE_LIMIT_KEY] = limit.headers(taken)
            self._check(taken, group)

    async def count_sign_in(self, scope: Scope, account: str) -> None:
        """Count an attempt to sign in, of its address and of the account. Raises RateLimited and Unavailable."""
        for counted in (_address(scope), f"account {account}"):
            for take in self._sign_ins:
                try:
                    self._check(await take(counted), AUTH)
                except CountsAway as error:
                    self._go_on(AUTH, error)

    def _go_on(self, group: Group, error: CountsAway) -> None:
        """Uncounted, where an answer matters more than the count. Raises Unavailable where it matters less."""
        self._metrics.failed(group)
        self._tell(error)
        if group == AUTH:
            raise Unavailable(original_error=error) from error

    def _check(self, taken: Taken, group: Group) -> None:
        if not taken.allowed:
            self._metrics.refused(group)
            raise RateLimited(_seconds(taken))

    def _tell(self, error: CountsAway) -> None:
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + _LOG_SECONDS
            logger.warning("requests cannot be counted: reads and writes go on, signing in does not (%s)", error)


async def count_sign_in(request: Request, account: str) -> None:
    """Count an attempt to sign in, where the group `auth` is limited; a request that runs again counts once.

    `account` is what the program compares the addresses of accounts by, here whatever somebody has sent: it is of any
    length and nobody else's business, so what is kept is its hash. Raises RateLimited and Unavailable.
    """
    rate_limits: RateLimits = request.app.state.rate_limits
    if AUTH in rate_limits.groups and SIGN_IN_KEY not in request.scope:
        request.scope[SIGN_IN_KEY] = True
        await rate_limits.count_sign_in(request.scope, sha256(account.encode()).hexdigest())


class _Limit:
    """One group's window, and its headers."""

    def __init__(self, group: Group, rate: Rate, take: Take) -> None:
        self.take = take
        self._policy = (b"ratelimit-policy", f'"{group}";q={rate.amount};w={rate.seconds}'.encode())
        self._state = f'"{group}";r=%d;t=%d'.encode()

    def headers(self, taken: Taken) -> HeaderList:
        """What there is, and what is left of it."""
        return self._policy, (b"ratelimit", self._state % (taken.remaining, _seconds(taken)))


def _seconds(taken: Taken) -> int:
    """The wait in whole seconds, so that whoever waits them finds room."""
    return max(1, math.ceil(taken.wait))


def _caller(scope: Scope) -> str:
    """Whose requests are counted together: the user's, where one has signed in, else those of an address."""
    principal: Principal | None = scope.get(PRINCIPAL_KEY)
    return _address(scope) if principal is None else f"user {principal.subject}"


def _address(scope: Scope) -> str:
    """The connection's, without its port; of IPv6 the network of 64 bits, all of which one caller can have.

    Connections without an address, such as those over a Unix socket, count together.
    """
    client = scope.get("client")
    host = "" if client is None else str(client[0])
    if ":" in host:
        found = IPv6Address(host)
        host = str(found.ipv4_mapped or found.packed[:8].hex())
    return f"address {host}"
