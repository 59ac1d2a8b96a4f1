"""What the tests of an operator's commands share: the commands, in this process or as one of their own."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mainstay.cli import app
from tests.integration.operations.report import Report

SECRET = "hunter2"  # noqa: S105 - nobody's
"""What stands in URLs and files for something that no output may show."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mainstay(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs `mainstay` in this process, in the test's folder and on its database."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: object, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        defaults = {"APP_ENV": "test", "DATABASE_URL": database_url, "COLUMNS": "200", "BCRYPT_COST": "4"}
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(app, words, input=given, env={**defaults, **environment}, prog_name="mainstay")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert SECRET not in result.output
        return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)

    yield run
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def mainstay_process(tmp_path: Path) -> Run:
    """The same as a process of its own, with nothing in the environment but what is given."""

    def run(
        *arguments: object, largest_file: int | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        limit = []
        if largest_file is not None:
            limit = ["prlimit", f"--fsize={largest_file}"]
            inherited["PYTHONDONTWRITEBYTECODE"] = "1"  # it would write half of it
        return subprocess.run(
            [*limit, sys.executable, "-m", "mainstay", *(str(argument) for argument in arguments)],
            cwd=tmp_path,
            env={**inherited, "APP_ENV": "test", "COLUMNS": "200", "BCRYPT_COST": "4", **environment},
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    return run


@pytest.fixture
def said() -> Callable[[subprocess.CompletedProcess[str]], str]:
    """The one line on standard error of a command that failed, without a trace."""

    def said(result: subprocess.CompletedProcess[str]) -> str:
        assert result.returncode not in {0, -1}, result.stdout
        assert "Traceback" not in result.stderr + result.stdout
        assert SECRET not in result.stderr + result.stdout
        (line,) = result.stderr.splitlines()
        return line.removeprefix("mainstay: ")

    return said


@pytest.fixture
def look(mainstay: Run) -> Callable[..., Report]:
    """What the doctor finds, by check; the exit code and `ok` are as the findings."""

    def look(*arguments: object, **environment: str) -> Report:
        result = mainstay("doctor", "--json", *arguments, **environment)
        report = json.loads(result.stdout)
        failed = [found for found in report["checks"] if found["state"] == "failed"]
        assert (result.returncode, report["ok"], result.stderr) == (1 if failed else 0, not failed, "")
        checks: Report = {}
        for found in report["checks"]:
            checks.setdefault(found["check"], []).append(found)
        return checks

    return look
