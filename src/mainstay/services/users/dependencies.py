"""What a request for users is given, and who makes it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from mainstay.kernel.core.errors import Forbidden, Unauthorized
from mainstay.kernel.core.keys import Keys
from mainstay.kernel.core.tokens import Principal, TokenVerifier
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.http.auth import Guard
from mainstay.kernel.http.types import PRINCIPAL_KEY
from mainstay.kernel.http.unit import begin
from mainstay.services.users.callers import Caller, Callers
from mainstay.services.users.metrics import SignInMetrics
from mainstay.services.users.passwords import Argon2id, Bcrypt, Passwords, SchemeName
from mainstay.services.users.repository import SessionRepository, UserRepository
from mainstay.services.users.service import SessionService, UserService
from mainstay.services.users.tokens import AccessTokens, RefreshTokens, Tokens


@dataclass(frozen=True, slots=True)
class UsersState:
    """What all requests share. The app lets `callers` hear of user events."""

    database: Database
    passwords: Passwords
    keys: Keys
    tokens: Tokens
    verifier: TokenVerifier
    callers: Callers
    metrics: SignInMetrics

    def accounts(self, unit: PostgresUnit) -> UserService:
        """The use cases of accounts, writing into this unit."""
        return UserService(UserRepository(self.database, unit), unit, self.passwords, self.callers)

    def sign_ins(self, unit: PostgresUnit) -> SessionService:
        """The use cases of sessions, writing into this unit."""
        sessions = SessionRepository(self.database, unit)
        return SessionService(sessions, self.passwords, self.tokens, self.callers, unit, self.metrics)

    def guard(self, required: Collection[str]) -> Guard:
        """Admits who has a token of a session that lives. `required`: the services that want one."""
        return Guard(self.verifier, required, self.callers.current)


Storage = Callable[[], UsersState]
"""Gives a request the state. The app keeps it in its own."""


@contextmanager
def users_state(
    database: Database,
    keys: Keys,
    secrets: Sequence[bytes],
    passwords: Passwords,
    registry: CollectorRegistry | None = None,
) -> Iterator[UsersState]:
    """Users in PostgreSQL, until the end of the block.

    `secrets` make refresh tokens: the first of them does, those of all are accepted. What is counted goes into the
    registry, where there is one.
    """
    try:
        yield UsersState(
            database=database,
            passwords=passwords,
            keys=keys,
            tokens=Tokens(AccessTokens(keys), RefreshTokens(secrets)),
            verifier=TokenVerifier(keys),
            callers=Callers(SessionRepository(database, PostgresUnit(database))),
            metrics=SignInMetrics(registry or CollectorRegistry()),
        )
    finally:
        passwords.close()


def hashed_with(scheme: SchemeName, bcrypt_cost: int) -> Passwords:
    """Passwords hashed with this scheme from now on; hashes of the other are still verified."""
    bcrypt, argon2id = Bcrypt(bcrypt_cost), Argon2id()
    return Passwords(bcrypt, argon2id) if scheme == "bcrypt" else Passwords(argon2id, bcrypt)


def _state(request: Request) -> UsersState:
    storage: Storage = request.app.state.users
    return storage()


async def get_current_user(request: Request) -> Caller:
    """Who calls; guards a route. Raises Unauthorized where nobody says so, InvalidToken where the owner has gone."""
    state = _state(request)
    principal: Principal | None = request.scope.get(PRINCIPAL_KEY)
    if principal is None:  # a public operation: nobody has looked
        raise Unauthorized
    return await state.callers.identify(principal)


async def get_current_admin(request: Request) -> Caller:
    """The same, for what admins alone may do. Raises Forbidden too."""
    caller = await get_current_user(request)
    if caller.role != "admin":
        raise Forbidden
    return caller


async def _users(request: Request) -> UserRepository:
    database = _state(request).database
    return UserRepository(database, PostgresUnit(database))


async def _user_service(request: Request) -> UserService:
    state = _state(request)
    return state.accounts(begin(request, PostgresUnit(state.database)))


async def _sessions(request: Request) -> SessionRepository:
    database = _state(request).database
    return SessionRepository(database, PostgresUnit(database))


async def _session_service(request: Request) -> SessionService:
    state = _state(request)
    return state.sign_ins(begin(request, PostgresUnit(state.database)))


async def _keys(request: Request) -> Keys:
    return _state(request).keys


CurrentUser = Annotated[Caller, Depends(get_current_user)]
CurrentAdmin = Annotated[Caller, Depends(get_current_admin)]
Users = Annotated[UserRepository, Depends(_users)]
Accounts = Annotated[UserService, Depends(_user_service)]
Sessions = Annotated[SessionRepository, Depends(_sessions)]
SignIns = Annotated[SessionService, Depends(_session_service)]
TokenKeys = Annotated[Keys, Depends(_keys)]
