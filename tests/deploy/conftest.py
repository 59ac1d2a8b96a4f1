"""Starts what a container would start, as a process: the image's command and environment, on the test's database."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.deploy.documents import image

STOP_SECONDS = 15.0


class Container:
    """A process that has the environment of the image and of its service, and nothing of this machine's."""

    def __init__(self, folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.folder = folder
        here = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "HOME": str(folder), "DATA_DIR": str(folder)}
        coverage = {name: os.environ[name] for name in ("COVERAGE_PROCESS_CONFIG",) if name in os.environ}
        self._environment = {**image().pairs("ENV"), **environment, **here, **coverage}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return (self.folder / "log").read_text()

    @property
    def address(self) -> str | None:
        """Where it listens, as soon as it says so; fails the test where it has ended."""
        if self.process.poll() is not None:
            pytest.fail(f"it ended with {self.process.returncode}:\n{self.log}")
        _, _, rest = self.log.partition("listening on ")
        return rest.split()[0].replace("0.0.0.0", "127.0.0.1") if rest.split() else None  # noqa: S104 - what it prints

    def stop(self) -> int:
        """As `docker stop` does; the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def execute(self, command: Sequence[str], **environment: str) -> int:
        """Run another program beside it, as a health check is run; the exit code."""
        return subprocess.run(
            command, env={**self._environment, **environment}, check=False, capture_output=True
        ).returncode


@pytest.fixture
def contain(tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Starts them, each in a folder of its own, and ends what is left of them."""
    started: list[Container] = []

    def start(command: Sequence[str], **environment: str) -> Container:
        folder = tmp_path / f"container-{len(started)}"
        folder.mkdir()
        started.append(Container(folder, command, environment))
        return started[-1]

    yield start
    for container in started:
        container.process.kill()
        container.process.wait()
