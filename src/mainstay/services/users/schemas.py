"""Users, sessions and tokens on the wire: what callers send, what they get. No answer has a field for a hash."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from mainstay.kernel.http.parameters import STRICT, StrictModel, Text
from mainstay.kernel.http.schemas import Version
from mainstay.services.users.domain import (
    EMAIL_MAX,
    FULL_NAME_MAX,
    PASSWORD_MAX,
    PASSWORD_MIN,
    SCOPE_MAX,
    SCOPES_MAX,
    TENANT_MAX,
    Role,
    Session,
    User,
)
from mainstay.services.users.tokens import TokenPair


def _address(email: str) -> str:
    """As it was sent: what the checks would make of it is nobody's spelling."""
    try:
        validate_email(email, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "Input should be an e-mail address such as ada@example.com") from error
    return email


def _distinct(scopes: list[str]) -> tuple[str, ...]:
    if len(set(scopes)) != len(scopes):
        raise PydanticCustomError("repeated", "Each scope may stand once")
    return tuple(scopes)


Email = Annotated[
    Text,
    Field(
        max_length=EMAIL_MAX,
        description="Upper and lower case do not count, but are kept.",
        examples=["ada@example.com"],
        json_schema_extra={"format": "email"},
    ),
    AfterValidator(_address),
]
FullName = Annotated[
    Text | None, Field(max_length=FULL_NAME_MAX, description="What the user is called.", examples=["Ada Lovelace"])
]
NewPassword = Annotated[
    Text,
    Field(
        min_length=PASSWORD_MIN,
        max_length=PASSWORD_MAX,
        description="Any characters. The e-mail address and the most common passwords are refused.",
        examples=["correct-battery-horse"],
        json_schema_extra={"format": "password", "writeOnly": True},
    ),
]
Password = Annotated[
    Text,
    Field(
        max_length=PASSWORD_MAX,
        description="The user's password.",
        examples=["correct-battery-horse"],
        json_schema_extra={"format": "password", "writeOnly": True},
    ),
]
RoleField = Annotated[Role, Field(description="An admin may look after all users.", examples=["user"])]
Scope = Annotated[str, Field(max_length=SCOPE_MAX, pattern=r"^[a-z][a-z0-9_-]*:(read|write|\*)$")]
Scopes = Annotated[
    list[Scope],
    Field(
        max_length=SCOPES_MAX,
        description="What the user may do: `<service>:read`, `<service>:write`, or `<service>:*` for both.",
        examples=[["pets:*", "configs:read"]],
        json_schema_extra={"uniqueItems": True},
    ),
    AfterValidator(_distinct),
]
Tenant = Annotated[
    str | None,
    Field(
        max_length=TENANT_MAX,
        pattern=rf"^[A-Za-z0-9._-]{{1,{TENANT_MAX}}}$",
        description="The tenant that the user belongs to, if any.",
        examples=["tenant-1"],
    ),
]
Active = Annotated[bool, Field(description="Whether the user can sign in.", examples=[True])]
RefreshToken = Annotated[
    Text,
    Field(
        description="For the next pair; it is used once.",
        examples=["AZqfLnwbfMKlsB8uPUxbawAAAAA0-kCbpZ5Ss2ljU-2uRkAVHD9CbsVd2pG6zB5uVvZkTQ"],
    ),
]
Id = Annotated[UUID, Field(description="The id, a UUID.", examples=["019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"])]
Moment = Annotated[datetime, Field(description="In UTC.", examples=["2026-11-21T09:30:00Z"])]


class UserIn(StrictModel):
    """An account to open. What it may do is not the caller's to say."""

    email: Email
    password: NewPassword
    full_name: FullName = None


class Login(StrictModel):
    """What is shown to sign in."""

    email: Annotated[
        Text, Field(max_length=EMAIL_MAX, description="The user's e-mail address.", examples=["ada@example.com"])
    ]
    password: Password


class LoginForm(BaseModel):
    """The same as OAuth2 has it (RFC 6749, section 4.3.2); what else stands in the form means nothing here."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": {"type": "string"}})

    grant_type: Annotated[Literal["password"], Field(description="What is shown: a password.")] = "password"
    username: Annotated[
        str, Field(max_length=EMAIL_MAX, description="The user's e-mail address.", examples=["ada@example.com"])
    ]
    password: Password


class Refresh(StrictModel):
    """A refresh token, to be exchanged."""

    refresh_token: RefreshToken


@with_config(STRICT)
class ProfilePatch(TypedDict, total=False):
    """Some of what a user says of itself; what is left out stays as it is, and null clears."""

    email: Email
    full_name: FullName


@with_config(STRICT)
class AccessPatch(TypedDict, total=False):
    """Some of what an admin says of a user; what is left out stays as it is, and null clears."""

    full_name: FullName
    is_active: Active
    role: RoleField
    scopes: Scopes
    tenant: Tenant


class PasswordChange(StrictModel):
    """The password that is, and the one that shall be."""

    current_password: Password
    new_password: NewPassword


class UserOut(TypedDict):
    """A user in its current version, which the ETag header repeats."""

    id: Id
    email: Email
    full_name: FullName
    is_active: Active
    role: RoleField
    scopes: Scopes
    tenant: Tenant
    created_at: Moment
    updated_at: Moment
    version: Version


class TokenOut(TypedDict):
    """Tokens (RFC 6749, section 5.1)."""

    access_token: Annotated[
        str, Field(max_length=8192, description="To be sent as `Authorization: Bearer`.", examples=["eyJh…"])
    ]
    refresh_token: RefreshToken
    token_type: Annotated[Literal["bearer"], Field(description="How the access token is sent.")]
    expires_in: Annotated[int, Field(ge=1, description="Seconds that the access token lives.", examples=[900])]


class SessionOut(TypedDict):
    """A session: a sign-in, and all that is refreshed from it."""

    id: Id
    created_at: Moment
    refreshed_at: Moment
    expires_at: Moment
    current: Annotated[bool, Field(description="Whether it is the one that asks.", examples=[True])]


class SessionList(TypedDict):
    """The caller's sessions."""

    items: Annotated[list[SessionOut], Field(description="The newest first.")]


class JwkSet(TypedDict):
    """Public keys (RFC 7517)."""

    keys: Annotated[
        list[dict[str, Annotated[str, Field(max_length=512)]]],
        Field(max_length=16, description="What verifies access tokens; empty where a secret does.", examples=[[]]),
    ]


def user_out(user: User) -> dict[str, object]:
    """A user as callers see it."""
    return {
        "id": str(user.id),
        "email": user.email,
        "full_name": user.full_name,
        "is_active": user.is_active,
        "role": user.role,
        "scopes": user.scopes,
        "tenant": user.tenant,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "version": user.version,
    }


def token_out(pair: TokenPair) -> TokenOut:
    """A pair as callers see it."""
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
    }


def session_out(session: Session, current: UUID) -> dict[str, object]:
    """A session as its user sees it, from the session `current`."""
    return {
        "id": str(session.id),
        "created_at": session.created_at,
        "refreshed_at": session.refreshed_at,
        "expires_at": session.expires_at,
        "current": session.id == current,
    }
