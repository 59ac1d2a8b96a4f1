"""`python -m bench.memory`: what a worker holds after the start, and after many requests of every kind."""

import sys

from bench.finding import Finding, exit_code, table
from bench.load import drive
from bench.running import filled, mainstay
from bench.scenarios import SCENARIOS

AT_START = 110
"""MB."""
GROWTH = 1.1
_MANY = 1_000_000
_FEW = 100_000


def find(*, long: bool) -> list[Finding]:
    """Measure."""
    wanted, sent = _MANY if long else _FEW, 0
    reads = [scenario.name for scenario in SCENARIOS if not scenario.writes]
    with filled() as (database, folder), mainstay(database, folder) as server:
        at_start = server.memory_mb()
        sent += sum(drive(server.url, scenario.name, "warm-up", 1).requests for scenario in SCENARIOS)
        while sent < wanted:
            sent += sum(drive(server.url, name, "measured", 10 if long else 2).requests for name in reads)
        after = server.memory_mb()
    return [
        Finding(
            "memory of a worker after the start", f"under {AT_START} MB", f"{at_start:.0f} MB", at_start < AT_START
        ),
        Finding(
            f"after {sent:,} requests more",
            f"under {GROWTH} times that",
            f"{after:.0f} MB, {after / at_start:.2f} times",
            after < GROWTH * at_start,
        ),
    ]


if __name__ == "__main__":
    found = find(long=True)
    print(table(found))
    sys.exit(exit_code(found))
