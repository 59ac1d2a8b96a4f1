"""docs/security.md: what it says to be tested is tested by what it names."""

import re
from pathlib import Path

import pytest

from tests.frd_test import NAMED, exists

PAGE = (Path(__file__).parents[1] / "docs" / "security.md").read_text()
CHAPTERS = dict(chapter.split("\n", 1) for chapter in PAGE.split("\n## ")[1:])
WITHOUT_TESTS = ("How to report", "What is defended", "What is not defended")
POINT = re.compile(r"^- .*(?:\n  .*)*", re.MULTILINE)


def test_every_test_that_it_names_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 50
    assert [name for name in named if not exists(name) and not (Path(__file__).parents[1] / name).is_file()] == []


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name not in WITHOUT_TESTS])
def test_every_point_names_a_test(chapter: str) -> None:
    points = POINT.findall(CHAPTERS[chapter]) or [CHAPTERS[chapter]]
    assert [point for point in points if not NAMED.search(point)] == []


@pytest.mark.parametrize("chapter", WITHOUT_TESTS)
def test_the_others_promise_nothing_of_the_program(chapter: str) -> None:
    assert not [name for name in NAMED.findall(CHAPTERS[chapter]) if "::" in name]
