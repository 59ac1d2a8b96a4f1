"""Requests that schemathesis makes of the OpenAPI document, against the whole program as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECRET = "for-the-tests-0123456789-abcdefgh"

# The gate's run is the same every time, so that it fails for the change at hand alone; the long one looks for news.
SHORT = ("--max-examples=30", "--seed=1")
LONG = ("--max-examples=800",)  # of each operation, and as many walks from one to the next
MANY = 25_000
"""Requests that the long one makes at least, to each of the storages."""


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_every_answer_is_what_the_document_says(serve: Callable[..., Any], database_url: str, tmp_path: Path) -> None:
    assert run(serve(SECRET_KEY=SECRET), database_url, tmp_path, *SHORT) > 0


@pytest.mark.e2e
@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("storage", ["postgres", "memory"])
def test_however_long_one_asks(serve: Callable[..., Any], database_url: str, tmp_path: Path, storage: str) -> None:
    made = run(serve(SECRET_KEY=SECRET, PETS_STORAGE=storage), database_url, tmp_path, *LONG)
    print(f"{storage}: {made} requests")  # noqa: T201 - the figure
    assert made >= MANY


def run(server: Any, database_url: str, folder: Path, *options: str) -> int:
    """Run schemathesis and look at what it did: a run that reached little finds little. How many requests it made."""
    report = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{server.url}/openapi.json", "--report-json-path", str(report), *options),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
        "PYTHONPATH": str(ROOT),
        "BASE_URL": server.url,
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET,
    }
    told = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    done = json.loads(report.read_text())
    assert done["complete"]
    assert {phase: result["status"] for phase, result in done["phases"].items()} == dict.fromkeys(
        ("examples", "coverage", "fuzzing", "stateful"), "success"
    )
    assert done["operations"]["tested"] == done["operations"]["total"]
    assert refused_throughout(done) == []
    assert "unexpected error" not in server.log
    return int(done["test_cases"]["generated"])


def refused_throughout(done: Any) -> list[tuple[str, str]]:
    """Operations of which no valid request was answered with success, by phase."""
    return [
        (operation, phase)
        for operation, phases in done["valid_rates"].items()
        for phase in ("coverage", "fuzzing")
        if not phases[phase]["accepted"]
    ]
