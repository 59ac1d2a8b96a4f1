"""`python -m bench.latency`: how late the slowest are at half load, and beside callers who sign in.

Half load is half of the requests that the server could answer, sent by as many connections as everywhere here, which
pause between two requests. With and without callers who sign in in turn, several rounds: medians are compared.
"""

import http.client
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

from bench.finding import Finding, exit_code, table
from bench.load import Callers, Load, drive
from bench.running import filled, mainstay

SPREAD = 3.0
"""How many times the p50 the p99 may be."""
UNCHANGED = 1.15
"""How many times as long it may be beside callers who sign in: what chance makes of two runs."""
_CONNECTIONS = 16
_ROUNDS = 5
_SIGN_INS = 8
_ACCOUNT = {"email": "somebody@example.com", "password": "correct-battery-horse"}


@dataclass(frozen=True, slots=True)
class Latency:
    """What was measured."""

    full: Load
    half: Load
    beside: Load
    """The same as half, while others sign in."""
    sign_ins: float
    """A second, meanwhile."""


def measure(seconds: int) -> Latency:
    """On a server of its own."""
    with filled() as (database, folder), mainstay(database, folder, RATE_LIMITS="read=99999/second") as server:
        drive(server.url, "order", "warm-up", 2)
        full = drive(server.url, "order", "measured", 3)
        callers = Callers(_CONNECTIONS, round(_CONNECTIONS / (full.rate / 2) * 1e3))
        halves, besides, sign_ins = [], [], []
        for _ in range(_ROUNDS):
            halves.append(drive(server.url, "order", "measured", seconds, callers))
            with signing_in(server.url) as done:
                besides.append(drive(server.url, "order", "measured", seconds, callers))
                sign_ins.append(len(done) / besides[-1].seconds)
    return Latency(full, _middle(halves), _middle(besides), median(sign_ins))


def _middle(loads: Sequence[Load]) -> Load:
    """The one whose p99 is the median."""
    return sorted(loads, key=lambda load: load.p99_ms)[len(loads) // 2]


@contextmanager
def signing_in(url: str) -> Iterator[Sequence[int]]:
    """Eight callers who sign in again and again, for a block; the statuses of those who have."""
    _post(url, "/api/v1/users")
    done: list[int] = []
    is_over = threading.Event()

    def sign_in() -> None:
        while not is_over.is_set():
            done.append(_post(url, "/api/v1/auth/login"))

    threads = [threading.Thread(target=sign_in) for _ in range(_SIGN_INS)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _post(url: str, path: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", path, json.dumps(_ACCOUNT), {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def findings(latency: Latency) -> list[Finding]:
    """Against what is promised."""
    half, beside = latency.half, latency.beside
    share = half.rate / latency.full.rate
    spread, slower = half.p99_ms / half.p50_ms, beside.p99_ms / half.p99_ms
    return [
        Finding(
            f"GET one order at {share:.2f} of full load, p99",
            f"under {SPREAD:g} times the p50",
            f"{half.p99_ms:.2f} ms, {spread:.1f} times the p50 of {half.p50_ms:.2f} ms",
            spread < SPREAD,
        ),
        Finding(
            f"the same while {_SIGN_INS} callers sign in ({latency.sign_ins:.1f} a second), p99",
            f"unchanged, that is within {UNCHANGED} times",
            f"{beside.p99_ms:.2f} ms, {slower:.2f} times; p50 {beside.p50_ms:.2f} ms",
            slower <= UNCHANGED,
        ),
    ]


def find(*, long: bool) -> list[Finding]:
    """Measure."""
    return findings(measure(8 if long else 3))


if __name__ == "__main__":
    found = find(long=True)
    print(table(found))
    sys.exit(exit_code(found))
