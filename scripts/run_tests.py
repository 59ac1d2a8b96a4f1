"""Run the whole suite with coverage and leave nothing behind.

Everything that the run writes goes to a temporary folder of its own, so that two runs in one checkout don't meet.
With arguments, which are handed to pytest, there is no coverage gate: they usually select a part.
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

WHOLE_SUITE = ["--numprocesses=auto", "--maxprocesses=4", "--cov", "--cov-report=term:skip-covered"]


def main(arguments: list[str]) -> int:
    """Return pytest's exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that fixtures stop their servers, as on Ctrl-C
    with tempfile.TemporaryDirectory(prefix="mainstay-test-") as scratch:
        # A server that root starts runs as another user and must get through to its own folder in here.
        Path(scratch).chmod(0o711)
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        os.environ["COVERAGE_FILE"] = f"{scratch}/coverage"
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = f"{scratch}/hypothesis"
        gate = ["--cov-fail-under=0"] if arguments else []
        return pytest.main(["-p", "no:cacheprovider", *WHOLE_SUITE, *gate, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
