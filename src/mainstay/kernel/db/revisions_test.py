from pathlib import Path

import pytest

from mainstay.kernel.db.revisions import LOCATION, MigrationError, load


def add(folder: Path, name: str, text: str) -> None:
    (folder / "versions").mkdir(exist_ok=True)
    (folder / "versions" / f"{name}.py").write_text(text)


def following(revision: str, after: str | None) -> str:
    return f"import os\n\nrevision = {revision!r}\ndown_revision = {after!r}\nother = os.sep + ''\n"


def test_ours_come_in_the_order_of_their_names() -> None:
    files = load(LOCATION)
    assert [file.path for file in files] == sorted((LOCATION / "versions").glob("*.py"))
    assert [file.follows for file in files] == [None, *(file.revision for file in files[:-1])]


def test_they_come_in_the_order_in_which_they_follow_each_other(tmp_path: Path) -> None:
    for revision, after in (("a", "c"), ("b", None), ("c", "b")):
        add(tmp_path, revision, following(revision, after))
    assert [file.revision for file in load(tmp_path)] == ["b", "c", "a"]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert load(tmp_path) == []


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ([("two", "one"), ("three", "one")], "three.py"),  # two after one
        ([("two", "gone")], "two.py"),
        ([("two", "three"), ("three", "two")], "three.py, two.py"),  # a ring
        ([("two", None)], "one.py"),
        ([("two", "two")], "two.py"),
    ],
)
def test_what_is_not_one_line_is_refused_by_name(
    tmp_path: Path, others: list[tuple[str, str | None]], named: str
) -> None:
    add(tmp_path, "one", following("one", None))
    for revision, after in others:
        add(tmp_path, revision, following(revision, after))
    with pytest.raises(MigrationError, match=f"mend the down_revision of {named}"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "revision = 'one'\n", "down_revision = None\n", "revision = make()\ndown_revision = None\n", "1 +", "\0"],
)
def test_a_file_that_does_not_say_what_it_is_is_refused_by_name(tmp_path: Path, text: str) -> None:
    add(tmp_path, "one", text)
    with pytest.raises(MigrationError, match=r"one\.py has no revision and down_revision that can be read"):
        load(tmp_path)


def test_a_checksum_is_of_the_text_but_not_of_what_editors_change(tmp_path: Path) -> None:
    sums = []
    for text in ("a = 1\nb = 2\n", "a = 1  \r\nb = 2\n\n", "a = 1\nb = 3\n"):
        add(tmp_path, "one", following("one", None) + text)
        sums.append(load(tmp_path)[0].checksum())
    assert sums[0] == sums[1] != sums[2]
