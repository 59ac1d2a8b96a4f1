"""`python -m bench.sign_in`: whether the time of a refused sign-in tells accounts apart, and what a token costs."""

import argparse
import asyncio
import json
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.client import HTTPConnection
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.requests import Request

from bench.conversation import WrongAnswer
from bench.finding import Finding, exit_code
from bench.measure import cores, postgres
from bench.server import NotServing, pin, serving
from bench.subjects import MAINSTAY
from mainstay.kernel.core.clock import now
from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.keys import EdKeys, HmacKeys, Keys
from mainstay.kernel.core.tokens import TokenVerifier
from mainstay.kernel.http.auth import Guard
from mainstay.kernel.http.types import HEADERS_KEY
from mainstay.services.users.callers import Callers
from mainstay.services.users.domain import User
from mainstay.services.users.repository import SessionRepository
from mainstay.services.users.tokens import AccessTokens

DIFFERENCE = 0.03
"""By how much the medians may differ: less than chance makes of one password hash and the next."""
TOKEN = 10.0
"""Microseconds that a token may cost whose signature was verified before."""
_WARM_UP = 5
_KNOWN = "known@example.com"

Pairs = Sequence[tuple[float, float]]
"""Milliseconds: of a known address with a wrong password and, next to it, of an unknown one."""
Costs = dict[str, tuple[float, float]]
"""For each kind of key, microseconds: of a token's first verification, and of all that the guard does with it later."""


def main() -> int:
    """Measure and print. Returns 0 where every figure is as it has to be."""
    options = argparse.ArgumentParser(prog="python -m bench.sign_in", description="What signing in tells by its time.")
    options.add_argument("--pairs", type=int, default=200, help="of refused sign-ins (%(default)s)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # like Ctrl-C, leaves the blocks that stop servers
    try:
        times, costs = measure(options.parse_args().pairs)
    except (NotServing, WrongAnswer) as error:
        sys.exit(str(error))
    print(table(times, costs))
    return exit_code(findings(times, costs))


def find(*, long: bool) -> list[Finding]:
    """Measure."""
    return findings(*measure(200 if long else 30))


def measure(pairs: int) -> tuple[Pairs, Costs]:
    """So many pairs of sign-ins, and tokens."""
    return _sign_ins(pairs), asyncio.run(_tokens())


def findings(times: Pairs, costs: Costs) -> list[Finding]:
    """Against what is promised."""
    known, unknown = medians(times)
    worst = max(later for _, later in costs.values())
    return [
        Finding(
            f"refused sign-in of a known address and of an unknown one, {len(times)} of each",
            f"within {DIFFERENCE:.0%}",
            f"{known:.1f} and {unknown:.1f} ms, {difference(times):.1%}",
            difference(times) <= DIFFERENCE,
        ),
        Finding("a token that was verified before", f"under {TOKEN:g} us", f"{worst:.1f} us", worst <= TOKEN),
    ]


def _sign_ins(pairs: int) -> Pairs:
    core, others = cores()
    pin(others)
    # not limited: an account may be tried six times a minute
    subject = replace(MAINSTAY, environment={**MAINSTAY.environment, "RATE_LIMITS": "none"})
    with postgres() as (url, folder), serving(subject, url, core, folder) as server:
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        _post(connection, "/api/v1/users", 201, {"email": _KNOWN, "password": secrets.token_hex()})
        return [_pair(connection, number) for number in range(_WARM_UP + pairs)][_WARM_UP:]


def _pair(connection: HTTPConnection, number: int) -> tuple[float, float]:
    """Either comes first in its turn: what a request leaves behind for the next is the same for both."""
    emails = [_KNOWN, f"{number}@example.com"]
    if number % 2:
        emails.reverse()
    took = {email: _refused(connection, email) for email in emails}
    return took[_KNOWN], took[f"{number}@example.com"]


def _refused(connection: HTTPConnection, email: str) -> float:
    return _post(connection, "/api/v1/auth/login", 401, {"email": email, "password": secrets.token_hex()})


def _post(connection: HTTPConnection, path: str, status: int, body: object) -> float:
    """The milliseconds that it took. Raises WrongAnswer where the status is another."""
    begin = perf_counter()
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    took = (perf_counter() - begin) * 1e3
    if answer.status != status:
        raise WrongAnswer(f"POST {path}: {answer.status} {text[:500]!r}")
    return took


async def _tokens() -> Costs:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "HS256": await _costs(HmacKeys(secrets.token_bytes(32))),
        "EdDSA": await _costs(EdKeys.read(pem)),
    }


async def _costs(keys: Keys, times: int = 10_000) -> tuple[float, float]:
    user = User.register(uuid7(), {"email": _KNOWN, "full_name": None}, "", now())
    session_id = uuid7()
    token = AccessTokens(keys).issue(user, session_id)
    first = [_microseconds(lambda: TokenVerifier(keys).verify(token)) for _ in range(200)]
    request = cast("Request", SimpleNamespace(scope={HEADERS_KEY: {b"authorization": f"Bearer {token}".encode()}}))

    class _Sessions:
        async def find_owner(self, *_: object) -> User:
            return user

    callers = Callers(cast("SessionRepository", _Sessions()))
    guard = Guard(TokenVerifier(keys), {"pets"}, callers.current)
    await guard.admit(request, "pets", "read", scoped=True)
    begin = perf_counter()
    for _ in range(times):
        await guard.admit(request, "pets", "read", scoped=True)
    return median(first), (perf_counter() - begin) / times * 1e6


def _microseconds(call: Callable[[], object]) -> float:
    begin = perf_counter()
    call()
    return (perf_counter() - begin) * 1e6


def medians(pairs: Pairs) -> tuple[float, float]:
    """Of the milliseconds with a known address and of those with an unknown one."""
    known, unknown = zip(*pairs, strict=True)
    return median(known), median(unknown)


def difference(pairs: Pairs) -> float:
    """Of the medians, as a part of the longer."""
    known, unknown = medians(pairs)
    return abs(known - unknown) / max(known, unknown)


def table(pairs: Pairs, costs: Costs) -> str:
    """Both tables, in Markdown."""
    known, unknown = medians(pairs)
    return "\n".join(
        [
            f"| refused sign-in, ms (of {len(pairs)}) | known address | unknown | difference, limit {DIFFERENCE:.0%} |",
            "|---|--:|--:|--:|",
            f"| wrong password | {known:.1f} | {unknown:.1f} | {difference(pairs):.1%} |",
            "",
            f"| token, us | first verification | guard later on, limit {TOKEN:g} |",
            "|---|--:|--:|",
            *(f"| {name} | {first:.1f} | {later:.1f} |" for name, (first, later) in costs.items()),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
