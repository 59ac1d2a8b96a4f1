"""The files of the schema's migrations, read without Alembic: every start asks which is the newest."""

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path

LOCATION = Path(__file__).parents[2] / "migrations"


class MigrationError(Exception):
    """A migration cannot go on. The message says why, and what to do about it."""


@dataclass(frozen=True, slots=True)
class File:
    """One migration."""

    path: Path
    revision: str
    follows: str | None

    def checksum(self) -> str:
        """Of the text, without what an editor or Git may change: line endings and blanks at the end of a line."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return hashlib.sha256("\n".join(line.rstrip() for line in lines).strip().encode()).hexdigest()


def load(location: Path) -> list[File]:
    """All of them, the oldest first. Raises MigrationError where they are not one line."""
    found = [_read(path) for path in sorted((location / "versions").glob("*.py"))]
    next_after = {file.follows: file for file in found}
    line: list[File] = []
    revision: str | None = None
    while file := next_after.pop(revision, None):
        line.append(file)
        revision = file.revision
    if len(line) != len(found):
        names = ", ".join(file.path.name for file in found if file not in line)
        raise MigrationError(
            f"The migrations are not one line, each following one other: mend the down_revision of {names}."
        )
    return line


def _read(path: Path) -> File:
    """What a file says of itself. Raises MigrationError where it does not."""
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        said = {ast.unparse(line.targets[0]): line.value for line in body if isinstance(line, ast.Assign)}
        return File(path, ast.literal_eval(said["revision"]), ast.literal_eval(said["down_revision"]))
    except (ValueError, KeyError, SyntaxError) as error:
        raise MigrationError(
            f"The migration {path.name} has no revision and down_revision that can be read: {error}."
        ) from error
