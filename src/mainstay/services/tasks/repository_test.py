from abc import ABC
from typing import get_args

import pytest

from mainstay.services.tasks.repository import OrderBy, TaskQuery, TaskRepository

METHODS = ["add", "find", "get", "next_id", "remove", "save"]


def implementation(*methods: str) -> type[TaskRepository]:
    return type("Forgetful", (TaskRepository,), dict.fromkeys(methods, lambda *_: None))


def test_an_implementation_of_every_method_can_be_made() -> None:
    assert isinstance(implementation(*METHODS)(), TaskRepository)


@pytest.mark.parametrize("forgotten", METHODS)
def test_an_implementation_that_forgets_a_method_fails_when_it_is_made(forgotten: str) -> None:
    forgetful = implementation(*(method for method in METHODS if method != forgotten))
    with pytest.raises(TypeError, match=rf"Forgetful.*\b{forgotten}\b"):
        forgetful()


def test_all_that_are_forgotten_are_named() -> None:
    with pytest.raises(TypeError, match=r"'?add'?, '?find'?, '?get'?, '?next_id'?, '?remove'?, '?save'?"):
        implementation()()


def test_there_is_no_other_method_to_forget() -> None:
    assert issubclass(TaskRepository, ABC)
    public = {name for name in vars(TaskRepository) if not name.startswith("_")}
    assert public == TaskRepository.__abstractmethods__ == set(METHODS)


@pytest.mark.parametrize(
    ("order_by", "descending"),
    [
        ("priority", True),
        ("created_at", True),
        ("updated_at", True),
        ("due_date", False),
        ("title", False),
        ("status", False),
        ("id", False),
    ],
)
def test_an_order_has_its_own_direction_and_takes_another(order_by: OrderBy, descending: bool) -> None:
    assert TaskQuery(order_by=order_by, limit=1, offset=0).descending is descending
    assert TaskQuery(order_by=order_by, order_dir="asc", limit=1, offset=0).descending is False
    assert TaskQuery(order_by=order_by, order_dir="desc", limit=1, offset=0).descending is True


def test_there_is_no_other_order() -> None:
    assert get_args(OrderBy) == ("priority", "created_at", "updated_at", "due_date", "title", "status", "id")


def test_the_most_urgent_come_first_unless_another_order_is_asked_for() -> None:
    query = TaskQuery(limit=1, offset=0)
    assert (query.order_by, query.descending) == ("priority", True)
