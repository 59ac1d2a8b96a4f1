"""docs/FRD.md: every promise has an id of its own and names tests that exist. Each rule is seen to fail on a sample."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ITEM = re.compile(r"^[-*+] .*(?:\n(?!\n|[-*+] |#).*)*", re.MULTILINE)
"""A line of the list, with those that belong to it."""
CHAPTERS = {
    "P": "Platform",
    "PET": "Pets",
    "TASK": "Tasks",
    "CONF": "Configs",
    "ORDER": "Orders",
    "USER": "Users",
    "AUTH": "Auth",
}
PROMISE = re.compile(rf"- \*\*({'|'.join(CHAPTERS)})-([A-Z]+)-([1-9]\d*)\*\* ([A-Z`/].+)", re.DOTALL)
NAMED = re.compile(r"`((?:(?:src|tests)/|migrations_test)[^`\s]+)`")
PYTHON_TEST = re.compile(r"((?:(?:src|tests)/[\w/]+|migrations)_test\.py)::(test_\w+)")
HURL_TEST = re.compile(r"tests/hurl/\w+\.hurl")

Rule = Callable[[str], Iterator[str]]
"""Takes the document; gives what breaks the rule."""


def items(text: str) -> list[str]:
    return ITEM.findall(text)


def promise_id(item: str) -> str:
    found = PROMISE.match(item)
    return "-".join(found.groups()[:3]) if found else item.splitlines()[0]


def without_form(text: str) -> Iterator[str]:
    """An item has an id and says something, and ends it with a full stop before its tests."""
    for item in items(text):
        if not PROMISE.match(item) or not NAMED.split(item)[0].rstrip().endswith("."):
            yield promise_id(item)


def without_test(text: str) -> Iterator[str]:
    """An item names at least one test."""
    yield from (promise_id(item) for item in items(text) if not NAMED.search(item))


def unknown_tests(text: str) -> Iterator[str]:
    """What an item names is a test that pytest collects, or a Hurl file."""
    yield from (name for item in items(text) for name in NAMED.findall(item) if not exists(name))


def named_twice(text: str) -> Iterator[str]:
    """An item names a test once."""
    for item in items(text):
        names = NAMED.findall(item)
        yield from {name for name in names if names.count(name) > 1}


def out_of_order(text: str) -> Iterator[str]:
    """Numbers rise within a group, whose lines stand together; a number that is left out was withdrawn."""
    last: dict[str, int] = {}
    group_before = ""
    for item in items(text):
        if found := PROMISE.match(item):
            group, number = f"{found[1]}-{found[2]}", int(found[3])
            if number <= last.get(group, 0) or (group in last and group != group_before):
                yield promise_id(item)
            last[group], group_before = number, group


def in_another_chapter(text: str) -> Iterator[str]:
    """An id begins as the ids of its chapter do."""
    for chapter in text.split("\n## ")[1:]:
        title = chapter.partition("\n")[0]
        for item in items(chapter):
            if (found := PROMISE.match(item)) and CHAPTERS[found[1]] != title:
                yield promise_id(item)


def exists(name: str) -> bool:
    if HURL_TEST.fullmatch(name):
        return (ROOT / name).is_file()
    found = PYTHON_TEST.fullmatch(name)
    return found is not None and found[2] in functions_of(ROOT / found[1])


@cache
def functions_of(file: Path) -> set[str]:
    """The names of the test functions of a file: of its own, as pytest collects them."""
    return collected(file.read_text()) if file.is_file() else set()


def collected(code: str) -> set[str]:
    functions = (node for node in ast.parse(code).body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {node.name for node in functions if node.name.startswith("test_")}


RULES: list[Rule] = [without_form, without_test, unknown_tests, named_twice, out_of_order, in_another_chapter]


@pytest.mark.parametrize("rule", RULES)
def test_the_document_keeps_the_rule(rule: Rule) -> None:
    assert list(rule((ROOT / "docs" / "FRD.md").read_text())) == []


def test_there_is_something_to_look_at() -> None:
    text = (ROOT / "docs" / "FRD.md").read_text()
    assert len(items(text)) > 100
    assert re.findall("^## (.*)$", text, re.MULTILINE) == list(CHAPTERS.values())
    assert len(items(text)) == len(re.findall(r"^[-*+] ", text, re.MULTILINE))


TEST = "`tests/frd_test.py::test_there_is_something_to_look_at`"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (without_form, f"- It is green.\n  {TEST}"),
        (without_form, f"- **P-1** It is green.\n  {TEST}"),
        (without_form, f"- **DOG-ERR-1** It is green.\n  {TEST}"),
        (without_form, f"- **P-ERR-0** It is green.\n  {TEST}"),
        (without_form, f"- **P-ERR-1** It is green\n  {TEST}"),
        (without_form, f"- **P-ERR-1** {TEST}"),
        (without_form, f"* **P-ERR-1** It is green.\n  {TEST}"),
        (without_test, "- **P-ERR-1** It is green."),
        (without_test, "- **P-ERR-1** It is green.\n  `make test`"),
        (without_test, f"- **P-ERR-1** It is green.\n\n{TEST}"),
        (without_test, f"- **P-ERR-1** It is green.\n- **P-ERR-2** It is blue.\n  {TEST}"),
        (unknown_tests, "- **P-ERR-1** It is green.\n  `tests/frd_test.py`"),
        (unknown_tests, "- **P-ERR-1** It is green.\n  `tests/frd_test.py::test_green`"),
        (unknown_tests, "- **P-ERR-1** It is green.\n  `tests/frd_test.py::items`"),
        (unknown_tests, "- **P-ERR-1** It is green.\n  `tests/green_test.py::test_there_is_something_to_look_at`"),
        (unknown_tests, f"- **P-ERR-1** It is green.\n  {TEST}\n  `src/mainstay/settings.py::test_it`"),
        (unknown_tests, "- **P-ERR-1** It is green.\n  `tests/hurl/green.hurl`"),
        (named_twice, f"- **P-ERR-1** It is green.\n  {TEST}\n  {TEST}"),
        (out_of_order, "- **P-ERR-1** It is green.\n- **P-ERR-1** It is blue."),
        (out_of_order, "- **P-ERR-2** It is green.\n- **P-ERR-1** It is blue."),
        (out_of_order, "- **P-ERR-1** It is green.\n- **P-KEY-1** It is blue.\n- **P-ERR-2** It is red."),
        (in_another_chapter, "\n## Pets\n\n- **P-ERR-1** It is green."),
        (in_another_chapter, "\n## Platform\n\n## Dogs\n\n- **PET-ONE-1** It is green."),
    ],
)
def test_the_rule_is_seen_to_be_broken(rule: Rule, text: str) -> None:
    assert list(rule(text))


@pytest.mark.parametrize("rule", RULES)
def test_the_rules_let_a_good_document_through(rule: Rule) -> None:
    good = f"- **P-ERR-1** It is\n  green.\n  {TEST}\n- **P-ERR-3** `x` is blue.\n  {TEST}\n"
    other = f"- **PET-ONE-1** It is red.\n  {TEST}\n"
    assert list(rule(f"# Title\n\nWords.\n\n## Platform\n\n### Errors\n\n{good}\n## Pets\n\n{other}")) == []


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("def test_a(): ...\nasync def test_b(): ...", {"test_a", "test_b"}),
        ("def check(): ...\nTEST = 1\n# def test_a(): ...", set()),
        ("def a():\n    def test_a(): ...", set()),
        ("class A:\n    def test_a(self): ...", set()),
        ("from x import test_a", set()),
    ],
)
def test_a_test_is_a_function_that_is_collected(code: str, names: set[str]) -> None:
    assert collected(code) == names
