"""Run the whole suite with coverage and leave nothing behind.

Everything that the run writes goes to a temporary folder of its own, so that two runs in one checkout don't meet.
With arguments, which are handed to pytest, there is no coverage gate: they usually select a part. `--no-cov` alone is
the whole suite without coverage, which Python 3.11 can only measure in twice the time.

Some tests hold the program to time limits, and on a busy machine one may miss its limit because of the tests beside it.
So up to five that fail are run again, alone, and that run decides; both are to be seen in the output.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# One more than there are cores: tests also wait, for processes and for time-outs.
PROCESSES = min(4, (os.cpu_count() or 1) + 1)
WHOLE_SUITE = [f"--numprocesses={PROCESSES}", "--dist=worksteal", "--cov", "--cov-report=term:skip-covered"]
NO_COVERAGE = ["--no-cov"]

MOST_RUN_AGAIN = 5
"""More than these are no accident."""


class Failures:
    """Remembers which tests failed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for each part of each test, of the other processes too."""
        if report.failed and report.nodeid not in self.names:
            self.names.append(report.nodeid)


def run_alone(names: list[str], *, measured: bool) -> int:
    """Run a few tests one after another, then look at the coverage of the whole run if measured; the exit code."""
    print(f"\nFailed beside the others, now alone: {', '.join(names)}", flush=True)  # noqa: T201
    alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--no-cov", *names]
    gate = [sys.executable, "-m", "coverage", "report", "--format=total"]
    return subprocess.call(alone) or (subprocess.call(gate) if measured else 0)


def main(arguments: list[str]) -> int:
    """Return pytest's exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that fixtures stop their servers, as on Ctrl-C
    with tempfile.TemporaryDirectory(prefix="mainstay-test-") as scratch:
        # A server that root starts runs as another user and must get through to its own folder in here.
        Path(scratch).chmod(0o711)
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        os.environ["COVERAGE_FILE"] = f"{scratch}/coverage"
        if sys.version_info >= (3, 12):
            os.environ["COVERAGE_CORE"] = "sysmon"
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = f"{scratch}/hypothesis"
        gate = ["--cov-fail-under=0"] if arguments else []
        failures = Failures()
        code = pytest.main(["-p", "no:cacheprovider", *WHOLE_SUITE, *gate, *arguments], plugins=[failures])
        whole = arguments in ([], NO_COVERAGE)
        if whole and code == pytest.ExitCode.TESTS_FAILED and 0 < len(failures.names) <= MOST_RUN_AGAIN:
            return run_alone(failures.names, measured=not arguments)
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
