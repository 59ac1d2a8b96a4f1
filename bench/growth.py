"""`python -m bench.growth`: what a request costs beside many orders and beside few. README.md says how it is done."""

import argparse
import asyncio
import itertools
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.parse import urlsplit

import asyncpg

from bench import data
from bench.callers import BIG, SECRET, token
from bench.conversation import WrongAnswer
from bench.finding import Finding, exit_code
from bench.measure import cores, postgres
from bench.server import NotServing, pin, serving
from bench.subjects import MAINSTAY
from mainstay.kernel.core.cursor import Cursors

FEW = 10_000
LIMIT = 1.15
"""How many times of its cost beside few orders a request may cost beside many."""
_WARM_UP = 100  # requests of each kind that are not counted

# Of twenty orders nineteen are one tenant's; 999 tenants share the rest.
_FILL = """
INSERT INTO orders (tenant_id, id, status, version, created_at, updated_at)
SELECT CASE n % 20 WHEN 0 THEN format('tenant-%s', n / 20 % 999) ELSE '{tenant}' END,
    ('019a' || lpad(to_hex(n), 8, '0') || '70008000000000000000')::uuid, 'draft', 1, at, at
FROM generate_series(0, {orders} - 1) AS n,
    LATERAL (SELECT timestamptz '2025-10-20T05:03:11.360Z' + n * interval '1 ms') AS derived(at)
"""
_SOME = "SELECT id FROM orders WHERE tenant_id = $1 ORDER BY random() LIMIT $2"
_LAST = "SELECT created_at, id FROM orders WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC OFFSET $2 - 1 LIMIT 1"

Call = tuple[str, str, Mapping[str, str]]
"""Method, path and headers."""
Times = Mapping[str, Sequence[tuple[float, float]]]
"""For each kind of request pairs of milliseconds: beside few orders and, right after it, beside many."""


@dataclass(frozen=True, slots=True)
class Side:
    """A server with so many orders."""

    connection: HTTPConnection
    caller: Mapping[str, str]
    """Headers that say who calls."""
    calls: Mapping[str, Callable[[], Call]]
    """For each kind of request what makes the next one."""

    def time(self, kind: str) -> float:
        """Milliseconds that one request takes. Raises WrongAnswer where it is no success."""
        method, path, headers = self.calls[kind]()
        begin = perf_counter()
        self.connection.request(method, path, "{}" if method == "POST" else None, {**self.caller, **headers})
        answer = self.connection.getresponse()
        body = answer.read()
        took = (perf_counter() - begin) * 1e3
        if answer.status not in {200, 201}:
            raise WrongAnswer(f"{method} {path}: {answer.status} {body[:500]!r}")
        return took


def main() -> int:
    """Measure and print. Returns 0 where no request costs more than it may."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # like Ctrl-C, leaves the blocks that stop servers
    try:
        times = _measure(options.orders, options.requests)
    except (NotServing, WrongAnswer) as error:
        sys.exit(str(error))
    print(table(options.orders, times))
    return exit_code(findings(options.orders, times))


def find(*, long: bool) -> list[Finding]:
    """Measure."""
    orders = 10_000_000 if long else 1_000_000
    return findings(orders, _measure(orders, 500))


def findings(orders: int, times: Times) -> list[Finding]:
    """Against what is promised."""
    return [
        Finding(
            f"{kind}, beside {orders:,} orders of 1,000 tenants",
            f"within {LIMIT} times of beside {FEW:,}",
            "{1:.2f} ms, {0:.2f} there: {2:.2f} times".format(*medians(pairs), ratio(pairs)),
            ratio(pairs) <= LIMIT,
        )
        for kind, pairs in times.items()
    ]


def _measure(orders: int, requests: int) -> Times:
    core, others = cores()
    pin(others)
    with (
        postgres() as (url, folder),
        _side(url, FEW, core, folder) as few,
        _side(url, orders, core, folder) as many,
    ):
        return {kind: _alternate(kind, few, many, requests) for kind in few.calls}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="What a request costs beside many.")
    parser.add_argument("--orders", type=int, default=1_000_000, help="how many are many (%(default)s)")
    parser.add_argument("--requests", type=int, default=500, help="of each kind (%(default)s)")
    options = parser.parse_args()
    if options.orders <= FEW or options.requests < 1:
        parser.error(f"--orders has to be over {FEW} and --requests over 0")
    return options


@contextmanager
def _side(url: str, orders: int, core: set[int], folder: Path) -> Iterator[Side]:
    print(f"making {orders:,} orders", file=sys.stderr, flush=True)
    database = data.make(url, f"growth_{orders}", folder, _FILL.format(orders=orders, tenant=BIG))
    subject = replace(MAINSTAY, name=f"mainstay-{orders}")
    with serving(subject, database, core, folder) as server:
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        caller = {"X-Tenant-Id": BIG, "Authorization": f"Bearer {token(BIG)}"}
        yield Side(connection, caller, asyncio.run(_calls(database, orders // 10 * 9)))


async def _calls(database: str, depth: int) -> Mapping[str, Callable[[], Call]]:
    """The deep page's cursor is signed here: to walk over a million rows takes minutes."""
    connection = await asyncpg.connect(database)
    try:
        ids = itertools.cycle(await connection.fetch(_SOME, BIG, 1000))
        last = await connection.fetchrow(_LAST, BIG, depth)
    finally:
        await connection.close()
    cursor = Cursors(SECRET.encode()).make(tuple(last), ("orders", BIG, [], None, None))
    return {
        "GET one order": lambda: ("GET", f"/orders/{next(ids)['id']}", {}),
        "POST an order": lambda: ("POST", "/orders", {"Idempotency-Key": secrets.token_hex()}),
        "GET the first page of 50": lambda: ("GET", "/orders?limit=50", {}),
        "GET the page after nine tenths of all": lambda: ("GET", f"/orders?limit=50&cursor={cursor}", {}),
    }


def _alternate(kind: str, few: Side, many: Side, requests: int) -> Sequence[tuple[float, float]]:
    """One here, one there: a machine that slows down for a while slows both."""
    return [(few.time(kind), many.time(kind)) for _ in range(_WARM_UP + requests)][_WARM_UP:]


def medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of the milliseconds beside few orders and of those beside many."""
    few, many = zip(*pairs, strict=True)
    return median(few), median(many)


def ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """How many times as long a request takes beside many."""
    few, many = medians(pairs)
    return many / few


def table(orders: int, times: Times) -> str:
    """In Markdown."""
    heading = (
        f"| one request after the other, ms (median) | {FEW:,} orders | {orders:,} orders | ratio, limit {LIMIT} |"
    )
    return "\n".join([heading, "|---|--:|--:|--:|", *(_row(kind, pairs) for kind, pairs in times.items())])


def _row(kind: str, pairs: Sequence[tuple[float, float]]) -> str:
    few, many = medians(pairs)
    return f"| {kind} | {few:.2f} | {many:.2f} | {ratio(pairs):.2f} |"


if __name__ == "__main__":
    sys.exit(main())
