import time
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from ulid import ULID

from mainstay.kernel.core.errors import Conflict, DomainError, Invalid, Kind, NotFound
from mainstay.services.configs import domain
from mainstay.services.configs.domain import Application, Configuration, Representation, Resource, new_id

CHECKOUT = Application("01JCZ5W1XJ8T3S6V9Q4N2M7KRA", "checkout", None, ["01JCZ5Y7Q2GDB5E0H8F3W6PXTC"])
PRODUCTION = Configuration(
    "01JCZ5Y7Q2GDB5E0H8F3W6PXTC", "01JCZ5W1XJ8T3S6V9Q4N2M7KRA", "production", "é", '{"a": 1.10, "b": [1e3]}'
)


def test_an_application_is_shown_with_its_fields_in_order() -> None:
    shown = Representation.of(CHECKOUT)
    assert shown.id == CHECKOUT.id
    assert shown.body == (
        b'{"id":"01JCZ5W1XJ8T3S6V9Q4N2M7KRA","name":"checkout","comments":null,'
        b'"configuration_ids":["01JCZ5Y7Q2GDB5E0H8F3W6PXTC"]}'
    )


def test_a_configuration_is_shown_with_its_config_as_it_stands() -> None:
    assert (
        Representation.of(PRODUCTION).body
        == (
            '{"id":"01JCZ5Y7Q2GDB5E0H8F3W6PXTC","application_id":"01JCZ5W1XJ8T3S6V9Q4N2M7KRA","name":"production",'
            '"comments":"é","config":{"a": 1.10, "b": [1e3]}}'
        ).encode()
    )


@pytest.mark.parametrize("resource", [CHECKOUT, PRODUCTION])
def test_what_is_equal_has_one_tag(resource: Resource) -> None:
    shown = Representation.of(resource)
    assert shown == Representation.of(replace(resource))
    assert len(shown.tag) == 32
    assert set(shown.tag) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("resource", "change"),
    [
        (CHECKOUT, {"id": new_id()}),
        (CHECKOUT, {"name": "Checkout"}),
        (CHECKOUT, {"comments": ""}),
        (CHECKOUT, {"configuration_ids": []}),
        (PRODUCTION, {"application_id": new_id()}),
        (PRODUCTION, {"name": "production "}),
        (PRODUCTION, {"comments": None}),
        (PRODUCTION, {"config": '{"a": 1.1, "b": [1e3]}'}),
    ],
)
def test_every_field_counts_in_the_tag(resource: Resource, change: dict[str, Any]) -> None:
    assert Representation.of(replace(resource, **change)).tag != Representation.of(resource).tag


@pytest.mark.parametrize("resource", [CHECKOUT, PRODUCTION, Representation.of(CHECKOUT)])
def test_nothing_is_changed_in_place(resource: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        resource.id = "other"


def test_ids_are_ulids_of_now_that_sort_by_the_time_they_were_made() -> None:
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert all(str(ULID.from_str(each)) == each for each in ids)
    assert all(before <= ULID.from_str(each).milliseconds <= after for each in ids)
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (domain.InvalidRequest, Kind.MALFORMED, Invalid.code),
        (domain.ApplicationNotFound, NotFound.kind, "application_not_found"),
        (domain.ConfigurationNotFound, NotFound.kind, "configuration_not_found"),
        (domain.UnknownApplication, Kind.MALFORMED, "unknown_application"),
        (domain.DuplicateApplication, Conflict.kind, "duplicate_application"),
        (domain.DuplicateConfiguration, Conflict.kind, "duplicate_configuration"),
    ],
)
def test_errors_are_told_apart_by_their_codes(error: type[DomainError], kind: Kind, code: str) -> None:
    assert (error.kind, error.code) == (kind, code)
