"""The parts that need no server. What needs one is in tests/integration/configs."""

import re
from pathlib import Path

import pytest

from mainstay.kernel.db.migrations import DatabaseAheadError
from mainstay.kernel.db.revisions import MigrationError
from mainstay.services.configs.migrations import LOCATION, Applied, File, Row, load, pending

FILES = [File(1, "0001_init", "SELECT 1"), File(2, "0002_more", "SELECT 2"), File(3, "0003_most", "SELECT 3")]


def applied(*files: File) -> Applied:
    return {file.version: Row(file.name, file.checksum) for file in files}


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("SELECT 1")
    return folder


# The files


def test_our_own_are_in_order() -> None:
    assert [file.name for file in load(LOCATION)] == [path.stem for path in sorted(LOCATION.iterdir())]


@pytest.mark.parametrize("file", load(LOCATION), ids=lambda file: file.name)
def test_our_own_leave_the_transaction_to_the_runner(file: File) -> None:
    assert not re.search(r"\b(BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|CONCURRENTLY)\b", file.sql, re.IGNORECASE)


def test_the_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write(tmp_path, "0002_b.sql", "0001_z.sql", "0003_a.sql", "README.md")
    assert [(file.version, file.name) for file in load(tmp_path)] == [(1, "0001_z"), (2, "0002_b"), (3, "0003_a")]


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["0001_a.sql", "0003_c.sql"], "0002_.*0003_c"),
        (["0002_b.sql"], "0001_.*0002_b"),
        (["0000_a.sql", "0001_b.sql"], "0001_.*0000_a"),
        (["0001_a.sql", "0001_b.sql"], "0002_.*0001_b"),
    ],
)
def test_a_gap_is_named(tmp_path: Path, names: list[str], named: str) -> None:
    with pytest.raises(MigrationError, match=named):
        load(write(tmp_path, *names))


@pytest.mark.parametrize("name", ["1_a.sql", "0002-b.sql", "0002_.sql", "0002_B.sql", "00002_b.sql", "b.sql"])
def test_a_file_with_another_kind_of_name_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationError, match=re.escape(name)):
        load(write(tmp_path, "0001_a.sql", name))


@pytest.mark.parametrize("content", [b"SELECT '\xff'", b"\xff\xfeS\0", b"SELECT '\0'", b"\0"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0001_init.sql").write_bytes(content)
    with pytest.raises(MigrationError, match=r"^0001_init\.sql "):
        load(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "0001_init.sql").mkdir()
    with pytest.raises(MigrationError, match=r"^0001_init\.sql cannot be read"):
        load(tmp_path)


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no migrations"):
        load(tmp_path)


def test_the_checksum_is_of_the_text_whatever_its_line_endings(tmp_path: Path) -> None:
    for folder, text in (("a", b"SELECT 1;\n\n"), ("b", b"SELECT 1;\r\n\r\n"), ("c", b"SELECT 2;\n\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0001_a.sql").write_bytes(text)
    unix, windows, other = (load(tmp_path / folder)[0].checksum for folder in "abc")
    assert unix == windows
    assert unix != other


# What is to be done


def test_what_is_not_applied_is_pending() -> None:
    assert pending(FILES, {}) == FILES
    assert pending(FILES, applied(*FILES[:1])) == FILES[1:]
    assert pending(FILES, applied(*FILES)) == []


@pytest.mark.parametrize("changed", [1, 2])
def test_a_changed_file_is_named(changed: int) -> None:
    before = [file._replace(sql="SELECT 0") if file.version == changed else file for file in FILES[:2]]
    with pytest.raises(MigrationError, match=f"{FILES[changed - 1].name} was changed") as raised:
        pending(FILES, applied(*before))
    assert len(str(raised.value).splitlines()) == 1


def test_all_changed_files_are_named() -> None:
    with pytest.raises(MigrationError) as raised:
        pending(FILES, applied(*(file._replace(sql="SELECT 0") for file in FILES)))
    assert [line.split()[1] for line in str(raised.value).splitlines()] == [file.name for file in FILES]


def test_a_renamed_file_is_named_by_both_names() -> None:
    with pytest.raises(MigrationError, match="0001_init was applied as 0001_start"):
        pending(FILES, applied(FILES[0]._replace(name="0001_start")))


def test_one_that_was_passed_over_is_named() -> None:
    with pytest.raises(MigrationError, match="0001_init is not applied, but a later one is"):
        pending(FILES, applied(FILES[1]))


def test_more_than_there_are_files_is_a_newer_program() -> None:
    with pytest.raises(DatabaseAheadError, match="0003_most"):
        pending(FILES[:2], applied(*FILES))


def test_a_changed_file_counts_for_more_than_a_newer_program() -> None:
    with pytest.raises(MigrationError, match="0001_init was changed") as raised:
        pending(FILES[:2], applied(FILES[0]._replace(sql=""), *FILES[1:]))
    assert not isinstance(raised.value, DatabaseAheadError)
