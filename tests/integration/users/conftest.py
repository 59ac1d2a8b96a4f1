"""Users and sessions on one database for all these tests, emptied before each."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
import time_machine
from prometheus_client import CollectorRegistry

from mainstay.kernel.core.etag import ANY_VERSION, TagList
from mainstay.kernel.core.keys import HmacKeys
from mainstay.kernel.core.tokens import Principal, TokenVerifier
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.db.engine import Database, Timeouts
from mainstay.kernel.db.unit import PostgresUnit
from mainstay.services.users.callers import Caller, Callers
from mainstay.services.users.domain import User
from mainstay.services.users.metrics import SignInMetrics
from mainstay.services.users.passwords import Bcrypt, Passwords
from mainstay.services.users.repository import SessionRepository, UserRepository
from mainstay.services.users.service import SessionService, UserService
from mainstay.services.users.tokens import AccessTokens, RefreshTokens, TokenPair, Tokens

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SECRET = b"s" * 32
PASSWORD = "correct-battery-horse"  # noqa: S105 - nobody's
PATIENT = Timeouts(connect=30, pool_wait=30, lock=30, statement=30)
"""What is late on a busy machine is not wrong."""
OUTBOX = "SELECT type, aggregateid, aggregateversion, payload::text, tenant_id FROM outbox ORDER BY seq"


class Program:
    """The use cases of one process, each call with a unit of its own, committed as a route does it."""

    def __init__(self, database: Database, *secrets: bytes, passwords: Passwords | None = None) -> None:
        self.database = database
        keys = HmacKeys(*(secrets or (SECRET,)))
        self.verifier = TokenVerifier(keys)
        self.tokens = Tokens(AccessTokens(keys), RefreshTokens(secrets or (SECRET,)))
        self.passwords = passwords or Passwords(Bcrypt(4), wait=30)
        self.stored = SessionRepository(database, PostgresUnit(database))
        self.callers = Callers(self.stored)
        self.metrics = SignInMetrics(CollectorRegistry())

    @property
    def users(self) -> UserRepository:
        """For the reads."""
        return UserRepository(self.database, PostgresUnit(self.database))

    @property
    def sessions(self) -> SessionService:
        """The use cases of sessions, which commit by themselves."""
        unit = PostgresUnit(self.database)
        stored = SessionRepository(self.database, unit)
        return SessionService(stored, self.passwords, self.tokens, self.callers, unit, self.metrics)

    async def _call(self, name: str, *arguments: object) -> Any:
        unit = PostgresUnit(self.database)
        service = UserService(UserRepository(self.database, unit), unit, self.passwords, self.callers)
        answer = await getattr(service, name)(*arguments)
        await unit.commit(Reply(200, b""), None)
        for event in unit.events:
            await self.callers.hear(event)
        return answer

    async def register(self, email: str = "ada@example.com", password: str = PASSWORD, **fields: object) -> User:
        """Open an account."""
        user: User = await self._call("register", {"email": email, "full_name": None, **fields}, password)
        return user

    async def change(self, user_id: UUID, if_match: TagList = ANY_VERSION, **fields: object) -> User:
        """Change an account."""
        name = "change_profile" if {"email", "full_name"} >= set(fields) else "change_access"
        user: User = await self._call(name, await self.users.get_user(user_id), if_match, fields)
        return user

    async def change_password(
        self, caller: Caller, current: str = PASSWORD, new: str = "another-good-one", if_match: TagList = ANY_VERSION
    ) -> None:
        """Change the caller's password."""
        await self._call("change_password", caller, if_match, current, new)

    async def delete(self, user_id: UUID, if_match: TagList = ANY_VERSION) -> None:
        """Remove an account."""
        await self._call("close_account", await self.users.get_user(user_id), if_match)

    async def sign_in(self, email: str = "ada@example.com", password: str = PASSWORD) -> TokenPair:
        """Begin a session."""
        return await self.sessions.sign_in(email, password)

    def principal(self, pair: TokenPair) -> Principal:
        """Who calls, as any service can tell by itself."""
        return self.verifier.verify(pair.access_token)

    async def caller(self, pair: TokenPair) -> Caller:
        """Who calls, as this service knows."""
        return await self.callers.identify(self.principal(pair))


@pytest.fixture(scope="session")
def kept_database_url(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """One database for all these tests: to empty it takes a hundredth of the time that a new one takes."""
    with copied_database() as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept_database(kept_database_url: str) -> AsyncIterator[Database]:
    """The pool, for all tests."""
    async with Database(kept_database_url, timeouts=PATIENT) as database:
        yield database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def beside(kept_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of someone else in the database."""
    connection = await asyncpg.connect(kept_database_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def database(kept_database: Database, beside: asyncpg.Connection) -> Database:
    """Without a user, a session, an event."""
    await beside.execute("DELETE FROM users; DELETE FROM outbox")
    return kept_database


@pytest.fixture
def another(database: Database) -> Iterator[Callable[..., Program]]:
    """Starts one more process on the same database."""
    started: list[Program] = []

    def start(*secrets: bytes, passwords: Passwords | None = None) -> Program:
        started.append(Program(database, *secrets, passwords=passwords))
        return started[-1]

    yield start
    for program in started:
        program.passwords.close()


@pytest.fixture
def program(another: Callable[..., Program]) -> Program:
    """The first process."""
    return another()


@pytest_asyncio.fixture(loop_scope="session")
async def ada(program: Program, clock: time_machine.Traveller) -> User:  # noqa: ARG001 - stops the time
    """Somebody with an account."""
    return await program.register()


@pytest_asyncio.fixture(loop_scope="session")
async def pair(program: Program, ada: User) -> TokenPair:  # noqa: ARG001 - is the one who signs in
    """What she got for her password, a moment ago."""
    return await program.sign_in()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The time, which the test moves."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def events(beside: asyncpg.Connection) -> Callable[[], Any]:
    """The events that were committed, in the order of their sequence."""

    async def events() -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await beside.fetch(OUTBOX)]

    return events
