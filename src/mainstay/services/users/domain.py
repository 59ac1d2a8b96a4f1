"""Who has an account, what it may do, and how long it stays signed in. Pure: no SQL, no HTTP."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Self, get_args
from uuid import UUID

from mainstay.kernel.core.entity import Entity
from mainstay.kernel.core.errors import Conflict, NotFound, Unauthorized
from mainstay.kernel.core.events import Event

Role = Literal["user", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

EMAIL_MAX = 254
"""Characters: RFC 5321 lets no longer path through."""
FULL_NAME_MAX = 200
TENANT_MAX = 64
PASSWORD_MIN, PASSWORD_MAX = 12, 128
"""Characters, any there are."""
SCOPES_MAX, SCOPE_MAX = 32, 64
"""Scopes of a user, and characters in one: all of them travel in each access token."""
FIRST_SCOPES = ("configs:read", "pets:*", "tasks:*")
"""What who has just registered may do; an admin can change it."""

SLIDING = timedelta(days=14)
"""A session ends when it has not been refreshed for so long."""
ABSOLUTE = timedelta(days=90)
"""A session ends then in any case."""
GRACE = timedelta(seconds=10)
"""For so long a used refresh token is taken for a second tab, or for a retry after a lost answer; then for stolen."""


class EmailTaken(Conflict):
    """Another account has this e-mail address."""

    message = "There is an account with this e-mail address already; upper and lower case do not count."


class InvalidCredentials(Unauthorized):
    """Unknown address, wrong password or inactive account: which of them is nobody's business."""

    message = "E-mail address and password do not belong together, or the account is not active."


class InvalidRefreshToken(Unauthorized):
    """The refresh token is none, or its session is over."""

    message = "The refresh token is not valid, or its session is over: sign in again."


class TokenReused(Unauthorized):
    """A refresh token came a second time, too late for a retry: somebody else may have it. The session is over."""

    message = "This refresh token was used before. The session is over, in case it was stolen: sign in again."


class UserNotFound(NotFound):
    """There is no user with this id."""


class SessionNotFound(NotFound):
    """The caller has no session with this id."""

    message = "You have no session with this id; it may be over."


@dataclass(frozen=True, slots=True)
class User(Entity):
    """One account in one version. Every change makes the next version and leaves this one as it is."""

    id: UUID
    email: str
    full_name: str | None
    is_active: bool
    role: Role
    scopes: tuple[str, ...]
    tenant: str | None
    password_hash: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def register(cls, user_id: UUID, fields: Mapping[str, Any], password_hash: str, at: datetime) -> Self:
        """The first version of an account as anybody may open one."""
        first: dict[str, Any] = {"role": "user", "scopes": FIRST_SCOPES, "tenant": None, "is_active": True}
        return cls(
            id=user_id, password_hash=password_hash, created_at=at, updated_at=at, version=1, **{**first, **fields}
        )

    @property
    def email_key(self) -> str:
        """See `email_key`."""
        return email_key(self.email)


def email_key(email: str) -> str:
    """What addresses are compared by: one account has one of a key, however it is written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", email).casefold())


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in and all that is refreshed from it: a family of refresh tokens, of which the last one lives.

    The tokens are numbered. Of the living one the SHA-256 is known; those before it are known by their numbers.
    """

    id: UUID
    user_id: UUID
    counter: int
    token_hash: bytes = field(repr=False)
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime

    @classmethod
    def start(cls, session_id: UUID, user_id: UUID, token_hash: bytes, at: datetime) -> Self:
        """A session with its first refresh token."""
        return cls(session_id, user_id, 0, token_hash, at, at, at + SLIDING)

    def rotate(self, token_hash: bytes, at: datetime) -> Self:
        """The session with its next refresh token: from now on the only one that lives."""
        expires_at = min(at + SLIDING, self.created_at + ABSOLUTE)
        return replace(self, counter=self.counter + 1, token_hash=token_hash, refreshed_at=at, expires_at=expires_at)

    def is_over(self, at: datetime) -> bool:
        """Whether its time has run out."""
        return at >= self.expires_at

    def forgives(self, counter: int, at: datetime) -> bool:
        """Whether the token of this number may be used again: the one that lives came out of it, just now."""
        return counter == self.counter - 1 and at - self.refreshed_at < GRACE


class UserEvent(Event):
    """Something happened to an account. The payload says to which, and nothing of the person."""

    @classmethod
    def of(cls, user: User) -> Self:
        """The event for this version of the account."""
        return cls(
            aggregate_id=str(user.id),
            aggregate_version=user.version,
            data={"id": str(user.id), "version": user.version},  # the driver's UUIDs are no plain ones
        )


class UserRegistered(UserEvent):
    """An account was opened."""


class UserUpdated(UserEvent):
    """An account was changed, its password included."""


class UserDeleted(UserEvent):
    """An account was removed. The version is one more than its last."""


class TokenReuseDetected(UserEvent):
    """A refresh token of the account was used again, too late for a retry; its session was ended."""

    type = "user.token_reuse_detected"
