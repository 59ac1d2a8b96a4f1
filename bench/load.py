"""Load by wrk, and what it says about the answers."""

import json
import math
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from bench.callers import write_tokens

_SCRIPT = Path(__file__).with_name("requests.lua")
_TIMEOUT = 5  # seconds; an answer that takes longer counts as an error
_GRACE = 30  # seconds over the load's own time before wrk is given up


class LoadFailed(Exception):
    """The load ran into errors: there is no figure."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load without errors."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us: float = math.nan
    """Processor time of the server for one request, in microseconds; NaN where nobody measured it."""

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def check_written(self, events: int) -> None:
        """Hold the successes against the events in the database. Raises LoadFailed where some left none."""
        if events < self.requests:
            raise LoadFailed(f"{self.requests} successes, but {events} events")


def wrk() -> str:
    """Where wrk is. Raises LoadFailed where it is missing."""
    path = shutil.which("wrk")
    if path is None:
        raise LoadFailed("wrk is missing: apt-get install wrk")
    return path


@dataclass(frozen=True, slots=True)
class Callers:
    """Connections that send one request after the other, each with so long a pause between two, on average."""

    connections: int = 16
    pause_ms: int = 0


BUSY = Callers()
"""As many requests as there can be."""


def drive(url: str, scenario: str, phase: str, seconds: int, callers: Callers = BUSY) -> Load:
    """Send a scenario's requests for so many whole seconds. Raises LoadFailed where any answer was not a success."""
    threads = ("--threads", "1", "--connections", str(callers.connections))
    command = [wrk(), *threads, "--duration", f"{seconds}s", "--timeout", f"{_TIMEOUT}s", "--script", str(_SCRIPT)]
    with NamedTemporaryFile(prefix="mainstay-bench-") as tokens:
        write_tokens(Path(tokens.name))
        try:
            ended = subprocess.run(
                [*command, url, "--", scenario, phase, tokens.name, str(callers.pause_ms)],
                capture_output=True,
                text=True,
                timeout=seconds + _GRACE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LoadFailed("wrk did not end") from error
    if ended.returncode:
        raise LoadFailed(f"wrk: {(ended.stderr or ended.stdout).strip()}")
    return read(ended.stdout)


def read(output: str) -> Load:
    """Read what requests.lua printed at the end. Raises LoadFailed where it tells of errors, or of nothing at all."""
    *_, last = output.strip().splitlines() or [""]
    try:
        figures = json.loads(last)
        errors = {kind: number for kind, number in figures.pop("errors").items() if number}
        load = Load(**figures)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise LoadFailed(f"wrk ended without figures: {last!r}") from error
    if errors:
        told = ", ".join(f"{number} of kind {kind}" for kind, number in errors.items())
        raise LoadFailed(f"errors among {load.requests} answers: {told}")
    if not load.requests:
        raise LoadFailed("no answer at all")
    return load
