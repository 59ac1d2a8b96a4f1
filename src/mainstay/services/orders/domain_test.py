from collections.abc import Callable
from dataclasses import FrozenInstanceError, astuple, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mainstay.kernel.core.entity import EntityEvent
from mainstay.kernel.core.errors import Conflict, NotFound
from mainstay.services.orders.domain import (
    STATUSES,
    InvalidState,
    Order,
    OrderClosed,
    OrderConfirmed,
    OrderCreated,
    OrderNotFound,
    told,
)

AN_ID = UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a")
START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LATER, LAST = START + timedelta(hours=1), START + timedelta(hours=2)
DRAFT = Order.create(AN_ID, "tenant-1", START)
CONFIRMED = DRAFT.confirm(5000, LATER)
CLOSED = CONFIRMED.close(LAST)


def test_a_draft_has_no_total_and_no_time_but_that_of_its_making() -> None:
    assert told(astuple(DRAFT)) == {
        "id": AN_ID,
        "tenantId": "tenant-1",
        "status": "draft",
        "totalCents": None,
        "version": 1,
        "createdAt": START,
        "updatedAt": START,
        "confirmedAt": None,
        "closedAt": None,
    }


@pytest.mark.parametrize("total", [0, 1, 2**53 - 1])
def test_confirming_gives_a_draft_its_total_and_a_version_more(total: int) -> None:
    assert DRAFT.confirm(total, LATER) == replace(
        DRAFT, status="confirmed", total_cents=total, version=2, updated_at=LATER, confirmed_at=LATER
    )


def test_closing_leaves_the_total_and_adds_a_version() -> None:
    assert replace(CONFIRMED, status="closed", version=3, updated_at=LAST, closed_at=LAST) == CLOSED


def test_a_closed_order_is_closed_as_it_is() -> None:
    assert CLOSED.close(LAST + timedelta(days=1)) is CLOSED


@pytest.mark.parametrize(
    ("order", "change"),
    [
        (CONFIRMED, lambda order: order.confirm(5000, LAST)),
        (CLOSED, lambda order: order.confirm(5000, LAST)),
        (DRAFT, lambda order: order.close(LAST)),
    ],
    ids=["confirm a confirmed one", "confirm a closed one", "close a draft"],
)
def test_every_other_step_is_refused_and_says_where_the_order_stands(
    order: Order, change: Callable[[Order], Order]
) -> None:
    with pytest.raises(InvalidState) as raised:
        change(order)
    assert raised.value.details == {"status": order.status}


def test_a_version_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        DRAFT.status = "closed"  # type: ignore[misc]
    assert (DRAFT.status, CONFIRMED.status) == ("draft", "confirmed")


def test_the_statuses_are_those_of_the_contract() -> None:
    assert STATUSES == ("draft", "confirmed", "closed")


@pytest.mark.parametrize("order", [DRAFT, CONFIRMED, CLOSED], ids=STATUSES)
def test_a_row_and_an_order_are_told_alike(order: Order) -> None:
    assert order.told() == told(astuple(order))


@pytest.mark.parametrize("fields", [astuple(DRAFT)[:-1], (*astuple(DRAFT), None), ()])
def test_a_row_of_other_columns_is_no_order(fields: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="unpack"):
        told(fields)


@pytest.mark.parametrize(
    ("event", "type_", "order"),
    [
        (OrderCreated, "order.created", DRAFT),
        (OrderConfirmed, "order.confirmed", CONFIRMED),
        (OrderClosed, "order.closed", CLOSED),
    ],
)
def test_an_event_carries_the_whole_order(event: type[EntityEvent], type_: str, order: Order) -> None:
    made = event.of(order)
    assert (made.type, made.aggregate_type, made.aggregate_id) == (type_, "order", str(AN_ID))
    assert (made.tenant, made.aggregate_version) == ("tenant-1", order.version)
    assert made.data == order.told()


def test_every_event_has_an_id_of_its_own() -> None:
    assert OrderCreated.of(DRAFT).id != OrderCreated.of(DRAFT).id


def test_the_errors_are_those_of_the_contract() -> None:
    assert (OrderNotFound.code, OrderNotFound.kind) == ("order_not_found", NotFound.kind)
    assert (InvalidState.code, InvalidState.kind) == ("invalid_state", Conflict.kind)
