"""`python -m bench.start`: how soon the program helps, and how soon it serves."""

import subprocess
import sys
import time
from statistics import median
from tempfile import TemporaryDirectory

import httpx

from bench.finding import Finding, exit_code, table
from bench.measure import DATA, cores
from bench.server import free_port, pin

HELP = 0.3
READY = 1.5
_TIMES = 7
_POLL = 0.005
_DEADLINE = 60.0


def find(*, long: bool) -> list[Finding]:
    """Measure."""
    pin(set.union(*cores()))  # a part before this one may have kept off the server's core
    times = _TIMES * (3 if long else 1)
    helps = [_help() for _ in range(times)]
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA, prefix="start-") as folder:
        _ready(folder)  # makes the data folder
        starts = [_ready(folder) for _ in range(times)]
    return [
        _finding("`mainstay --help`", HELP, helps),
        _finding("`mainstay serve` on an existing data folder, with its own PostgreSQL, until ready", READY, starts),
    ]


def _finding(what: str, limit: float, seconds: list[float]) -> Finding:
    told = f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
    return Finding(what, f"under {limit:g} s", told, median(seconds) < limit)


def _help() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mainstay", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _ready(folder: str) -> float:
    port = free_port()
    began = time.perf_counter()
    command = [sys.executable, "-m", "mainstay", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() < began + _DEADLINE:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).is_success:
                    return time.perf_counter() - began
            except httpx.TransportError:
                time.sleep(_POLL)
    finally:
        process.terminate()
        process.wait(_DEADLINE)
    sys.exit("mainstay serve does not get ready")


if __name__ == "__main__":
    found = find(long=True)
    print(table(found))
    sys.exit(exit_code(found))
