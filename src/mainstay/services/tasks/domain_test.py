from dataclasses import FrozenInstanceError, fields
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.kernel.core.errors import DomainError, Kind
from mainstay.services.tasks.domain import (
    STATUSES,
    DuplicateTask,
    EmptyUpdate,
    ReadOnlyField,
    Status,
    Task,
    TaskCompleted,
    TaskCreated,
    TaskDeleted,
    TaskEvent,
    TaskNotFound,
    TaskStatusChanged,
    TaskUpdated,
    events_of_change,
    events_of_new,
    search_key,
)

THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
LATER = THEN + timedelta(seconds=1)
FIELDS: dict[str, Any] = {
    "title": " Fix Bug ",
    "description": "Since Monday",
    "status": "new",
    "priority": 4,
    "assignee": "ada",
    "due_date": date(2026, 12, 1),
}
FIX = Task.create(7, FIELDS, THEN)
DONE = FIX.change({"status": "completed"}, THEN)
MUCH_LATER = LATER + timedelta(days=1)

SAME = [
    ("Fix bug", " fix BUG"),
    ("Fix bug", "fix bug\n"),
    ("Fix bug", "\t\u2003Fix bug\u00a0"),
    ("Straße", "STRASSE"),
    ("straẞe", "STRASSE"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("ПРАВКА", "правка"),
    ("ﬁx", "FIX"),
    ("İ", "i̇"),
]
OTHER = [("Fix bug", "Fix  bug"), ("Fix bug", "Fixbug"), ("é", "e"), ("é", "e\u0301"), ("I", "ı"), ("a%", "ab")]  # noqa: RUF001 - that is the point


def kinds(events: Any) -> list[type]:
    return [type(event) for event in events]


# Task


def test_a_new_task_is_version_one_and_was_changed_when_it_was_created() -> None:
    created = Task(id=7, **FIELDS, created_at=THEN, updated_at=THEN, completed_at=None, version=1)
    assert created == FIX


@pytest.mark.parametrize("missing", FIELDS)
def test_a_task_is_never_made_without_one_of_its_fields(missing: str) -> None:
    with pytest.raises((TypeError, KeyError)):
        Task.create(7, {name: value for name, value in FIELDS.items() if name != missing}, THEN)


@pytest.mark.parametrize(("status", "completed_at"), [("new", None), ("in_progress", None), ("completed", THEN)])
def test_a_new_task_may_come_in_any_status(status: Status, completed_at: datetime | None) -> None:
    assert Task.create(7, {**FIELDS, "status": status}, THEN).completed_at == completed_at


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Fix it"},
        {"description": None},
        {"status": "in_progress"},
        {"priority": 1},
        {"assignee": None},
        {"due_date": None},
        {"title": "Fix it", "priority": 5},
        {},
    ],
)
def test_a_change_makes_the_next_version_with_the_given_fields_alone(change: dict[str, Any]) -> None:
    changed = FIX.change(change, LATER)
    differing = {
        field.name: getattr(changed, field.name)
        for field in fields(Task)
        if getattr(changed, field.name) != getattr(FIX, field.name)
    }
    assert differing == {"version": 2, "updated_at": LATER, **change}


def test_a_change_leaves_the_version_it_was_made_from_as_it_is() -> None:
    FIX.change({"title": "Fix it", "status": "completed"}, LATER)
    assert (FIX.title, FIX.status, FIX.version, FIX.completed_at) == (" Fix Bug ", "new", 1, None)


def test_a_change_of_a_field_that_tasks_do_not_have_is_refused() -> None:
    with pytest.raises(TypeError):
        FIX.change({"colour": "black"}, LATER)


def test_a_task_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        FIX.title = "Fix it"  # type: ignore[misc]


@pytest.mark.parametrize(("before", "after"), list(product(STATUSES, STATUSES)))
def test_any_status_may_follow_any_and_completed_at_goes_with_it(before: Status, after: Status) -> None:
    task = Task.create(7, {**FIELDS, "status": before}, THEN)
    changed = task.change({"status": after}, LATER)
    kept_or_set = THEN if before == "completed" else LATER
    assert changed.status == after
    assert changed.completed_at == (kept_or_set if after == "completed" else None)


@given(st.lists(st.sampled_from(STATUSES), max_size=8))
def test_whatever_the_way_a_task_has_a_time_of_completion_while_it_is_completed(way: list[Status]) -> None:
    task, entered = FIX, None
    for step, status in enumerate(way, start=1):
        at = THEN + timedelta(step)
        entered = None if status != "completed" else entered or at
        task = task.change({"status": status}, at)
        assert (task.completed_at, task.version) == (entered, step + 1)


def test_another_change_leaves_the_time_of_completion() -> None:
    assert DONE.change({"title": "Done"}, MUCH_LATER).completed_at == THEN


# Titles and words


@pytest.mark.parametrize(("one", "other"), SAME)
def test_titles_that_differ_in_case_and_space_around_them_are_one(one: str, other: str) -> None:
    assert FIX.change({"title": one}, LATER).title_key == FIX.change({"title": other}, LATER).title_key


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_titles_that_differ_in_more_are_two(one: str, other: str) -> None:
    assert FIX.change({"title": one}, LATER).title_key != FIX.change({"title": other}, LATER).title_key


def test_the_title_itself_stays_as_sent() -> None:
    assert (FIX.title, FIX.title_key) == (" Fix Bug ", "fix bug")


@pytest.mark.parametrize("description", [None, "Since MONDAY"])
def test_a_search_looks_into_title_and_description_whatever_their_case(description: str | None) -> None:
    task = FIX.change({"description": description}, LATER)
    assert search_key("FIX") in task.search_text
    assert (search_key("moNDay") in task.search_text) == (description is not None)


def test_no_word_is_found_across_the_end_of_the_title() -> None:
    task = FIX.change({"title": "log", "description": "in"}, LATER)
    assert search_key("login") not in task.search_text


@given(st.text(), st.text(), st.text())
def test_any_part_of_a_text_is_found_in_any_case(before: str, part: str, after: str) -> None:
    task = FIX.change({"description": before + part + after}, LATER)
    assert search_key(part) in task.search_text
    assert search_key(search_key(part)) in search_key(task.search_text)


# Errors


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (TaskNotFound, Kind.NOT_FOUND, "task_not_found"),
        (DuplicateTask, Kind.CONFLICT, "duplicate_task"),
        (ReadOnlyField, Kind.INVALID, "read_only_field"),
        (EmptyUpdate, Kind.INVALID, "empty_update"),
    ],
)
def test_an_error_has_a_code_that_callers_can_tell_it_by(error: type[DomainError], kind: Kind, code: str) -> None:
    assert (error.kind, error.code) == (kind, code)


def test_raising_the_error_is_all_that_a_duplicate_takes() -> None:
    error = DuplicateTask(title=" fix BUG")
    assert (error.details, error.original_error) == ({"title": " fix BUG"}, None)


# Events


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (TaskCreated, "task.created"),
        (TaskUpdated, "task.updated"),
        (TaskStatusChanged, "task.status_changed"),
        (TaskCompleted, "task.completed"),
        (TaskDeleted, "task.deleted"),
    ],
)
def test_an_event_holds_the_whole_task_and_its_version(event: type[TaskEvent], name: str) -> None:
    told = event.of(FIX, more=1)
    assert (told.type, told.aggregate_type, told.aggregate_id, told.aggregate_version) == (name, "task", "7", 1)
    times = {"created_at": THEN, "updated_at": THEN, "completed_at": None}
    assert told.data == {"id": 7, **FIELDS, **times, "version": 1, "more": 1}


def test_two_events_of_one_version_are_told_apart_by_their_ids() -> None:
    assert TaskUpdated.of(FIX).id != TaskUpdated.of(FIX).id


@pytest.mark.parametrize(
    ("status", "told"),
    [("new", [TaskCreated]), ("in_progress", [TaskCreated]), ("completed", [TaskCreated, TaskCompleted])],
)
def test_of_a_new_task_is_told_that_it_is_there_and_whether_it_is_done(status: Status, told: list[type]) -> None:
    assert kinds(events_of_new(Task.create(7, {**FIELDS, "status": status}, THEN))) == told


@pytest.mark.parametrize(("before", "after"), list(product(STATUSES, STATUSES)))
def test_of_a_change_the_general_is_told_before_the_particular(before: Status, after: Status) -> None:
    task = Task.create(7, {**FIELDS, "status": before}, THEN)
    changed = task.change({"status": after}, LATER)
    told = list(events_of_change(task, changed))
    expected: list[type] = [TaskUpdated]
    if before != after:
        expected.append(TaskStatusChanged)
        assert (told[1].data["from"], told[1].data["to"]) == (before, after)
    if after == "completed" != before:
        expected.append(TaskCompleted)
    assert kinds(told) == expected
    assert {event.aggregate_version for event in told} == {2}


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({}, []),
        (FIELDS, []),
        ({"title": "Fix it"}, ["title"]),
        ({"title": " fix bug "}, ["title"]),
        ({"due_date": None, "assignee": None, "description": None}, ["description", "assignee", "due_date"]),
        ({"status": "completed", "priority": 5}, ["status", "priority"]),
        ({"status": "new", "priority": 5}, ["priority"]),
    ],
)
def test_an_update_names_the_fields_that_are_other_than_before(change: dict[str, Any], changed: list[str]) -> None:
    updated, *_ = events_of_change(FIX, FIX.change(change, LATER))
    assert updated.data["changed"] == changed
