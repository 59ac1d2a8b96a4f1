from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from mainstay.kernel.core.errors import Kind
from mainstay.services.users.domain import (
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    Session,
    SessionNotFound,
    TokenReused,
    TokenReuseDetected,
    User,
    UserDeleted,
    UserEvent,
    UserNotFound,
    UserRegistered,
    UserUpdated,
    email_key,
)

THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ADA = UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a")
SESSION = UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6b")
USER = User.register(ADA, {"email": "Ada@Example.com", "full_name": "Ada Lovelace"}, "$2b$hash", THEN)
FRESH = Session.start(SESSION, ADA, b"first", THEN)


def test_who_registers_is_a_user_without_a_tenant() -> None:
    assert {field.name: getattr(USER, field.name) for field in fields(User)} == {
        "id": ADA,
        "email": "Ada@Example.com",
        "full_name": "Ada Lovelace",
        "is_active": True,
        "role": "user",
        "scopes": ("configs:read", "pets:*", "tasks:*"),
        "tenant": None,
        "password_hash": "$2b$hash",
        "created_at": THEN,
        "updated_at": THEN,
        "version": 1,
    }


@pytest.mark.parametrize("missing", ["email", "full_name"])
def test_nobody_registers_without_one_of_the_fields(missing: str) -> None:
    given = {"email": "ada@example.com", "full_name": None}
    del given[missing]
    with pytest.raises(TypeError):
        User.register(ADA, given, "$2b$hash", THEN)


@pytest.mark.parametrize(
    "change", [{}, {"full_name": None}, {"role": "admin", "scopes": ()}, {"is_active": False}, {"tenant": "t-1"}]
)
def test_a_change_makes_the_next_version_with_the_given_fields_alone(change: dict[str, Any]) -> None:
    changed = USER.change(change, THEN + SECOND)
    differing = {
        field.name: getattr(changed, field.name)
        for field in fields(User)
        if getattr(changed, field.name) != getattr(USER, field.name)
    }
    assert differing == {"version": 2, "updated_at": THEN + SECOND, **change}


def test_a_change_of_a_field_that_users_do_not_have_is_refused() -> None:
    with pytest.raises(TypeError):
        USER.change({"password": "secret"}, THEN)


def test_a_user_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        USER.role = "admin"  # type: ignore[misc]


@pytest.mark.parametrize("thing", [USER, FRESH])
def test_what_is_printed_shows_no_secret(thing: object) -> None:
    assert "$2b$" not in repr(thing)
    assert "first" not in repr(thing)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.com", "ada@EXAMPLE.COM"),
        ("straße@example.com", "STRASSE@example.com"),
        ("jos\u00e9@example.com", "JOSE\u0301@example.com"),
    ],
)
def test_addresses_that_differ_in_case_or_in_composition_alone_are_one(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize("other", ["ada@example.org", "adda@example.com", "ada+1@example.com", "a.da@example.com"])
def test_addresses_that_differ_in_more_are_two(other: str) -> None:
    assert email_key(other) != email_key("ada@example.com")


# Sessions


def test_a_session_begins_with_its_first_token() -> None:
    assert (FRESH.counter, FRESH.token_hash, FRESH.created_at, FRESH.refreshed_at) == (0, b"first", THEN, THEN)
    assert FRESH.expires_at == THEN + 14 * DAY


def test_a_refreshed_session_has_the_next_token_and_a_fortnight_more() -> None:
    later = THEN + 3 * DAY
    rotated = FRESH.rotate(b"second", later)
    assert (rotated.counter, rotated.token_hash, rotated.refreshed_at) == (1, b"second", later)
    assert (rotated.id, rotated.user_id, rotated.created_at) == (SESSION, ADA, THEN)
    assert rotated.expires_at == later + 14 * DAY


@pytest.mark.parametrize(("day", "ends"), [(75, 89), (76, 90), (77, 90), (89, 90)])
def test_no_session_lives_longer_than_ninety_days(day: int, ends: int) -> None:
    assert FRESH.rotate(b"", THEN + day * DAY).expires_at == THEN + ends * DAY


@pytest.mark.parametrize(
    ("after", "over"), [(0 * SECOND, False), (14 * DAY - SECOND, False), (14 * DAY, True), (99 * DAY, True)]
)
def test_a_session_is_over_when_its_time_has_run_out(after: timedelta, over: bool) -> None:
    assert FRESH.is_over(THEN + after) is over


@pytest.mark.parametrize(
    ("counter", "seconds", "forgiven"),
    [
        (1, 0, True),
        (1, 9.999, True),
        (1, 10, False),
        (1, 3600, False),
        (0, 0, False),
        (0, 3600, False),
        (2, 0, False),
        (3, 0, False),
    ],
)
def test_only_the_parent_of_the_living_token_may_come_again_and_only_at_once(
    counter: int, seconds: float, forgiven: bool
) -> None:
    rotated = FRESH.rotate(b"", THEN).rotate(b"", THEN + DAY)
    assert rotated.forgives(counter, THEN + DAY + seconds * SECOND) is forgiven


# Events and errors


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (UserRegistered, "user.registered"),
        (UserUpdated, "user.updated"),
        (UserDeleted, "user.deleted"),
        (TokenReuseDetected, "user.token_reuse_detected"),
    ],
)
def test_an_event_says_nothing_of_the_person(event: type[UserEvent], name: str) -> None:
    told = event.of(USER)
    assert (told.type, told.aggregate_type, told.aggregate_id, told.aggregate_version) == (name, "user", str(ADA), 1)
    assert told.data == {"id": str(ADA), "version": 1}


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (EmailTaken, Kind.CONFLICT, "email_taken"),
        (InvalidCredentials, Kind.UNAUTHORIZED, "invalid_credentials"),
        (InvalidRefreshToken, Kind.UNAUTHORIZED, "invalid_refresh_token"),
        (TokenReused, Kind.UNAUTHORIZED, "token_reused"),
        (UserNotFound, Kind.NOT_FOUND, "user_not_found"),
        (SessionNotFound, Kind.NOT_FOUND, "session_not_found"),
    ],
)
def test_errors_can_be_told_by_their_codes(error: type[Any], kind: Kind, code: str) -> None:
    assert (error().kind, error().code) == (kind, code)
