from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import orjson
import pytest

from mainstay.kernel.core.envelope import LoggedEvent, envelope, message

EVENT = LoggedEvent(
    position=42,
    tenant="acme",
    id=UUID(int=7),
    type="order.confirmed",
    aggregate_type="order",
    aggregate_id="o-1",
    aggregate_version=3,
    occurred_at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    payload='{"total": 1.50}',
    request_id="r-1",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)


def parsed(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(envelope(EVENT._replace(**changes)))
    return found


def test_an_event_as_cloudevents_writes_it() -> None:
    assert parsed() == {
        "specversion": "1.0",
        "id": "00000000-0000-0000-0000-000000000007",
        "source": "urn:mainstay:order",
        "type": "order.confirmed",
        "subject": "o-1",
        "time": "2026-01-02T03:04:05.678901Z",
        "datacontenttype": "application/json",
        "sequence": "0000000000000000042",
        "aggregateversion": 3,
        "tenantid": "acme",
        "requestid": "r-1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": {"total": 1.5},
    }


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [("tenant", "", "tenantid"), ("request_id", None, "requestid"), ("traceparent", None, "traceparent")],
)
def test_what_has_no_value_is_left_out(field: str, value: object, attribute: str) -> None:
    """CloudEvents knows no null."""
    assert set(parsed()) - set(parsed(**{field: value})) == {attribute}


def test_extensions_have_names_that_cloudevents_allows() -> None:
    assert [name for name in parsed() if not (name.isalnum() and name.islower() and len(name) <= 20)] == []


@pytest.mark.parametrize(
    "payload", ["{}", '{"a":  1.50, "b": 1e2}', '{"ü": "\\u0000 \\ud83d\\ude00", "n": 9007199254740993}']
)
def test_the_payload_goes_in_as_it_is(payload: str) -> None:
    assert envelope(EVENT._replace(payload=payload)).endswith(b'"data":' + payload.encode() + b"}")


def test_texts_are_escaped() -> None:
    odd = 'a"b\\c\n\u2028🐈'
    assert parsed(aggregate_id=odd)["subject"] == odd


def test_sequences_sort_as_texts_like_the_positions() -> None:
    positions = [1, 9, 10, 99, 2**31, 2**63 - 1]
    sequences = [parsed(position=position)["sequence"] for position in positions]
    assert sequences == sorted(sequences)
    assert {len(sequence) for sequence in sequences} == {19}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006Z"),
        (datetime(2026, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T02:00:00+02:00"),
    ],
)
def test_times_are_of_rfc_3339(given: datetime, written: str) -> None:
    assert parsed(occurred_at=given)["time"] == written


def test_a_message_names_what_it_is_sent_by() -> None:
    made = message(EVENT)
    assert (made.id, made.type, made.tenant) == (EVENT.id, "order.confirmed", "acme")
    assert (made.aggregate_type, made.aggregate_id) == ("order", "o-1")
    assert (made.occurred_at, made.body) == (EVENT.occurred_at, envelope(EVENT))
