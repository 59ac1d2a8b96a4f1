from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mainstay.kernel.http.schemas import page_of
from mainstay.services.orders.domain import STATUSES, TOTAL_MAX, Order, told
from mainstay.services.orders.schemas import Nothing, OrderConfirmation, OrderOut


@given(st.integers(0, TOTAL_MAX))
def test_every_total_in_its_bounds_is_taken(total: int) -> None:
    assert OrderConfirmation.model_validate({"totalCents": total}).totalCents == total


def test_the_bounds_are_those_of_the_contract() -> None:
    assert TOTAL_MAX == 2**53 - 1
    for total in (0, 9007199254740991):
        assert OrderConfirmation.model_validate({"totalCents": total}).totalCents == total


@pytest.mark.parametrize(
    "body",
    [
        *({"totalCents": total} for total in (-1, 2**53, 2**63, -(2**63), True, False, "5000", 5000.0, 0.5, None)),
        *({"totalCents": total} for total in ([], [5000], {}, {"cents": 5000})),
        *({}, {"total_cents": 5000}, {"totalcents": 5000}, {"totalCents": 5000, "status": "confirmed"}),
        *([], [{"totalCents": 5000}], "{}", 5000, None),
    ],
)
def test_no_other_confirmation_is_taken(body: Any) -> None:
    with pytest.raises(ValidationError):
        OrderConfirmation.model_validate(body)


def test_where_there_is_nothing_to_say_an_empty_object_is_taken() -> None:
    assert dict(Nothing.model_validate({})) == {}


@pytest.mark.parametrize("body", [{"status": "draft"}, {"totalCents": 5000}, {"": None}, [], "", "{}", 0, None, True])
def test_where_there_is_nothing_to_say_nothing_else_is_taken(body: Any) -> None:
    with pytest.raises(ValidationError):
        Nothing.model_validate(body)


def test_the_document_tells_of_every_field_in_its_order() -> None:
    schema = TypeAdapter(OrderOut).json_schema()
    assert list(schema["properties"]) == list(told([None] * len(Order.__slots__)))
    assert schema["required"] == list(schema["properties"])
    assert schema["properties"]["status"]["enum"] == list(STATUSES)
    nullable = {name for name, field in schema["properties"].items() if {"type": "null"} in field.get("anyOf", ())}
    assert nullable == {"totalCents", "confirmedAt", "closedAt"}


def test_the_document_tells_the_bounds_of_a_total() -> None:
    total = OrderConfirmation.model_json_schema()["properties"]["totalCents"]
    assert (total["type"], total["minimum"], total["maximum"]) == ("integer", 0, TOTAL_MAX)


def test_a_page_has_items_and_where_the_next_begins() -> None:
    schema = TypeAdapter(page_of(OrderOut)).json_schema()
    assert schema["required"] == ["items", "nextCursor"]
    assert schema["properties"]["nextCursor"]["anyOf"] == [
        {"type": "string", "maxLength": 512, "pattern": "^[A-Za-z0-9_-]+$"},
        {"type": "null"},
    ]
