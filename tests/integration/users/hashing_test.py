"""While a password is hashed, no connection to the database is held: with the only one, others go on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from mainstay.kernel.db.engine import Database
from mainstay.services.users.passwords import Bcrypt, Passwords
from tests.integration.users.conftest import PATIENT, Program

if TYPE_CHECKING:
    from mainstay.services.users.domain import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Held(Bcrypt):
    """Once armed, begins its work and does not go on until it is told to."""

    def __init__(self) -> None:
        super().__init__(4)
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def hash(self, password: bytes) -> str:
        self._wait()
        return super().hash(password)

    def verify(self, password: bytes, hashed: str) -> bool:
        self._wait()
        return super().verify(password, hashed)

    def _wait(self) -> None:
        if not self.go_on.is_set():
            self.begun.set()
            self.go_on.wait(30)


@pytest_asyncio.fixture(loop_scope="session")
async def narrow(kept_database_url: str, database: Database) -> AsyncIterator[Database]:
    """A pool of one connection."""
    async with Database(kept_database_url, pool_min=1, pool_max=1, timeouts=PATIENT) as narrow:
        yield narrow


@pytest.mark.parametrize("call", ["sign_in", "register", "change_password"])
async def test_who_is_hashing_holds_no_connection(narrow: Database, another: Callable[..., Program], call: str) -> None:
    held = Held()
    program = Program(narrow, passwords=another(passwords=Passwords(held, wait=30)).passwords)
    ada: User = await program.register()
    caller = await program.caller(await program.sign_in())
    assert caller.user_id == ada.id
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "sign_in": program.sign_in,
        "register": lambda: program.register("grace@example.com"),
        "change_password": lambda: program.change_password(caller),
    }
    held.go_on.clear()
    hashing = asyncio.ensure_future(calls[call]())
    try:
        assert await asyncio.to_thread(held.begun.wait, 30)
        async with asyncio.timeout(10):
            assert await narrow.fetch_text("SELECT 1") == 1
    finally:
        held.go_on.set()
    await hashing
