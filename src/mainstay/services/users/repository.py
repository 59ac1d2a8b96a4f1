"""Users and sessions in PostgreSQL.

Whoever locks both rows of a user and of its sessions locks the user's first. A refresh, which locks a session alone,
comes in nobody's way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from mainstay.kernel.core.cursor import KeysetPage
from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.unit import LostRace
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.lease import Connection, Row
from mainstay.kernel.db.repository import Table
from mainstay.kernel.db.statements import Statement
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.users.domain import (
    EmailTaken,
    InvalidRefreshToken,
    Session,
    User,
    UserNotFound,
)
from mainstay.services.users.models import (
    EMAIL_IS_UNIQUE,
    SESSION_COLUMNS,
    SessionRow,
    UserRow,
)

SESSIONS_MAX = 100
"""Sessions of one user: the next sign-in ends the oldest."""

SWEPT = 10
"""Sessions whose time has run out, of anybody, that each sign-in clears away: they cannot become many."""

_SESSION_FIELDS = Session.__slots__

_USERS = Table(UserRow, User, more=("email_key",))
_BY_EMAIL = Statement(select(*_USERS.columns).where(UserRow.email_key == bindparam("email_key")))
_OF_SESSION = Statement(
    select(*_USERS.columns)
    .join(SessionRow, SessionRow.user_id == UserRow.id)
    .where(SessionRow.id == bindparam("id"), SessionRow.expires_at > bindparam("at"))
)

_SAVED = Statement(_USERS.save.returning(UserRow.id))

_SESSIONS = Statement(
    select(*SESSION_COLUMNS)
    .where(SessionRow.user_id == bindparam("user_id"), SessionRow.expires_at > bindparam("at"))
    .order_by(SessionRow.id.desc())
)
_LOCK = Statement(
    select(*SESSION_COLUMNS, *_USERS.columns)
    .join(UserRow, UserRow.id == SessionRow.user_id)
    .where(SessionRow.id == bindparam("id"))
    .with_for_update(of=SessionRow)
)
_BEGIN = Statement(insert(SessionRow).values({name: bindparam(name) for name in _SESSION_FIELDS}))
_ROTATE = Statement(
    update(SessionRow)
    .where(SessionRow.id == bindparam("id_"))
    .values({name: bindparam(name) for name in ("counter", "token_hash", "refreshed_at", "expires_at")})
)
_END = Statement(delete(SessionRow).where(SessionRow.id == bindparam("id")))
_END_OWN = Statement(
    delete(SessionRow)
    .where(SessionRow.id == bindparam("id"), SessionRow.user_id == bindparam("user_id"))
    .returning(SessionRow.id)
)
_END_OTHERS = Statement(
    delete(SessionRow).where(
        SessionRow.user_id == bindparam("user_id"), SessionRow.id.is_distinct_from(bindparam("kept"))
    )
)
_kept = select(SessionRow.id).where(SessionRow.user_id == bindparam("user_id"), SessionRow.expires_at > bindparam("at"))
_END_OLDEST = Statement(
    delete(SessionRow).where(
        SessionRow.user_id == bindparam("user_id"),
        SessionRow.id.not_in(_kept.order_by(SessionRow.id.desc()).limit(SESSIONS_MAX - 1)),
    )
)
_dead = select(SessionRow.id).where(SessionRow.expires_at <= bindparam("at")).order_by(SessionRow.expires_at)
_SWEEP = Statement(delete(SessionRow).where(SessionRow.id.in_(_dead.limit(SWEPT).with_for_update(skip_locked=True))))
_STILL = Statement(
    select(UserRow.id)
    .where(UserRow.id == bindparam("id"), UserRow.is_active, UserRow.password_hash == bindparam("password_hash"))
    .with_for_update(key_share=True)
)
_REHASH = Statement(
    update(UserRow).where(UserRow.id == bindparam("id_")).values(password_hash=bindparam("password_hash"))
)


async def _email_taken(error: Exception) -> EmailTaken:
    return EmailTaken(original_error=error)


_EMAIL_TAKEN = {EMAIL_IS_UNIQUE: _email_taken}


class UserRepository:
    """Accounts. Reads at once; a write is handed to the unit of work, which commits it with its events."""

    def __init__(self, database: Database, unit: PostgresUnit) -> None:
        self._database = database
        self._unit = unit

    async def get_user(self, user_id: UUID) -> User:
        """The user. Raises UserNotFound."""
        row = await self._database.fetch_one(_USERS.get, {"id": user_id})
        if row is None:
            raise UserNotFound(id=user_id)
        return _user(row)

    async def get_signed_in(self, user_id: UUID) -> User:
        """The user that an access token is of. Raises InvalidToken."""
        row = await self._database.fetch_one(_USERS.get, {"id": user_id})
        if row is None:
            raise InvalidToken
        return _user(row)

    async def find_users(self, *, before: UUID | None, limit: int) -> KeysetPage[User]:
        """A page, the newest first; `before` is the id that the page before ended with."""
        statement = _USERS.first_page if before is None else _USERS.next_page
        rows = await self._database.fetch_all(statement, {"before": before, "limit": limit + 1})
        users = [_user(row) for row in rows[:limit]]
        return KeysetPage(users, (str(users[-1].id),) if len(rows) > limit else None)

    def add_user(self, user: User) -> None:
        """Write the first version; the commit raises EmailTaken."""
        self._unit.write(_USERS.add, _USERS.row(user), _EMAIL_TAKEN)

    def save_profile(self, user: User) -> None:
        """Write the next version; the commit raises EmailTaken, and LostRace where another change was faster."""
        self._unit.write(_USERS.save, _USERS.next(user), _EMAIL_TAKEN)

    def save_access(self, user: User) -> None:
        """Write the next version, whose address is that of the last; the commit raises LostRace as above."""
        self._unit.write(_USERS.save, _USERS.next(user))

    def remove_user(self, user: User) -> None:
        """Remove a user with all sessions; the commit raises LostRace where the stored version is another."""
        self._unit.write(_USERS.remove, _USERS.last(user))

    async def save_and_end_sessions(self, user: User, *, kept: UUID | None = None) -> None:
        """Write the next version and end the user's sessions, but for `kept`: with the unit's events, at once.

        Raises LostRace where another change was faster.
        """
        async with self._unit.transaction() as connection:
            if await connection.fetch_one(_SAVED, _USERS.next(user)) is None:
                raise LostRace
            await connection.fetch_all(_END_OTHERS, {"user_id": user.id, "kept": kept})


class SessionRepository:
    """Sessions. A write is done when its function returns, as a transaction of its own."""

    def __init__(self, database: Database, unit: PostgresUnit) -> None:
        self._database = database
        self._unit = unit

    async def find_sessions(self, user_id: UUID, at: datetime) -> list[Session]:
        """Those of a user that are not over, the newest first."""
        return [Session(*row) for row in await self._database.fetch_all(_SESSIONS, {"user_id": user_id, "at": at})]

    async def find_by_email(self, email_key: str) -> User | None:
        """Who may sign in with an address of this key."""
        row = await self._database.fetch_one(_BY_EMAIL, {"email_key": email_key})
        return None if row is None else _user(row)

    async def find_owner(self, session_id: UUID, at: datetime) -> User | None:
        """Whose session it is, where it is not over."""
        row = await self._database.fetch_one(_OF_SESSION, {"id": session_id, "at": at})
        return None if row is None else _user(row)

    async def begin_session(self, session: Session, user: User, new_hash: str | None) -> None:
        """Write a session, and the password's `new_hash`, where there is one, for one who has just shown the password.

        Raises LostRace where, meanwhile, the password was changed or hashed anew, or the account closed: the lock on
        the user's row is what whoever does that waits for, and then ends this session too.
        """
        async with self._database.transaction() as connection:
            if not await connection.fetch_one(_STILL, {"id": user.id, "password_hash": user.password_hash}):
                raise LostRace
            if new_hash is not None:
                await connection.fetch_one(_REHASH, {"id_": user.id, "password_hash": new_hash})
            await connection.fetch_all(_END_OLDEST, {"user_id": user.id, "at": session.created_at})
            await connection.fetch_all(_SWEEP, {"at": session.created_at})
            await connection.fetch_one(_BEGIN, _session_row(session))

    async def end_session(self, session_id: UUID, user_id: UUID) -> bool:
        """End a session of the user; whether there was one."""
        return await self._database.fetch_one(_END_OWN, {"id": session_id, "user_id": user_id}) is not None

    async def end_sessions(self, user_id: UUID) -> None:
        """End all sessions of the user."""
        await self._database.fetch_all(_END_OTHERS, {"user_id": user_id, "kept": None})

    @asynccontextmanager
    async def locked(self, session_id: UUID) -> AsyncIterator["LockedSession"]:
        """The session, for as long as the block lasts nobody else's.

        What is done in it is committed at its end, with the unit's events. Raises InvalidRefreshToken where there is
        none.
        """
        async with self._unit.transaction() as connection:
            row = await connection.fetch_one(_LOCK, {"id": session_id})
            if row is None:
                raise InvalidRefreshToken
            session = tuple(row)
            width = len(_SESSION_FIELDS)
            yield LockedSession(connection, Session(*session[:width]), _user(session[width:]))


class LockedSession:
    """A session whose row is locked, and its user."""

    def __init__(self, connection: Connection, session: Session, user: User) -> None:
        self._connection = connection
        self.session = session
        self.user = user

    async def rotate(self, session: Session) -> None:
        """Write the session with its next token."""
        await self._connection.fetch_one(_ROTATE, {**_session_row(session), "id_": session.id})

    async def revoke(self) -> None:
        """End the session."""
        await self._connection.fetch_one(_END, {"id": self.session.id})


def _user(row: Row) -> User:
    user_id, email, full_name, is_active, role, scopes, *rest = row
    return User(user_id, email, full_name, is_active, role, tuple(scopes), *rest)


def _session_row(session: Session) -> dict[str, object]:
    return {name: getattr(session, name) for name in _SESSION_FIELDS}
