"""Who calls: a user for each tenant, signed in, with a token. Mainstay checks it; the baselines look at none."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.keys import HmacKeys
from mainstay.services.users.domain import User
from mainstay.services.users.tokens import AccessTokens

SECRET = secrets.token_urlsafe(32)
"""Of this run: what Mainstay signs with, and so what it accepts."""
BIG = "big"
"""The tenant that bench.growth asks about."""
CONVERSATION = "conversation"
TENANTS = (CONVERSATION, BIG, *(f"{kind}-{number:03}" for number in range(100) for kind in ("tenant", "drafts")))
_SCOPES = ("configs:*", "orders:*", "pets:*", "tasks:*")

_FILL = """
INSERT INTO users (
    id, email, email_key, is_active, role, scopes, tenant, password_hash, created_at, updated_at, version
)
VALUES ('{user}', '{tenant}@example.com', '{tenant}@example.com', true, 'user', '{{{scopes}}}', '{tenant}', '',
    now(), now(), 1);
INSERT INTO sessions (id, user_id, counter, token_hash, created_at, refreshed_at, expires_at)
VALUES ('{session}', '{user}', 0, '', now(), now(), now() + interval '1 day');
"""


def fill() -> str:
    """Statements that make the users and their sessions."""
    return "".join(
        _FILL.format(user=user, session=session, tenant=tenant, scopes=",".join(_SCOPES))
        for tenant, user, session in _callers()
    )


def token(tenant: str) -> str:
    """One that lives for a quarter of an hour."""
    return _issue(*next(caller for caller in _callers() if caller[0] == tenant))


def write_tokens(path: Path) -> None:
    """A line for each tenant, with its token, for wrk."""
    path.write_text("".join(f"{caller[0]} {_issue(*caller)}\n" for caller in _callers()))


def _callers() -> Sequence[tuple[str, UUID, UUID]]:
    """Tenant, user and session."""
    return [(tenant, UUID(int=number), UUID(int=number)) for number, tenant in enumerate(TENANTS, start=1)]


def _issue(tenant: str, user_id: UUID, session_id: UUID) -> str:
    user = User.register(user_id, {"email": f"{tenant}@example.com", "full_name": None}, "", now() - timedelta(days=1))
    user = user.change({"scopes": _SCOPES, "tenant": tenant}, now())
    return AccessTokens(HmacKeys(SECRET.encode())).issue(user, session_id)
