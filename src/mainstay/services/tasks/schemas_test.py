import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mainstay.kernel.core.page import Item, Page
from mainstay.services.tasks.domain import READ_ONLY, EmptyUpdate, ReadOnlyField, Task
from mainstay.services.tasks.repository import ITEM_FIELDS
from mainstay.services.tasks.schemas import (
    EMPTY_REFUSED,
    READ_ONLY_REFUSED,
    SearchText,
    TaskIn,
    TaskPatch,
    Title,
    task_out,
    task_page,
)

WHOLE: TypeAdapter[TaskIn] = TypeAdapter(Annotated[TaskIn, READ_ONLY_REFUSED])
PART: TypeAdapter[TaskPatch] = TypeAdapter(Annotated[TaskPatch, READ_ONLY_REFUSED, EMPTY_REFUSED])
BOTH = pytest.mark.parametrize("schema", [WHOLE, PART], ids=["whole", "part"])
TITLE: TypeAdapter[str] = TypeAdapter(Title)
WORDS: TypeAdapter[str] = TypeAdapter(SearchText)
MINIMAL = {"title": "Fix bug"}
DEFAULTS = {"description": None, "status": "new", "priority": 3, "assignee": None, "due_date": None}
DUE = date(2026, 12, 1)
AT = datetime(2026, 1, 2, tzinfo=UTC)
DONE = Task(7, "Fix bug", "Since Monday", "completed", 5, "ada", DUE, AT, AT + timedelta(1), AT + timedelta(1), 3)
ON_THE_WIRE = {
    "id": 7,
    "title": "Fix bug",
    "description": "Since Monday",
    "status": "completed",
    "priority": 5,
    "assignee": "ada",
    "due_date": DUE,
    "created_at": AT,
    "updated_at": AT + timedelta(1),
    "completed_at": AT + timedelta(1),
    "version": 3,
}
SPACE = " \t\n\u00a0\u2003"

GOOD: list[tuple[str, object, object]] = [
    *(("title", title, title) for title in ("a", "x" * 200, "😀" * 200, " kept as sent\n", SPACE + "x" * 200 + SPACE)),
    *(("description", text, text) for text in (None, "", " ", "x" * 4000, "😀" * 4000, "a\nb")),
    *(("status", status, status) for status in ("new", "in_progress", "completed")),
    *(("priority", priority, priority) for priority in (1, 2, 3, 4, 5)),
    *(("assignee", name, name) for name in (None, "a", " ", "x" * 100, "😀" * 100)),
    *(("due_date", text, date.fromisoformat(text)) for text in ("0001-01-01", "2024-02-29", "9999-12-31")),
    ("due_date", None, None),
]
NO_TEXT: list[object] = [7, True, ["a"], {}, b"a"]
BAD_PRIORITIES: list[object] = [0, 6, -1, "3", 3.0, 2.5, True, None, [], 2**63]
BAD_DATES: list[object] = ["", "2026-02-29", "2026-1-1", "2026-12-01T00:00:00", "20261201", 0, 1764547200, True, []]
BAD: list[tuple[str, object]] = [
    *(("title", title) for title in ("", " ", SPACE, "x" * 201, " " + "😀" * 201, None, *NO_TEXT)),
    *(("description", text) for text in ("x" * 4001, *NO_TEXT)),
    *(("status", status) for status in ("done", "NEW", "new ", "in progress", "", None, 1, True, ["new"])),
    *(("priority", priority) for priority in BAD_PRIORITIES),
    *(("assignee", name) for name in ("", "x" * 101, *NO_TEXT)),
    *(("due_date", day) for day in BAD_DATES),
    *((field, 1) for field in ("colour", "Title", "search_text", "")),
]


def brief(value: object) -> str | None:
    """A long text by its length, in the name of a test."""
    return f"{len(value)}-characters" if isinstance(value, str) and len(value) > 50 else None


@BOTH
@pytest.mark.parametrize(("field", "value", "taken"), GOOD, ids=brief)
def test_takes(schema: TypeAdapter[Any], field: str, value: object, taken: object) -> None:
    assert dict(schema.validate_python({**MINIMAL, field: value}))[field] == taken


@BOTH
@pytest.mark.parametrize(("field", "value"), BAD, ids=brief)
def test_refuses_and_names_the_field(schema: TypeAdapter[Any], field: str, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        schema.validate_python({**MINIMAL, field: value})
    assert {error["loc"][0] for error in raised.value.errors()} == {field}


@BOTH
@pytest.mark.parametrize("value", [None, [], "Fix bug", 7, True])
def test_refuses_what_is_no_object(schema: TypeAdapter[Any], value: object) -> None:
    with pytest.raises(ValidationError):
        schema.validate_python(value)


@pytest.mark.parametrize("body", [{}, {"priority": 4}])
def test_a_whole_task_needs_a_title(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        WHOLE.validate_python(body)
    assert [(error["loc"], error["type"]) for error in raised.value.errors()] == [(("title",), "missing")]


def test_in_a_whole_task_what_is_left_out_has_its_default() -> None:
    assert dict(WHOLE.validate_python(MINIMAL)) == {**MINIMAL, **DEFAULTS}


def test_in_a_part_what_is_left_out_stays_out() -> None:
    assert PART.validate_python({"assignee": None}) == {"assignee": None}


def test_a_part_of_nothing_is_refused() -> None:
    with pytest.raises(EmptyUpdate):
        PART.validate_python({})


def named(refused: ReadOnlyField) -> list[tuple[list[str], str]]:
    """What is refused, and why."""
    errors: Any = refused.details["errors"]
    return [(error["loc"], error["type"]) for error in errors]


@BOTH
@pytest.mark.parametrize("field", READ_ONLY)
@pytest.mark.parametrize("value", [None, 1, "2026-01-02T00:00:00Z", ON_THE_WIRE])
def test_what_only_the_service_sets_is_refused_by_name_whatever_is_sent(
    schema: TypeAdapter[Any], field: str, value: object
) -> None:
    with pytest.raises(ReadOnlyField) as raised:
        schema.validate_python({field: value})
    assert named(raised.value) == [(["body", field], "read_only_field")]


@BOTH
def test_a_task_sent_back_as_it_was_read_is_told_all_that_it_has_to_leave_out(schema: TypeAdapter[Any]) -> None:
    with pytest.raises(ReadOnlyField) as raised:
        schema.validate_python(ON_THE_WIRE)
    sent = [field for field in READ_ONLY if field in ON_THE_WIRE]
    assert named(raised.value) == [(["body", field], "read_only_field") for field in sent]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as raised:
        WHOLE.validate_python({"title": "", "priority": "7", "status": None, "due_date": "soon", "colour": "black"})
    assert {error["loc"][0] for error in raised.value.errors()} == {"title", "priority", "status", "due_date", "colour"}


def accepts(adapter: TypeAdapter[str], text: str) -> bool:
    try:
        return adapter.validate_python(text) == text
    except ValidationError:
        return False


TEXT = st.text(st.sampled_from(["a", "é", "😀", *SPACE]), max_size=12)


@pytest.mark.parametrize("adapter", [TITLE, WORDS], ids=["title", "words"])
@given(text=TEXT, many=st.sampled_from([1, 10, 100, 199, 200, 201]))
@example(text="a", many=200)
@example(text="a", many=201)
@example(text="a", many=1000)
@example(text="a", many=1001)
@example(text="a ", many=10)
@example(text="a ", many=11)
def test_what_is_documented_is_what_is_taken(adapter: TypeAdapter[str], text: str, many: int) -> None:
    documented = adapter.json_schema()
    sent = text * many
    fits = len(sent) <= documented.get("maxLength", len(sent))
    assert (fits and bool(re.search(documented["pattern"], sent))) == accepts(adapter, sent)


@pytest.mark.parametrize("text", ["", " ", "a", "a " * 10, "%_\\'\" /", "日本語"])
def test_ten_words_may_be_searched_for(text: str) -> None:
    assert accepts(WORDS, text)


@pytest.mark.parametrize("text", ["a " * 11, "\u2003".join("abcdefghijk"), "a\n" * 500], ids=["blanks", "wide", "many"])
def test_eleven_are_too_many(text: str) -> None:
    with pytest.raises(ValidationError, match="at most 10 words"):
        WORDS.validate_python(text)


@pytest.mark.parametrize("text", ["a" * 1001, " " * 1001, "_" * 25_001], ids=["word", "space", "wildcards"])
def test_a_search_has_an_end(text: str) -> None:
    with pytest.raises(ValidationError, match="at most 1000 characters"):
        WORDS.validate_python(text)


def test_callers_see_the_whole_task() -> None:
    assert task_out(DONE) == ON_THE_WIRE


@pytest.mark.parametrize(("items", "total"), [([], 0), ([], 5), ([ON_THE_WIRE], 1)])
def test_a_page_says_where_it_is(items: list[Item], total: int) -> None:
    page = task_page(Page(items, total), limit=10, offset=20)
    assert page == {"items": items, "total": total, "limit": 10, "offset": 20}


def test_a_list_shows_of_a_task_what_the_task_itself_shows() -> None:
    assert tuple(ON_THE_WIRE) == ITEM_FIELDS
