"""docs/tutorial.md, done in a copy of the checkout: what it says to write is written, what it says to run is run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mainstay.settings import SERVICES
from tests.docs_test import ADDRESS, Block, assert_answer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
STEP = re.compile(r"(?:^`([^`\n]+)`\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRITTEN = ["new", "service", "notes", "--field", "title:str", "--field", "body:text?"]
PROGRAMS = Path(sys.executable).parent


class Step(NamedTuple):
    """A block of the page; `file` is where its text goes, if it is a file's."""

    file: str
    block: Block


STEPS = [Step(file, Block(language, text)) for file, language, text in STEP.findall(PAGE)]


class Copy:
    """The checkout's files once more, in a repository of their own, with commands that run what is there."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "PYTHONPATH": str(folder / "src"),  # before the checkout that this Python has installed
            "DATABASE_URL": database_url,
            "TEST_DATABASE_URL": database_url,
        }
        names = self.run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
        for name in filter(os.path.isfile, map(str, names)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        self.run("git", "init", "--quiet")

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """What it prints; fails where it does."""
        ended = subprocess.run(
            command, cwd=cwd or self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def follow(self, step: Step) -> None:
        """Write a file, apply a difference or run commands."""
        if step.file:
            (self.folder / step.file).parent.mkdir(exist_ok=True)
            (self.folder / step.file).write_text(step.block.text)
        elif step.block.language == "diff":
            (self.folder / "step.diff").write_text(step.block.text)
            self.run("git", "apply", "step.diff")
        else:
            for line in step.block.text.splitlines():
                self.run("bash", "-euc", line.removeprefix(".venv/bin/"))


OF_OURS_ALONE = pytest.mark.skipif(
    set(SERVICES) != {"pets", "tasks", "configs", "orders", "users"},
    reason="its differences are those from the services that the program comes with",
)


@pytest.fixture
def copy(tmp_path: Path, empty_database_url: str) -> Copy:
    (tmp_path / "copy").mkdir()
    return Copy(tmp_path / "copy", empty_database_url)


def answered() -> Iterator[tuple[Step, Block]]:
    """The calls that the page makes, with the answers that it shows."""
    for step, after in pairwise(STEPS):
        if after.block.language in {"http", "json"}:
            yield step, after.block


def followed() -> list[Step]:
    """All other steps but the last command, which runs tests."""
    calls = {step for step, _ in answered()}
    return [step for step in STEPS if step not in calls and step.block.language not in {"http", "json"}]


@OF_OURS_ALONE
def test_the_service_that_is_written_by_hand_answers_as_it_is_shown(
    copy: Copy, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # the copy's code is not what is measured
    *steps, conformance = followed()
    assert "pytest" in conformance.block.text
    for step in steps:
        copy.follow(step)
    server = serve(PYTHONPATH=copy.environment["PYTHONPATH"], DATABASE_URL=copy.environment["DATABASE_URL"])
    calls = list(answered())
    assert len(calls) >= 2
    for call, answer in calls:
        assert_answer(copy.run("bash", "-euc", call.block.text.replace(ADDRESS, server.url)), answer)


@OF_OURS_ALONE
@pytest.mark.long
@pytest.mark.timeout(300)
def test_it_keeps_what_holds_for_all(copy: Copy) -> None:
    for step in followed():
        copy.follow(step)


def test_the_command_writes_what_the_page_does(copy: Copy) -> None:
    copy.run("mainstay", *WRITTEN, "--force")
    files = [step for step in STEPS if step.file and not step.file.endswith("__init__.py")]
    assert len(files) == 7
    for step in files:
        assert (copy.folder / step.file).read_text() == step.block.text, step.file
