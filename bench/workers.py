"""`python -m bench.workers`: what a second worker brings.

With four cores or more it is measured: each worker on a core, the load and PostgreSQL on others. With fewer, nothing is
left for a second one, and what is shown is what would limit it from within: the processor time of a request with two
workers beside that with one. So far two cores would take it, as long as PostgreSQL keeps up.
"""

import sys
from dataclasses import replace
from pathlib import Path

from bench.finding import Finding, exit_code, table
from bench.load import Callers, Load, drive
from bench.measure import cores
from bench.running import filled, mainstay
from bench.server import pin

GAIN = 1.7
_ENOUGH = 4
_CALLERS = Callers(32)


def find(*, long: bool) -> list[Finding]:
    """Measure."""
    first, others = cores()
    every = [*first, *sorted(others - first)]
    enough = len(every) >= _ENOUGH
    with filled() as (database, folder):
        pin(set(every[2:]) if enough else others)
        one = _drive(database, folder, 1, first, 10 if long else 4)
        two = _drive(database, folder, 2, set(every[:2]) if enough else first, 10 if long else 4)
    told = f"{one.rate:,.0f} and {two.rate:,.0f} requests a second, {one.cpu_us:.0f} and {two.cpu_us:.0f} us each"
    if enough:
        gain = two.rate / one.rate
        return [Finding("two workers, a core each", f"{GAIN} times one", f"{gain:.2f} times: {told}", gain >= GAIN)]
    gain = 2 * one.cpu_us / two.cpu_us
    what = "two workers, on the one core that this machine has for both"
    return [Finding(what, f"{GAIN} times one, with a core each", f"{told}: a second core would make {gain:.2f}", None)]


def _drive(database: str, folder: Path, workers: int, on: set[int], seconds: int) -> Load:
    with mainstay(database, folder, "--workers", str(workers), on=on) as server:
        drive(server.url, "order", "warm-up", 2, _CALLERS)
        before = server.cpu_seconds()
        load = drive(server.url, "order", "measured", seconds, _CALLERS)
        return replace(load, cpu_us=(server.cpu_seconds() - before) / load.requests * 1e6)


if __name__ == "__main__":
    found = find(long=True)
    print(table(found))
    sys.exit(exit_code(found))
