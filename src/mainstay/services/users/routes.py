"""Users, sessions and tokens over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path, Request
from starlette.responses import Response

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.cursor import KeysetPage
from mainstay.kernel.core.errors import Forbidden
from mainstay.kernel.http.conditional import if_match
from mainstay.kernel.http.contract import Need, answers
from mainstay.kernel.http.forms import form_body, read_form
from mainstay.kernel.http.paging import Cursor, Limit, position, respond_list
from mainstay.kernel.http.rate_limits import count_sign_in
from mainstay.kernel.http.rendering import Rendered, no_content, no_store, respond
from mainstay.kernel.http.request import StrictRequest
from mainstay.kernel.http.schemas import page_of
from mainstay.kernel.http.unit import UnitRoute
from mainstay.services.users.dependencies import (
    Accounts,
    CurrentAdmin,
    CurrentUser,
    Sessions,
    SignIns,
    TokenKeys,
    Users,
)
from mainstay.services.users.domain import (
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    SessionNotFound,
    TokenReused,
    User,
    UserNotFound,
    email_key,
)
from mainstay.services.users.schemas import (
    AccessPatch,
    JwkSet,
    Login,
    LoginForm,
    PasswordChange,
    ProfilePatch,
    Refresh,
    SessionList,
    TokenOut,
    UserIn,
    UserOut,
    session_out,
    token_out,
    user_out,
)

USERS, AUTH = "/api/v1/users", "/api/v1/auth"
LIST = ("users",)
"""What the cursors of the list are signed for."""

router = APIRouter(tags=["users"], route_class=UnitRoute)

UserId = Annotated[UUID, Path(description="The user's id.", examples=["019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"])]
SessionId = Annotated[UUID, Path(description="The session's id.", examples=["019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6b"])]


def _one(user: User, *, status: int = 200, location: str | None = None) -> Rendered:
    return no_store(respond(user_out(user), status=status, version=user.version, location=location))


# Signing in and out


@router.post(f"{AUTH}/login", response_model=TokenOut)
@answers(InvalidCredentials, public=True, limited="auth")
async def login(body: Login, sign_ins: SignIns, request: Request) -> Response:
    """Sign in with e-mail address and password."""
    await count_sign_in(request, email_key(body.email))
    return no_store(respond(token_out(await sign_ins.sign_in(body.email, body.password))))


@router.post(f"{AUTH}/token", response_model=TokenOut, openapi_extra=form_body(LoginForm))
@answers(InvalidCredentials, public=True, limited="auth")
async def login_by_form(request: StrictRequest, sign_ins: SignIns) -> Response:
    """Sign in as OAuth2 has it, with a form: what the Authorize button of these pages sends."""
    form = await read_form(request, LoginForm)
    await count_sign_in(request, email_key(form.username))
    return no_store(respond(token_out(await sign_ins.sign_in(form.username, form.password))))


@router.post(f"{AUTH}/refresh", response_model=TokenOut)
@answers(InvalidRefreshToken, TokenReused, public=True)
async def refresh(body: Refresh, sign_ins: SignIns) -> Response:
    """Exchange a refresh token for a new pair.

    Within ten seconds the same token gets the same next one again: two tabs and a lost answer are no theft. Later it
    ends the session.
    """
    return no_store(respond(token_out(await sign_ins.refresh_session(body.refresh_token))))


@router.post(f"{AUTH}/logout", status_code=204)
@answers(scoped=False)
async def logout(caller: CurrentUser, sign_ins: SignIns) -> Response:
    """End this session."""
    await sign_ins.sign_out(caller)
    return no_content()


@router.post(f"{AUTH}/logout-all", status_code=204)
@answers(scoped=False)
async def logout_everywhere(caller: CurrentUser, sign_ins: SignIns) -> Response:
    """End all sessions of the caller, this one included."""
    await sign_ins.sign_out_everywhere(caller)
    return no_content()


@router.get(f"{AUTH}/sessions", response_model=SessionList)
@answers(scoped=False)
async def list_sessions(caller: CurrentUser, sessions: Sessions) -> Response:
    """List the caller's sessions."""
    found = await sessions.find_sessions(caller.user_id, now())
    return no_store(respond({"items": [session_out(session, caller.session_id) for session in found]}))


@router.delete(f"{AUTH}/sessions/{{session_id}}", status_code=204)
@answers(SessionNotFound, scoped=False)
async def delete_session(session_id: SessionId, caller: CurrentUser, sign_ins: SignIns) -> Response:
    """End one of the caller's sessions."""
    await sign_ins.end_session_of(caller, session_id)
    return no_content()


@router.get("/.well-known/jwks.json", response_model=JwkSet)
@answers(public=True, stored=False)
async def read_keys(keys: TokenKeys) -> Response:
    """The public keys of access tokens, for whoever wants to verify them; none where a secret does."""
    return respond(keys.jwks())


# One's own account


@router.post(USERS, status_code=201, response_model=UserOut)
@answers(EmailTaken, public=True, limited="auth", etag=True)
async def register_user(body: UserIn, accounts: Accounts) -> Response:
    """Open an account."""
    fields = {"email": body.email, "full_name": body.full_name}
    user = await accounts.register(fields, body.password)
    return _one(user, status=201, location=f"{USERS}/{user.id}")


@router.get(f"{USERS}/me", response_model=UserOut)
@answers(etag=True, scoped=False)
async def read_me(caller: CurrentUser, users: Users) -> Response:
    """Read one's own account."""
    return _one(await users.get_signed_in(caller.user_id))


@router.patch(f"{USERS}/me", response_model=UserOut)
@answers(EmailTaken, if_match=Need.OPTIONAL, etag=True, scoped=False)
async def update_me(
    body: Annotated[ProfilePatch, Body()], caller: CurrentUser, users: Users, accounts: Accounts, request: Request
) -> Response:
    """Change some fields of one's own account."""
    expected = if_match(request)
    user = await users.get_signed_in(caller.user_id)
    return _one(await accounts.change_profile(user, expected, body))


@router.delete(f"{USERS}/me", status_code=204)
@answers(if_match=Need.OPTIONAL, scoped=False)
async def delete_me(caller: CurrentUser, users: Users, accounts: Accounts, request: Request) -> Response:
    """Close one's own account."""
    expected = if_match(request)
    await accounts.close_account(await users.get_signed_in(caller.user_id), expected)
    return no_content()


@router.post(f"{USERS}/me/password", status_code=204)
@answers(InvalidCredentials, limited="auth", if_match=Need.OPTIONAL, scoped=False)
async def change_my_password(
    body: PasswordChange, caller: CurrentUser, accounts: Accounts, request: Request
) -> Response:
    """Change one's own password and end one's other sessions."""
    await count_sign_in(request, str(caller.user_id))
    await accounts.change_password(caller, if_match(request), body.current_password, body.new_password)
    return no_content()


# All accounts, for admins


@router.get(USERS, response_model=page_of(UserOut))
@answers(Forbidden, keyset=True, scoped=False)
async def list_users(
    admin: CurrentAdmin,  # noqa: ARG001 - nobody else may
    users: Users,
    request: Request,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Response:
    """List users, the newest first, page by page."""
    page = await users.find_users(before=position(request, cursor, LIST, UUID), limit=limit)
    return respond_list(request, KeysetPage([user_out(user) for user in page.items], page.next), LIST)


@router.get(f"{USERS}/{{user_id}}", response_model=UserOut)
@answers(Forbidden, UserNotFound, etag=True, scoped=False)
async def read_user(user_id: UserId, admin: CurrentAdmin, users: Users) -> Response:  # noqa: ARG001 - nobody else may
    """Read a user."""
    return _one(await users.get_user(user_id))


@router.patch(f"{USERS}/{{user_id}}", response_model=UserOut)
@answers(Forbidden, UserNotFound, if_match=Need.OPTIONAL, etag=True, scoped=False)
async def update_user(
    user_id: UserId,
    body: Annotated[AccessPatch, Body()],
    admin: CurrentAdmin,  # noqa: ARG001 - nobody else may
    users: Users,
    accounts: Accounts,
    request: Request,
) -> Response:
    """Change what a user may do. Who is made inactive is signed out everywhere."""
    expected = if_match(request)
    user = await users.get_user(user_id)
    return _one(await accounts.change_access(user, expected, body))


@router.delete(f"{USERS}/{{user_id}}", status_code=204)
@answers(Forbidden, UserNotFound, if_match=Need.OPTIONAL, scoped=False)
async def delete_user(
    user_id: UserId,
    admin: CurrentAdmin,  # noqa: ARG001 - nobody else may
    users: Users,
    accounts: Accounts,
    request: Request,
) -> Response:
    """Remove a user with all sessions."""
    expected = if_match(request)
    await accounts.close_account(await users.get_user(user_id), expected)
    return no_content()
