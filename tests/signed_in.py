"""Users with tokens, without a sign-in: put into the database as the program would have left them."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg2

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.keys import Keys
from mainstay.services.users.domain import SLIDING, Role, User
from mainstay.services.users.passwords import Bcrypt
from mainstay.services.users.tokens import AccessTokens

PASSWORD = "correct-battery-horse"  # noqa: S105 - everybody's here
HASH = Bcrypt(4).hash(PASSWORD.encode())
ADD = """
    INSERT INTO users (id, email, email_key, is_active, role, scopes, tenant, password_hash, created_at, updated_at,
        version)
    VALUES (%(user)s, %(email)s, %(email)s, true, %(role)s, %(scopes)s, %(tenant)s, %(hash)s, %(at)s, %(at)s, 1);
    INSERT INTO sessions (id, user_id, counter, token_hash, created_at, refreshed_at, expires_at)
    VALUES (%(session)s, %(user)s, 0, '', %(at)s, %(at)s, %(expires)s)"""


@dataclass(frozen=True)
class SignedIn:
    """A user in a session."""

    user_id: UUID
    email: str
    session_id: UUID
    access_token: str

    @property
    def headers(self) -> dict[str, str]:
        """What says who calls."""
        return {"Authorization": f"Bearer {self.access_token}"}


def sign_in(
    url: str, keys: Keys, *, scopes: Sequence[str] = (), role: Role = "user", tenant: str | None = None
) -> SignedIn:
    """A new user in the database at `url`, and a token that the program with these keys accepts."""
    at, session_id = now(), uuid7()
    user = User.register(uuid7(), {"email": f"{uuid4()}@example.com", "full_name": None}, HASH, at)
    user = user.change({"role": role, "scopes": tuple(scopes), "tenant": tenant}, at)
    values = {"user": str(user.id), "session": str(session_id), "scopes": list(scopes), "expires": at + SLIDING}
    values |= {"email": user.email, "hash": HASH, "role": role, "tenant": tenant, "at": at}
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(ADD, values)
    return SignedIn(user.id, user.email, session_id, AccessTokens(keys).issue(user, session_id))
