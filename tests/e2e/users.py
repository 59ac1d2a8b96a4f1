"""Users, as schemathesis needs them: somebody new for each call that takes a token, and credentials that fit.

Some of the calls end the session that they are made in, or the user: nobody can make two of them.
"""

import os
import uuid
from typing import Any, TypeAlias

import httpx
import schemathesis
from schemathesis import AuthContext, Case

from mainstay.kernel.core.keys import HmacKeys
from tests.signed_in import PASSWORD, SignedIn, sign_in

AnyCase: TypeAlias = "Case[Any]"

BASE_URL, DATABASE_URL = os.environ["BASE_URL"], os.environ["DATABASE_URL"]
KEYS = HmacKeys(os.environ["SECRET_KEY"].encode())
REFUSED = {"email", "form_invalid", "password_common", "password_is_email", "repeated"}
"""What no JSON Schema says of a user: which addresses there can be, which passwords are guessed first."""


def admin() -> SignedIn:
    """Somebody new who may see to all users."""
    return sign_in(DATABASE_URL, KEYS, role="admin")


def wants_token(case: AnyCase) -> bool:
    """Whether the call has to have a token: the others are made without."""
    ways = case.operation.definition.raw.get("security", [{}])
    return bool(ways) and {} not in ways


@schemathesis.auth(refresh_interval=None)
class Admin:
    """Each call by another one."""

    def get(self, case: AnyCase, _: AuthContext) -> SignedIn | None:
        """Who makes it."""
        return admin() if wants_token(case) else None

    def set(self, case: AnyCase, who: SignedIn | None, _: AuthContext) -> None:
        """Say so; and let a call that ends a session end one's own."""
        if who is not None:
            case.headers.update(who.headers)
            if case.path.endswith("{session_id}") and case.meta and case.meta.generation.mode.is_positive:
                case.path_parameters["session_id"] = str(who.session_id)


def aim(case: AnyCase) -> None:
    """At credentials that are right, and at an address that nobody has."""
    if not isinstance(case.body, dict):
        return
    right: dict[str, Any] = {}
    if case.path == "/api/v1/auth/login":
        right = {"email": admin().email, "password": PASSWORD}
    elif case.path == "/api/v1/auth/token":
        right = {"username": admin().email, "password": PASSWORD}
    elif case.path == "/api/v1/auth/refresh":
        right = {"refresh_token": _refresh_token()}
    elif case.path == "/api/v1/users/me/password":
        right = {"current_password": PASSWORD}
    elif case.path.startswith("/api/v1/users") and "email" in case.body:
        right = {"email": f"{uuid.uuid4()}@example.com"}
    if right:  # assigned, a body counts as another than the one that was generated
        case.body = {**case.body, **right}


def _refresh_token() -> str:
    credentials = {"email": admin().email, "password": PASSWORD}
    answer = httpx.post(f"{BASE_URL}/api/v1/auth/login", json=credentials).raise_for_status()
    return str(answer.json()["refresh_token"])
