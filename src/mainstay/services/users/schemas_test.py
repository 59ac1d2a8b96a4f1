from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from mainstay.services.users.domain import Session, User
from mainstay.services.users.schemas import (
    AccessPatch,
    LoginForm,
    ProfilePatch,
    SessionOut,
    TokenOut,
    UserIn,
    UserOut,
    session_out,
    token_out,
    user_out,
)
from mainstay.services.users.tokens import TokenPair

NEW = TypeAdapter[Any](UserIn)
PROFILE = TypeAdapter[Any](ProfilePatch)
ACCESS = TypeAdapter[Any](AccessPatch)
FORM = TypeAdapter[Any](LoginForm)
ADA = UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a")
AT = datetime(2026, 1, 2, tzinfo=UTC)
USER = User.register(ADA, {"email": "Ada@Example.com", "full_name": None}, "$2b$hash", AT)
MINIMAL = {"email": "ada@example.com", "password": "correct-battery-horse"}


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.com",
        "Ada.Lovelace+test@Sub.Example.CO.UK",
        "jos\u00e9@example.com",
        "jose\u0301@example.com",
        "ada@m\u00fcnchen.de",
        "ada@xn--mnchen-3ya.de",
        "a" * 64 + "@example.com",
    ],
)
def test_an_address_is_kept_as_it_was_sent(email: str) -> None:
    assert NEW.validate_python({**MINIMAL, "email": email}).email == email
    assert PROFILE.validate_python({"email": email}) == {"email": email}


@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@example..com",
        ".ada@example.com",
        " ada@example.com",
        "ada@example.com\n",
        "ada@[127.0.0.1]",
        '"ada"@example.com',
        "ada@example.com, eve@example.com",
        "a" * 65 + "@example.com",
        "ada@" + "x" * 250 + ".com",
    ],
)
def test_what_is_no_address_is_refused_in_our_words(email: str) -> None:
    with pytest.raises(ValidationError) as raised:
        NEW.validate_python({**MINIMAL, "email": email})
    [error] = raised.value.errors()
    assert error["loc"] == ("email",)
    assert error["msg"] in {
        "Input should be an e-mail address such as ada@example.com",
        "String should have at most 254 characters",
    }


@pytest.mark.parametrize("scopes", [[], ["pets:read"], ["pets:*", "orders:write"], [f"s{n}:read" for n in range(32)]])
def test_scopes_are_kept_in_their_order(scopes: list[str]) -> None:
    assert ACCESS.validate_python({"scopes": scopes}) == {"scopes": tuple(scopes)}


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "pets",
        "pets:",
        ":read",
        "pets:READ",
        "Pets:read",
        "pets:read write",
        "pets:read\n",
        "*:*",
        "p" * 60 + ":read",
    ],
)
def test_a_scope_names_a_service_and_an_action(scope: str) -> None:
    with pytest.raises(ValidationError):
        ACCESS.validate_python({"scopes": [scope]})


@pytest.mark.parametrize("schema", [PROFILE, ACCESS])
def test_in_a_part_what_is_left_out_stays_out(schema: TypeAdapter[Any]) -> None:
    assert schema.validate_python({}) == {}
    assert schema.validate_python({"full_name": None}) == {"full_name": None}


def test_a_form_may_hold_what_oauth_adds() -> None:
    form = FORM.validate_python({"username": "a", "password": "b", "scope": "", "client_id": "x"})
    assert (form.username, form.password, form.grant_type) == ("a", "b", "password")


@pytest.mark.parametrize("change", [{"grant_type": "refresh_token"}, {"grant_type": ""}, {"password": None}])
def test_a_form_of_another_grant_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FORM.validate_python({"username": "a", "password": "b", **change})


def test_callers_see_a_user_without_the_hash() -> None:
    shown = user_out(USER)
    assert set(shown) == set(UserOut.__annotations__) == {field.name for field in fields(User)} - {"password_hash"}
    assert "$2b$hash" not in str(shown)
    assert shown["id"] == str(ADA)


def test_callers_see_a_session_without_its_token() -> None:
    session = Session.start(ADA, ADA, b"hash", AT)
    shown = session_out(session, current=ADA)
    assert set(shown) == set(SessionOut.__annotations__)
    assert (shown["current"], session_out(session, current=UUID(int=0))["current"]) == (True, False)


def test_tokens_are_named_as_oauth_names_them() -> None:
    shown = token_out(TokenPair("access", "refresh", 900))
    assert set(shown) == set(TokenOut.__annotations__)
    assert shown["token_type"] == "bearer"
