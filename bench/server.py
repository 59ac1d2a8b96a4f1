"""A subject's server: one process on one core, for as long as a block lasts."""

import math
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.subjects import Subject

_ROOT = Path(__file__).parents[1]
_START = 30.0  # seconds until a server must answer
_STOP = 20.0  # seconds a server has to end by itself
_POLL = 0.05


class NotServing(Exception):
    """The server did not come up; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running one."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time that the process and its workers have used; NaN where the system does not tell."""
        try:
            return sum(_cpu_ticks(pid) for pid in self.processes()) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return math.nan

    def memory_mb(self) -> float:
        """Of the process that serves, what is resident; NaN where the system does not tell."""
        try:
            status = Path(f"/proc/{self.processes()[-1]}/status").read_text()
        except OSError:
            return math.nan
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6

    def processes(self) -> list[int]:
        """The process, then its workers. Raises OSError where the system does not tell."""
        return [self.pid, *(int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())]


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]  # proc(5): fields 14 and 15, counted from behind the name
    return int(user) + int(system)


@contextmanager
def serving(subject: Subject, database_url: str, cores: set[int], folder: Path) -> Iterator[Server]:
    """Run the subject. Raises NotServing."""
    port = free_port()
    log_path = folder / f"{subject.name}.log"
    arguments = [argument.format(port=port) for argument in subject.arguments]
    # Nothing else of the caller's environment gets in: what is measured is what subjects.py says.
    path = f"{_ROOT}{os.pathsep}{_ROOT / 'src'}"
    environment = {"PYTHONPATH": path, "DATABASE_URL": database_url, **subject.environment}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [subject.python, *arguments], env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        pin(cores, process.pid)
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url, log_path)
        yield Server(url, process.pid)
    finally:
        _stop(process)


def pin(cores: set[int], pid: int = 0) -> None:
    """Keep a process (0: this one) and all that it starts on these cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, timeout=1)  # whatever it says: who answers has started
        except httpx.TransportError:
            time.sleep(_POLL)
        else:
            return
    raise NotServing(f"does not serve:\n{log_path.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
