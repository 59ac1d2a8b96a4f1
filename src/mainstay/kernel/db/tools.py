"""PostgreSQL's client programs (pg_dump, pg_restore, psql): the wheel's where they will do, else the machine's own."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mainstay.kernel.db.embedded import binary

_WHEEL = {16: "pginstall", 18: "pginstall18"}
"""Releases that the wheel has, and where. They are built without TLS."""

_RELEASE = re.compile(r"\(PostgreSQL\) (\d+)")


class ToolsError(Exception):
    """There are no tools for a server; the message says which to install."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs of one release. They work on servers of that release and of older ones."""

    release: int
    folder: Path

    def path(self, name: str) -> str:
        """Of one of them."""
        return str(self.folder / name)


def tools_for(release: int, *, encrypted: bool) -> Tools:
    """Tools for a server. Raises ToolsError where there are none.

    `encrypted`: our own connection to it is. The tools of the wheel cannot encrypt theirs, and must not do with less.
    """
    candidates: list[Tools] = [*(() if encrypted else _of_wheel()), *_of_machine()]
    for tools in candidates:
        if tools.release >= release:
            return tools
    why = "over TLS, which the tools that come along cannot" if encrypted else "newer than the tools that come along"
    found = f"on the PATH are those of {candidates[-1].release}" if candidates else "there are none on the PATH"
    raise ToolsError(
        f"The server is PostgreSQL {release}, {why}; {found}. Install pg_dump, pg_restore and psql of PostgreSQL "
        f"{release} or newer (postgresql-client), and have them on the PATH."
    )


def _of_wheel() -> Iterator[Tools]:
    for release, folder in _WHEEL.items():
        yield Tools(release, binary("pg_dump", folder).parent)


def _of_machine() -> Iterator[Tools]:
    found = shutil.which("pg_dump")
    if found is None:
        return
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    if release := _RELEASE.search(told):
        yield Tools(int(release[1]), Path(found).parent)
