"""Pages of tasks: filters, order, totals."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain, product
from typing import TYPE_CHECKING, Any, get_args

import pytest

from mainstay.services.tasks.domain import STATUSES, Task
from mainstay.services.tasks.repository import OrderBy, OrderDir

if TYPE_CHECKING:
    from tests.contract.tasks.conftest import Tasks

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
LATER = AT + timedelta(days=9)
DAY = date(2026, 12, 1)
ORDERS: tuple[OrderBy, ...] = get_args(OrderBy)
DIRECTIONS: tuple[OrderDir, ...] = get_args(OrderDir)
EVERY_ORDER = pytest.mark.parametrize(("order_by", "order_dir"), list(product(ORDERS, DIRECTIONS)))


def moment(microseconds: int) -> datetime:
    return AT + timedelta(microseconds=microseconds)


async def crowd(tasks: "Tasks") -> list[Task]:
    """Tasks that share a value each way, stored in an order that is none of those asked for."""
    rows: list[tuple[int, str, int, int, date | None]] = [
        # created, status, priority, updated, due
        (2, "new", 5, 1, None),
        (0, "completed", 1, 3, DAY),
        (1, "in_progress", 5, 2, DAY - timedelta(1)),
        (1, "new", 3, 2, None),
        (3, "in_progress", 3, 1, DAY),
        (0, "completed", 3, 3, date(9999, 12, 31)),
        (0, "new", 5, 2, DAY),
    ]
    return [
        await tasks.stored(
            title=f"{'aB'[number % 2]}{number}",
            status=status,
            priority=priority,
            created_at=moment(created),
            updated_at=moment(updated),
            due_date=due,
        )
        for number, (created, status, priority, updated, due) in enumerate(rows)
    ]


# Order


@EVERY_ORDER
async def test_every_order_with_nulls_last_and_ties_by_creation_then_id(
    tasks: "Tasks", order_by: OrderBy, order_dir: OrderDir
) -> None:
    meant = sorted(await crowd(tasks), key=lambda task: (task.created_at, task.id))
    meant.sort(key=partial(value_in_order, order_by), reverse=order_dir == "desc")
    meant.sort(key=lambda task: getattr(task, order_by) is None)
    assert await tasks.ids(order_by=order_by, order_dir=order_dir) == [task.id for task in meant]


def value_in_order(order_by: OrderBy, task: Task) -> Any:
    if order_by == "title":
        return task.title_key
    return (task.due_date or DAY) if order_by == "due_date" else getattr(task, order_by)


async def test_an_order_has_a_direction_of_its_own(tasks: "Tasks") -> None:
    await crowd(tasks)
    for order_by in ORDERS:
        own: OrderDir = "desc" if order_by in {"priority", "created_at", "updated_at"} else "asc"
        assert await tasks.ids(order_by=order_by) == await tasks.ids(order_by=order_by, order_dir=own)


async def test_the_most_urgent_come_first_unless_something_else_is_asked_for(tasks: "Tasks") -> None:
    await crowd(tasks)
    assert [item["priority"] for item in (await tasks.page()).items] == [5, 5, 5, 3, 3, 3, 1]


@pytest.mark.parametrize("order_dir", DIRECTIONS)
async def test_titles_sort_by_code_point_of_their_keys(tasks: "Tasks", order_dir: OrderDir) -> None:
    # by UTF-16 the emoji would come before U+FFAE, by a locale ant before _ and é beside e
    titles = [
        "zebra",
        "Ant",
        " apple",
        "äpfel",
        "éclair",
        "e\u0301clair",
        "_",
        "10",
        "9",
        "\uffae",
        "😀",
        "B",
        "STRASSE",
    ]
    made = sorted(await tasks.titled(*titles), key=lambda task: task.title_key, reverse=order_dir == "desc")
    assert await tasks.ids(order_by="title", order_dir=order_dir) == [task.id for task in made]


async def test_what_is_alike_goes_by_id_whichever_was_committed_first(tasks: "Tasks") -> None:
    first, *rest = [await tasks.new() for _ in range(4)]
    for task in (*reversed(rest), first):
        await tasks.add(task)
    meant = [first.id, *(task.id for task in rest)]
    for order_by, order_dir in product(["priority", "created_at", "updated_at", "due_date", "status"], DIRECTIONS):
        assert await tasks.ids(order_by=order_by, order_dir=order_dir) == meant


async def test_a_change_moves_a_task_in_the_order_of_changes_alone(tasks: "Tasks") -> None:
    first, second = await tasks.stored(), await tasks.stored(created_at=moment(1), updated_at=moment(1))
    await tasks.save(first.change({}, LATER))
    assert await tasks.ids(order_by="created_at") == [second.id, first.id]
    assert await tasks.ids(order_by="updated_at") == [first.id, second.id]


# Pages


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
async def test_pages_follow_each_other_without_gap_or_repeat(tasks: "Tasks", limit: int) -> None:
    made = await crowd(tasks)
    for order_by in ORDERS:
        pages = [await tasks.ids(order_by=order_by, limit=limit, offset=first) for first in range(0, len(made), limit)]
        assert list(chain(*pages)) == await tasks.ids(order_by=order_by)
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)


@pytest.mark.parametrize("offset", [0, 2, 3, 9, 2**63 - 1])
async def test_the_total_counts_what_the_filters_let_through_on_whatever_page(tasks: "Tasks", offset: int) -> None:
    """On an empty one too."""
    await crowd(tasks)
    filters: list[dict[str, Any]] = [{}, {"statuses": ["new"]}, {"priority_min": 5, "words": ["A"]}, {"assignee": "x"}]
    pages = [await tasks.page(limit=2, offset=offset, **chosen) for chosen in filters]
    assert [page.total for page in pages] == [7, 3, 3, 0]
    assert [len(page.items) for page in pages] == [max(0, min(2, page.total - offset)) for page in pages]


async def test_where_there_is_no_task_there_is_an_empty_page(tasks: "Tasks") -> None:
    page = await tasks.page()
    assert (list(page.items), page.total) == ([], 0)


# Filters


@pytest.mark.parametrize("statuses", [[], ["new"], ["completed"], ["completed", "new"], ["in_progress", *STATUSES]])
async def test_any_of_the_statuses_will_do(tasks: "Tasks", statuses: list[str]) -> None:
    made = await crowd(tasks)
    assert await tasks.ids(statuses=statuses) == [task.id for task in made if not statuses or task.status in statuses]


async def test_an_assignee_is_found_by_the_very_same_name(tasks: "Tasks") -> None:
    made = [await tasks.stored(assignee=name) for name in ("ada", "Ada", "éa", None)]
    for asked in ("ada", "Ada", "ad", "ada ", "a%", "a_a", "", "éa", "e\u0301a"):
        assert await tasks.ids(assignee=asked) == [task.id for task in made if task.assignee == asked]


async def test_a_least_priority_is_included(tasks: "Tasks") -> None:
    made = [await tasks.stored(priority=priority) for priority in (1, 5, 3, 4, 2)]
    for least in (1, 2, 3, 4, 5):
        assert await tasks.ids(priority_min=least) == [task.id for task in made if task.priority >= least]


async def test_what_is_due_before_a_day_is_not_due_on_it_and_has_a_day(tasks: "Tasks") -> None:
    made = [await tasks.stored(due_date=due) for due in (None, DAY - timedelta(1), DAY, date.max, date.min)]
    for day in (date.min, DAY, DAY + timedelta(1), date.max):
        assert await tasks.ids(due_before=day) == [task.id for task in made if task.due_date and task.due_date < day]


async def test_filters_hold_together(tasks: "Tasks") -> None:
    values = product(["new", "completed"], ["a", "b"], [1, 5], [None, DAY], ["x", "y"])
    names = ("status", "assignee", "priority", "due_date", "description")
    made = [await tasks.stored(**dict(zip(names, combination, strict=True))) for combination in values]
    (meant,) = [task for task in made if [getattr(task, name) for name in names] == ["new", "a", 5, DAY, "x"]]
    after = DAY + timedelta(1)
    chosen: dict[str, Any] = {
        "statuses": ["new"],
        "assignee": "a",
        "priority_min": 2,
        "due_before": after,
        "words": ["X"],
    }
    page = await tasks.page(**chosen)
    assert ([item["id"] for item in page.items], page.total) == ([meant.id], 1)


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fix login bug", ["login"]),
        ("Fix login bug", ["LOG"]),
        ("Fix login bug", ["bug", "FIX"]),
        ("Fix login bug", ["fix", "fix"]),
        ("100% sure", ["0%"]),
        ("a_b", ["A_B"]),
        ("either/or", ["r/o"]),
        ("//", ["/", "//"]),
        ("C:\\temp\\new", ["\\TEMP\\"]),
        ("it's", ["'"]),
        ('the "one"', ['"one"']),
        ("'; DROP TABLE tasks; --", ["';", "--"]),
        ("Straße", ["STRASSE"]),
        ("STRASSE", ["straße"]),
        ("ΣΊΣΥΦΟΣ", ["σίσυφος"]),
        ("Исправить вход", ["ВХОД", "испр"]),
        ("修复登录", ["登录"]),
        ("תיקון", ["תיק"]),
        ("done 😀", ["😀"]),
        ("e\u0301", ["E\u0301"]),
        ("İstanbul", ["i̇stanbul"]),
    ],
)
async def test_words_are_found_wherever_they_are_and_whatever_their_case(
    tasks: "Tasks", text: str, words: list[str]
) -> None:
    await tasks.stored(title="other", description="something")
    titled, described = await tasks.stored(title=text), await tasks.stored(description=text)
    assert await tasks.ids(words=words) == [titled.id, described.id]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fix login bug", ["logout"]),
        ("Fix login bug", ["fix", "logout"]),
        ("Fix login bug", ["fixlogin"]),
        ("abc", ["a%"]),
        ("abc", ["%"]),
        ("abc", ["a_c"]),
        ("abc", ["_"]),
        ("abc", ["/"]),
        ("a/%", ["a%"]),
        ("a/b", ["a//b"]),
        ("a\\%", ["a%"]),
        ("a", ["\\a"]),
        ("e", ["é"]),
        ("é", ["e\u0301"]),
        ("it's", ["''"]),
    ],
)
async def test_no_character_stands_for_another(tasks: "Tasks", text: str, words: list[str]) -> None:
    await tasks.stored(title=text)
    await tasks.stored(title="x", description=text)
    page = await tasks.page(words=words)
    assert (list(page.items), page.total) == ([], 0)


async def test_one_word_may_be_in_the_title_and_another_in_the_description(tasks: "Tasks") -> None:
    task = await tasks.stored(title="Fix log", description="in March")
    assert await tasks.ids(words=["march", "fix"]) == [task.id]
    assert await tasks.ids(words=["login"]) == []


async def test_a_changed_task_is_found_by_its_new_words_alone(tasks: "Tasks") -> None:
    task = await tasks.stored(title="Fix bug", description="Monday")
    await tasks.save(task.change({"title": "Write docs", "description": None}, LATER))
    assert await tasks.ids(words=["docs"]) == [task.id]
    assert await tasks.ids(words=["bug"]) == await tasks.ids(words=["monday"]) == []
