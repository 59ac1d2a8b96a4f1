"""Who signs and who calls: secrets, the keys of tokens, the users that all services ask about."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from typing import Any

from prometheus_client import CollectorRegistry

from mainstay.app.database import PENDING, database_url, make_database, migrate, said_plainly
from mainstay.kernel.core.errors import StartupError
from mainstay.kernel.core.keys import EdKeys, HmacKeys, Keys
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db import migrations
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.kernel.ops.secret import kept_secret
from mainstay.services.users import dependencies as users
from mainstay.services.users.domain import User
from mainstay.settings import Settings


def secrets_of(settings: Settings) -> Sequence[bytes]:
    """What signs, then what has signed before. Raises StartupError."""
    return settings.given_secrets or [kept_secret(settings.data_dir / "secret_key")]


def token_keys(settings: Settings) -> Keys:
    """What signs access tokens: the program's secret, or the Ed25519 key of a file. Raises StartupError."""
    if settings.token_key_file is None:
        return HmacKeys(*secrets_of(settings))
    try:
        current, *others = (path.read_bytes() for path in (settings.token_key_file, *settings.token_key_files_other))
        return EdKeys.read(current, *others)
    except (OSError, ValueError) as error:
        raise StartupError(f"TOKEN_KEY_FILE, TOKEN_KEY_FILES_OTHER: {error}") from None


def users_of(
    settings: Settings, database: Database, registry: CollectorRegistry | None = None
) -> AbstractContextManager[users.UsersState]:
    """Accounts and sessions, also where another process serves them: it is they that say who calls."""
    passwords = users.hashed_with(settings.password_hash, settings.bcrypt_cost)
    return users.users_state(database, token_keys(settings), secrets_of(settings), passwords, registry)


async def open_admin(settings: Settings, fields: Mapping[str, Any], password: str) -> User:
    """Open an account with the role that registration does not give, without serving.

    Raises StartupError, Invalid for a password that is guessed first, and EmailTaken.
    """
    async with AsyncExitStack() as stack:
        with said_plainly():
            url = await database_url(settings, stack)
            if settings.migrates_on_start:
                await migrate(url)
            database = await stack.enter_async_context(make_database(url, settings))
            if not await migrations.is_current(database):
                raise StartupError(f"migrations are {PENDING}")
            unit = PostgresUnit(database)
            accounts = stack.enter_context(users_of(settings, database)).accounts(unit)
            user = await accounts.register({**fields, "role": "admin"}, password)
            await unit.commit(Reply(201, b""), None)
        return user
