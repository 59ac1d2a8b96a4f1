"""What a fresh checkout promises: how soon it serves, what git leaves out, what a run of the tests leaves: nothing."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[3]
READY_SECONDS = 10.0
ATTEMPTS = 3
"""The quickest counts. Three are promised, on a machine that does nothing else; the one that runs tests is busy."""
ONE_TEST = "src/mainstay/kernel/core/clock_test.py"


@pytest.mark.parametrize("app_env", ["dev", "qa"])
def test_it_serves_at_once_in_an_empty_folder(app_env: str, tmp_path: Path, serve: Callable[..., Any]) -> None:
    seconds = []
    for attempt in range(ATTEMPTS):
        started = time.monotonic()
        server = serve(APP_ENV=app_env, DATABASE_URL="", DATA_DIR=str(tmp_path / str(attempt)))
        url = server.url.partition('"')[0]  # in qa the line that tells it is JSON
        assert httpx.get(f"{url}/readyz").status_code == 200
        seconds.append(time.monotonic() - started)
        assert server.stop() == 0
        if seconds[-1] < READY_SECONDS:
            return
    pytest.fail(f"it took {seconds} s")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(
    ("name", "left_out"), [(".env", True), (".env.dev", True), (".env.prod", True), (".env.example", False)]
)
def test_git_leaves_out_what_holds_secrets(name: str, left_out: bool, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    ignored = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=tmp_path, check=False)
    assert (ignored.returncode == 0) == left_out


@pytest.mark.parametrize("name", ["dev", "test"])
def test_hatch_runs_what_make_runs(name: str) -> None:
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["envs"]["default"]
    assert hatch["installer"] == "uv"
    assert hatch["env-vars"]["UV_CONSTRAINT"] == "requirements.lock"
    (made,) = re.findall(rf"^{name}: .*\n\t@\$\(RUN\) (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert hatch["scripts"][name].removesuffix(" {args}") == made.removesuffix(" $(PYTEST_ARGS)")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a run of the tests needs, which nobody else writes into."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scripts", copy / "scripts")
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def files(folder: Path) -> set[str]:
    """All that is there, but for what Python compiles."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_two_runs_of_the_tests_at_once_leave_nothing_behind(checkout: Path, tmp_path: Path) -> None:
    """What a run writes goes to a temporary folder, which goes at its end."""
    before, scratch = files(checkout), tmp_path / "scratch"
    scratch.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    command = [sys.executable, "scripts/run_tests.py", "--numprocesses=0", "--quiet", ONE_TEST]
    with ExitStack() as stack:
        runs = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=checkout,
                    env={**inherited, "TMPDIR": str(scratch)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
            for _ in range(2)
        ]
        said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert list(scratch.iterdir()) == []
    assert files(checkout) == before
