from collections.abc import Callable
from pathlib import Path

import pytest

from mainstay.kernel.db.tools import ToolsError, tools_for

Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a pg_dump on the PATH that says of itself what it is told to, and nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(version: str) -> Path:
        program = tmp_path / "pg_dump"
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
        return tmp_path

    return install


@pytest.mark.parametrize(("release", "tools"), [(15, 16), (16, 16), (17, 18), (18, 18)])
def test_the_wheel_has_tools_for_its_releases_and_older_ones(install: Install, release: int, tools: int) -> None:
    install("pg_dump (PostgreSQL) 19.1")
    found = tools_for(release, encrypted=False)
    assert (found.release, Path(found.path("psql")).exists()) == (tools, True)


def test_for_a_newer_server_those_of_the_machine_are_taken(install: Install) -> None:
    folder = install("pg_dump (PostgreSQL) 19.1 (Debian 19.1-1)")
    found = tools_for(19, encrypted=False)
    assert (found.release, found.path("psql")) == (19, str(folder / "psql"))


def test_where_we_encrypt_so_have_they_to(install: Install) -> None:
    folder = install("pg_dump (PostgreSQL) 16.2")
    assert tools_for(15, encrypted=True).folder == folder


@pytest.mark.parametrize(
    ("version", "release", "encrypted", "said"),
    [
        ("pg_dump (PostgreSQL) 18.9", 19, False, "newer than the tools.* those of 18.*PostgreSQL 19 or newer"),
        ("pg_dump (PostgreSQL) 15.9", 16, True, "TLS.*on the PATH are those of 15.*PostgreSQL 16 or newer"),
        ("something else", 16, True, "TLS.*there are none on the PATH.*postgresql-client"),
        (None, 16, True, "TLS.*there are none on the PATH"),
        (None, 19, False, "newer than the tools"),
    ],
)
def test_where_there_are_none_it_says_which_to_install(
    install: Install, version: str | None, release: int, encrypted: bool, said: str
) -> None:
    if version is not None:
        install(version)
    with pytest.raises(ToolsError, match=said):
        tools_for(release, encrypted=encrypted)
