"""The texts of the statements: none may ever leave out the tenant."""

import re
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy.sql.expression import Executable

from mainstay.kernel.db.statements import Statement
from mainstay.services.orders import repository
from mainstay.services.orders.domain import STATUSES
from mainstay.services.orders.repository import ListKind, OrderQuery

BOTH = (False, True)
KINDS = [
    ListKind(statuses, created_from, created_to, after)
    for statuses, created_from, created_to, after in product(range(len(STATUSES) + 1), BOTH, BOTH, BOTH)
]
TABLE = repository._ORDERS
FIXED: dict[str, Statement | Executable] = {
    "get": TABLE.get,
    "add": TABLE.add,
    "save": TABLE.save,
    "remove": TABLE.remove,
}
FIXED |= {"first page": TABLE.first_page, "next page": TABLE.next_page}
AT = datetime(2026, 11, 21, tzinfo=UTC)
POSITION = (AT, UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"))

LIST, TENANT = re.compile(r"\bFROM orders\b"), re.compile(r"\borders\.tenant_id = \$1\b")


def text_of(statement: Statement | Executable) -> str:
    """As PostgreSQL gets it, on one line."""
    compiled = statement if isinstance(statement, Statement) else Statement(statement)
    return " ".join(compiled.text.split())


def page_text(kind: ListKind) -> str:
    return text_of(repository._page(kind))


def test_the_lists_and_those_of_the_table_are_all_statements() -> None:
    assert not [name for name, value in vars(repository).items() if isinstance(value, Statement | Executable)]
    made = {name for name in dir(TABLE) if isinstance(getattr(TABLE, name), Statement | Executable)}
    assert made == {"get", "one", "add", "save", "remove", "first_page", "next_page", "_newest"}


@pytest.mark.parametrize("name", ["get", "save", "remove", "first page", "next page"])
def test_everything_is_looked_for_in_a_tenant(name: str) -> None:
    _, _, condition = text_of(FIXED[name]).partition(" WHERE ")
    assert re.match(r"orders\.tenant_id = \$\d+::VARCHAR\b", condition)
    assert " OR " not in condition


@pytest.mark.parametrize("name", ["get", "save", "remove"])
def test_one_order_is_found_by_tenant_and_id(name: str) -> None:
    _, _, condition = text_of(FIXED[name]).partition(" WHERE ")
    assert re.match(r"orders\.tenant_id = \$\d+::VARCHAR AND orders\.id = \$\d+::UUID\b", condition)
    assert " OR " not in condition


def test_a_draft_is_written_with_its_tenant() -> None:
    assert re.match(r"INSERT INTO orders \(tenant_id, id,", text_of(TABLE.add))


def test_a_change_moves_no_order_to_another_tenant_id_or_time() -> None:
    changed, _, condition = text_of(TABLE.save).partition(" WHERE ")
    assert set(re.findall(r"(\w+)=", changed)) == {
        "status",
        "total_cents",
        "version",
        "updated_at",
        "confirmed_at",
        "closed_at",
    }
    assert re.search(r"orders\.version = \$\d+::BIGINT$", condition)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_list_in_a_list_is_of_the_tenant_sorted_and_no_longer_than_the_page(kind: ListKind) -> None:
    text, lists = page_text(kind), max(1, kind.statuses)
    assert len(LIST.findall(text)) == lists
    assert len(TENANT.findall(text)) == lists
    assert len(re.findall(r"ORDER BY orders\.created_at DESC, orders\.id DESC LIMIT ", text)) == lists
    assert len(re.findall(r" LIMIT ", text)) == (lists if lists == 1 else lists + 1)
    assert " OR " not in text


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_list_in_a_list_has_all_filters_and_its_own_status(kind: ListKind) -> None:
    text, lists = page_text(kind), max(1, kind.statuses)
    assert len(re.findall(r"orders\.created_at >= ", text)) == lists * kind.created_from
    assert len(re.findall(r"orders\.created_at < ", text)) == lists * (kind.created_to and not kind.after)
    assert len(re.findall(r"\(orders\.created_at, orders\.id\) < \(", text)) == lists * kind.after
    assert len(set(re.findall(r"orders\.status = (\$\d+)", text))) == kind.statuses


def test_the_kind_of_a_list_is_what_its_query_asks_for() -> None:
    assert ListKind.of(OrderQuery(tenant_id="a", limit=1)) == ListKind(
        0, created_from=False, created_to=False, after=False
    )
    everything = OrderQuery(
        tenant_id="a", statuses=["draft", "closed"], created_from=AT, created_to=AT, after=POSITION, limit=1
    )
    assert ListKind.of(everything) == ListKind(2, created_from=True, created_to=True, after=True)


def test_a_text_is_made_once_for_its_kind() -> None:
    kind = ListKind(2, created_from=True, created_to=False, after=True)
    assert repository._page(kind) is repository._page(ListKind(2, created_from=True, created_to=False, after=True))
