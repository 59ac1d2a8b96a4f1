"""The checkout that a service is written into: all of it, or nothing."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import mainstay

MARKS = ("pyproject.toml", "tests/conformance/resources.py", "src/mainstay/app/services.py")
"""What a checkout has, and an installed program has not."""

Files = Mapping[str, str | None]
"""Texts by their paths in the checkout; None for a file that is to go."""


class CheckoutError(Exception):
    """It cannot be done here. The message says why, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The repository that this program runs from."""

    root: Path

    @classmethod
    def of_this_program(cls) -> "Checkout":
        """The one that it was started in. Raises CheckoutError where it was installed without."""
        package = Path(mainstay.__file__).resolve().parent
        root = package.parents[1]
        if not all((root / mark).is_file() for mark in MARKS) or root / "src" / "mainstay" != package:
            raise CheckoutError("This program was installed, it is no checkout: clone the repository and run it there.")
        return cls(root)

    def read(self, path: str) -> str:
        """A file. Raises CheckoutError where it cannot be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckoutError(f"{path}: it cannot be read: {error}") from error

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return (self.root / path).exists()

    def files_in(self, folder: str) -> list[str]:
        """Every file below a folder, but what Python leaves behind."""
        found = (path for path in (self.root / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def uncommitted(self, paths: Iterable[str]) -> list[str]:
        """Those of the paths that differ from what is committed; none where git does not know."""
        if not (self.root / ".git").exists() or shutil.which("git") is None:
            return []
        command = ["git", "status", "--porcelain", "--", *paths]
        told = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False).stdout
        return [line[3:] for line in told.splitlines()]

    def formatted(self, files: Mapping[str, str]) -> dict[str, str]:
        """Python as this repository writes it, without imports that nothing needs. Raises CheckoutError."""
        ruff = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))
        if ruff is None:
            raise CheckoutError("There is no ruff in this environment: run make install.")
        with tempfile.TemporaryDirectory(prefix="mainstay-new-") as folder:
            for path, text in files.items():
                _write(Path(folder) / path, text)
            shutil.copy(self.root / "pyproject.toml", folder)
            sorted_ = [
                "check",
                "--fix",
                "--select=I,F401",
                '--config=lint.isort.known-first-party=["mainstay", "tests"]',
            ]
            for arguments in (sorted_, ["format"]):
                command = [ruff, *arguments, "--quiet", "--no-cache", "--no-respect-gitignore", "."]
                ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
                if ended.returncode:
                    raise CheckoutError(f"ruff does not take what was to be written: {ended.stdout}{ended.stderr}")
            return {path: (Path(folder) / path).read_text(encoding="utf-8") for path in files}

    def write(self, files: Files) -> None:
        """Write them all, or, where one cannot be written, leave everything as it was. Raises CheckoutError."""
        before: dict[str, str | None] = {}
        try:
            before |= {path: self.read(path) if self.exists(path) else None for path in files}
            for path, text in files.items():
                self._put(path, text)
        except BaseException as error:  # Ctrl-C too
            for path, text in before.items():
                with suppress(OSError):  # of the one that cannot be written
                    self._put(path, text)
            if isinstance(error, OSError):
                raise CheckoutError(f"{error.filename}: {error.strerror}; nothing was changed") from error
            raise

    def _put(self, path: str, text: str | None) -> None:
        """Folders come with their first file and go with their last."""
        file = self.root / path
        if text is not None:
            _write(file, text)
            return
        file.unlink(missing_ok=True)
        if all(left.name == "__pycache__" for left in file.parent.iterdir()):
            shutil.rmtree(file.parent)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
