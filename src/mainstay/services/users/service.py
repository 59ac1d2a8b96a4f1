"""What a caller can do with accounts and sessions."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.unit import Unit
from mainstay.services.users.callers import Caller, Callers
from mainstay.services.users.domain import (
    InvalidCredentials,
    InvalidRefreshToken,
    Session,
    SessionNotFound,
    TokenReused,
    TokenReuseDetected,
    User,
    UserDeleted,
    UserRegistered,
    UserUpdated,
    email_key,
)
from mainstay.services.users.metrics import SignInMetrics
from mainstay.services.users.passwords import Passwords, check_password
from mainstay.services.users.repository import LockedSession, SessionRepository, UserRepository
from mainstay.services.users.tokens import Member, TokenPair, Tokens, is_living, token_hash

logger = logging.getLogger(__name__)


class UserService:
    """Accounts: the writes; a read has no rule and goes from the route to the repository."""

    def __init__(self, users: UserRepository, unit: Unit, passwords: Passwords, callers: Callers) -> None:
        self._users = users
        self._unit = unit
        self._passwords = passwords
        self._callers = callers

    async def register(self, fields: Mapping[str, Any], password: str) -> User:
        """Open an account. Raises Invalid for a password that is guessed first; the commit raises EmailTaken."""
        check_password(password, fields["email"], "password")
        user = User.register(uuid7(), fields, await self._passwords.hash(password), now())
        self._users.add_user(user)
        self._unit.emit(UserRegistered.of(user))
        return user

    async def change_profile(self, user: User, if_match: TagList, fields: Mapping[str, Any]) -> User:
        """Change what a user says of itself. Raises PreconditionFailed; the commit raises EmailTaken."""
        if_match.check(user.version)
        changed = user.change(fields, now())
        self._users.save_profile(changed)
        self._unit.emit(UserUpdated.of(changed))
        return changed

    async def change_access(self, user: User, if_match: TagList, fields: Mapping[str, Any]) -> User:
        """Change what a user may do; who is no longer active is signed out everywhere. Raises PreconditionFailed."""
        if_match.check(user.version)
        changed = user.change(fields, now())
        self._unit.emit(UserUpdated.of(changed))
        if user.is_active and not changed.is_active:
            await self._users.save_and_end_sessions(changed)
            self._callers.forget(user.id)
        else:
            self._users.save_access(changed)
        return changed

    async def change_password(self, caller: Caller, if_match: TagList, current: str, new: str) -> None:
        """Change the caller's password and end the caller's other sessions.

        Raises InvalidToken, Invalid, PreconditionFailed, and InvalidCredentials where `current` is another.
        """
        user = await self._users.get_signed_in(caller.user_id)
        check_password(new, user.email, "new_password")
        if_match.check(user.version)
        if not await self._passwords.verify(current, user.password_hash):
            raise InvalidCredentials("This is not your current password.")
        changed = user.change({"password_hash": await self._passwords.hash(new)}, now())
        self._unit.emit(UserUpdated.of(changed))
        await self._users.save_and_end_sessions(changed, kept=caller.session_id)
        self._callers.forget(user.id)

    async def close_account(self, user: User, if_match: TagList) -> None:
        """Remove an account with its sessions. Raises PreconditionFailed."""
        if_match.check(user.version)
        self._users.remove_user(user)
        self._unit.emit(UserDeleted.of(user.change({}, now())))


class SessionService:
    """Sessions: signing in, staying so, signing out."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that signing in touches
        self,
        sessions: SessionRepository,
        passwords: Passwords,
        tokens: Tokens,
        callers: Callers,
        unit: Unit,
        metrics: SignInMetrics,
    ) -> None:
        self._sessions = sessions
        self._passwords = passwords
        self._tokens = tokens
        self._callers = callers
        self._unit = unit
        self._metrics = metrics

    async def sign_in(self, email: str, password: str) -> TokenPair:
        """Begin a session. Raises InvalidCredentials, after the same work whatever the reason, and LostRace."""
        user = await self._sessions.find_by_email(email_key(email))
        matches = await self._passwords.verify(password, None if user is None else user.password_hash)
        if user is None or not matches or not user.is_active:
            logger.warning("sign-in failed: %s", "unknown address" if user is None else f"user {user.id}")
            self._metrics.failed("password")
            raise InvalidCredentials
        needs_rehash = self._passwords.needs_rehash(user.password_hash)
        new_hash = await self._passwords.hash(password) if needs_rehash else None
        session_id = uuid7()
        token = self._tokens.refresh_tokens.make(session_id, 0)
        await self._sessions.begin_session(Session.start(session_id, user.id, token_hash(token), now()), user, new_hash)
        return self._tokens.pair(user, session_id, token)

    async def refresh_session(self, token: str) -> TokenPair:
        """Exchange a refresh token for the next pair. Raises InvalidRefreshToken and TokenReused."""
        try:
            member = self._tokens.refresh_tokens.member_of(token)
            async with self._sessions.locked(member.session_id) as locked:
                user = locked.user
                child = await self._child(token, member, locked)
        except InvalidRefreshToken:
            self._metrics.failed("refresh")
            raise
        if child is None:  # raised here: inside, it would undo the revocation
            logger.warning("refresh token used again: session %s of user %s is over", member.session_id, user.id)
            self._metrics.reused()
            self._callers.forget(user.id)
            raise TokenReused
        return self._tokens.pair(user, member.session_id, child)

    async def _child(self, token: str, member: Member, locked: LockedSession) -> str | None:
        """The session's living token after this use of one of its tokens; None where the use has ended the session."""
        session, at = locked.session, now()
        if session.is_over(at) or not locked.user.is_active:
            raise InvalidRefreshToken
        if is_living(token, session):
            child = self._tokens.refresh_tokens.make(session.id, session.counter + 1)
            await locked.rotate(session.rotate(token_hash(child), at))
            return child
        if session.forgives(member.counter, at):
            return self._tokens.refresh_tokens.living(session)
        if member.counter >= session.counter:  # of a future that a restored database does not know
            raise InvalidRefreshToken
        await locked.revoke()
        self._unit.emit(TokenReuseDetected.of(locked.user))
        return None

    async def sign_out(self, caller: Caller) -> None:
        """End the caller's session; one that is over already stays so."""
        await self._sessions.end_session(caller.session_id, caller.user_id)
        self._callers.forget(caller.user_id)

    async def sign_out_everywhere(self, caller: Caller) -> None:
        """End all sessions of the caller."""
        await self._sessions.end_sessions(caller.user_id)
        self._callers.forget(caller.user_id)

    async def end_session_of(self, caller: Caller, session_id: UUID) -> None:
        """End a session of the caller, this one or another. Raises SessionNotFound."""
        if not await self._sessions.end_session(session_id, caller.user_id):
            raise SessionNotFound(id=session_id)
        self._callers.forget(caller.user_id)
