"""Who calls: the user behind an access token, while the session lives that it was issued in."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.events import Event
from mainstay.kernel.core.tokens import Principal
from mainstay.services.users.domain import Role, User
from mainstay.services.users.repository import SessionRepository
from mainstay.services.users.tokens import session_of

REMEMBERED = timedelta(seconds=30)
"""So much later than the others may a process learn that a user or a session has gone: half of what is promised."""
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """A user in a session, as they are now: a role that was taken away counts no more, whatever the token says."""

    user_id: UUID
    subject: str
    """The same, as tokens have it."""
    session_id: UUID
    role: Role
    scopes: frozenset[str]
    tenant: str | None

    @classmethod
    def of(cls, user: User, session_id: UUID) -> "Caller":
        """The user in this session."""
        return cls(user.id, str(user.id), session_id, user.role, frozenset(user.scopes), user.tenant)


class Callers:
    """Knows who calls, and asks the database about each session once in half a minute."""

    def __init__(self, sessions: SessionRepository) -> None:
        self._sessions = sessions
        self._known: dict[UUID, tuple[datetime, Caller]] = {}
        self._forgotten = 0

    async def identify(self, principal: Principal) -> Caller:
        """The caller. Raises InvalidToken where the session is over, or the user inactive or gone."""
        session_id = session_of(principal)
        until, caller = self._known.get(session_id, (None, None))
        if until is None or caller is None or until <= now():
            caller = await self._ask(session_id)
        if caller.subject != principal.subject:
            raise InvalidToken
        return caller

    async def current(self, principal: Principal) -> Principal:
        """The principal as its owner is now, whatever the token says. Raises InvalidToken as above."""
        caller = await self.identify(principal)
        found = caller.role, caller.scopes, caller.tenant
        if found == (principal.role, principal.scopes, principal.tenant):
            return principal
        return replace(principal, role=caller.role, scopes=caller.scopes, tenant=caller.tenant)

    def forget(self, user_id: UUID) -> None:
        """Ask again about all sessions of the user: something has changed."""
        self._forgotten += 1
        for session_id in [found for found, (_, caller) in self._known.items() if caller.user_id == user_id]:
            del self._known[session_id]

    async def hear(self, event: Event) -> None:
        """Forget whom an event of the unit of work is about. For the event bus."""
        self.forget(UUID(event.aggregate_id))

    async def _ask(self, session_id: UUID) -> Caller:
        self._known.pop(session_id, None)
        before = self._forgotten
        at = now()
        user = await self._sessions.find_owner(session_id, at)
        if user is None or not user.is_active:
            raise InvalidToken
        caller = Caller.of(user, session_id)
        if self._forgotten == before:  # else what was read may be from before the change
            self._remember(caller, at + REMEMBERED)
        return caller

    def _remember(self, caller: Caller, until: datetime) -> None:
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[caller.session_id] = (until, caller)
