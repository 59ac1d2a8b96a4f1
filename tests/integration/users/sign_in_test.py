"""Signing in: the same answer and the same work whatever is wrong; hashes that grow with the setting."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import argon2
import asyncpg
import pytest
import time_machine

from mainstay.kernel.core.unit import LostRace
from mainstay.kernel.db.engine import Database
from mainstay.services.users.domain import InvalidCredentials, User
from mainstay.services.users.passwords import Argon2id, Bcrypt, Passwords
from mainstay.services.users.repository import SESSIONS_MAX, SWEPT
from mainstay.services.users.tokens import TokenPair

if TYPE_CHECKING:
    from tests.integration.users.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

Another = Callable[..., "Program"]

PASSWORD = "correct-battery-horse"
ARGON2ID = Argon2id(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@example.COM"])
async def test_who_knows_the_password_is_signed_in(program: "Program", ada: User, email: str) -> None:
    pair = await program.sign_in(email)
    caller = await program.caller(pair)
    assert (caller.user_id, caller.role, caller.tenant) == (ada.id, "user", None)
    assert caller.scopes == {"pets:*", "tasks:*", "configs:read"}


async def test_each_sign_in_is_a_session_of_its_own(program: "Program", pair: TokenPair) -> None:
    other = await program.sign_in()
    assert (await program.caller(other)).session_id != (await program.caller(pair)).session_id
    assert (await program.sessions.refresh_session(pair.refresh_token)).refresh_token != (
        await program.sessions.refresh_session(other.refresh_token)
    ).refresh_token


@pytest.mark.parametrize(
    "password", ["🐎🔋📎🐎🔋📎🐎🔋📎🐎🔋📎", "a" * 128, "пароль которого нет", "a\tb\nc d e f g h"]
)
async def test_any_unicode_signs_in(program: "Program", password: str) -> None:
    await program.register("ada@example.com", password)
    await program.sign_in(password=password)
    with pytest.raises(InvalidCredentials):
        await program.sign_in(password=password[:-1])


async def test_a_password_counts_to_its_last_byte(program: "Program") -> None:
    await program.register("ada@example.com", "a" * 100)
    with pytest.raises(InvalidCredentials):
        await program.sign_in(password="a" * 90 + "b" + "a" * 9)
    await program.sign_in(password="a" * 100)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.com", "wrong"),
        ("ada@example.com", ""),
        ("ada@example.com", PASSWORD.upper()),
        ("ada@example.com", "x" * 100_000),
        ("nobody@example.com", PASSWORD),
        ("", PASSWORD),
        ("ada", PASSWORD),
        ("ada@example.com\t", PASSWORD),
        ("%@example.com", PASSWORD),
    ],
)
async def test_who_does_not_is_not(
    program: "Program", ada: User, email: str, password: str, beside: asyncpg.Connection
) -> None:
    with pytest.raises(InvalidCredentials) as raised:
        await program.sign_in(email, password)
    assert (str(raised.value), raised.value.details) == (InvalidCredentials.message, {})
    assert await beside.fetchval("SELECT count(*) FROM sessions") == 0


async def test_unknown_wrong_and_inactive_are_the_same_work(
    program: "Program", ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: the medians of 200 pairs are for the bench."""
    await program.register("inactive@example.com")
    [inactive] = [user for user in (await program.users.find_users(before=None, limit=9)).items if user.id != ada.id]
    await program.change(inactive.id, is_active=False)
    verified: list[str] = []
    verify = Bcrypt.verify

    def counted(self: Bcrypt, password: bytes, hashed: str) -> bool:
        verified.append(hashed[:7])
        return verify(self, password, hashed)

    monkeypatch.setattr(Bcrypt, "verify", counted)
    for email, password in (("nobody@x.org", PASSWORD), ("ada@example.com", "no"), ("inactive@example.com", PASSWORD)):
        with pytest.raises(InvalidCredentials):
            await program.sign_in(email, password)
    assert verified == ["$2b$04$"] * 3


async def test_a_failure_is_logged_without_address_or_password(
    program: "Program", ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for email in ("ada@example.com", "nobody@example.com"):
            with pytest.raises(InvalidCredentials):
                await program.sign_in(email, "wrong-secret")
        await program.change(ada.id, is_active=False)
        with pytest.raises(InvalidCredentials):
            await program.sign_in()
    logged = [record.getMessage() for record in caplog.records]
    known, unknown = f"sign-in failed: user {ada.id}", "sign-in failed: unknown address"
    assert logged == [known, unknown, known]
    assert "example.com" not in caplog.text
    assert "wrong-secret" not in caplog.text


# Another setting


@pytest.fixture
def stricter(another: Another) -> "Program":
    """A process with another setting than the one that hashed."""
    return another(passwords=Passwords(ARGON2ID, Bcrypt(4)))


async def stored_hash(beside: asyncpg.Connection) -> str:
    return str(await beside.fetchval("SELECT password_hash FROM users"))


async def test_a_hash_of_an_older_setting_is_replaced_at_the_next_sign_in(
    program: "Program", stricter: "Program", ada: User, beside: asyncpg.Connection
) -> None:
    await stricter.sign_in()
    replaced = await stored_hash(beside)
    assert replaced.startswith("$argon2id$")
    await stricter.sign_in()
    assert await stored_hash(beside) == replaced
    assert (await program.users.get_user(ada.id)).version == ada.version


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_failed_sign_in_replaces_no_hash(
    stricter: "Program", ada: User, password: str, beside: asyncpg.Connection
) -> None:
    with pytest.raises(InvalidCredentials):
        await stricter.sign_in(password=password)
    assert await stored_hash(beside) == ada.password_hash


# Races


async def test_a_sign_in_with_the_old_password_does_not_outlive_its_change(
    program: "Program", pair: TokenPair, ada: User, beside: asyncpg.Connection
) -> None:
    """However the two meet: no session is left but the one that changed the password, and later ones."""
    caller = await program.caller(pair)
    for number in range(5):
        old, new = (PASSWORD if number == 0 else f"good-one-no-{number}"), f"good-one-no-{number + 1}"
        calls = [program.sign_in(password=old) for _ in range(4)]
        await asyncio.gather(*calls, program.change_password(caller, old, new), return_exceptions=True)
        left = await beside.fetch("SELECT id FROM sessions")
        assert [row["id"] for row in left] == [caller.session_id]
        await program.sign_in(password=new)
        await beside.execute("DELETE FROM sessions WHERE id <> $1", caller.session_id)


async def test_a_sign_in_does_not_outlive_the_account(
    program: "Program", ada: User, beside: asyncpg.Connection
) -> None:
    found = await asyncio.gather(
        *(program.sign_in() for _ in range(8)), program.change(ada.id, is_active=False), return_exceptions=True
    )
    assert {type(each) for each in found} <= {TokenPair, InvalidCredentials, LostRace, User}
    assert await beside.fetchval("SELECT count(*) FROM sessions") == 0


# Room


async def test_a_sign_in_sweeps_out_what_is_over(
    program: "Program", pair: TokenPair, clock: time_machine.Traveller, beside: asyncpg.Connection
) -> None:
    clock.shift(14 * 86400 - 1)
    await program.register("grace@example.com")
    await program.sign_in("grace@example.com")
    assert await beside.fetchval("SELECT count(*) FROM sessions") == 2
    clock.shift(1)
    await program.sign_in("grace@example.com")
    assert await beside.fetchval("SELECT count(*) FROM sessions") == 2


async def test_a_sign_in_sweeps_out_some_of_the_oldest_and_waits_for_nobody(
    program: "Program", pair: TokenPair, beside: asyncpg.Connection, database: Database
) -> None:
    row = "gen_random_uuid(), id, 0, '', created_at, created_at, created_at + interval '1 day' - n * interval '1 hour'"
    await beside.execute(f"INSERT INTO sessions SELECT {row} FROM users, generate_series(25, 64) AS n")
    async with database.transaction() as connection:
        await connection.driver.execute("SELECT FROM sessions ORDER BY expires_at LIMIT 1 FOR UPDATE")
        await program.register("grace@example.com")
        await program.sign_in("grace@example.com")
    hours = "SELECT extract(epoch FROM created_at + interval '1 day' - expires_at) / 3600 FROM sessions ORDER BY 1 DESC"
    left = [int(hour) for (hour,) in await beside.fetch(hours)]
    assert left[:2] == [64, 63 - SWEPT]


async def test_a_user_has_only_so_many_sessions_and_the_oldest_go(
    program: "Program", ada: User, beside: asyncpg.Connection
) -> None:
    row = "gen_random_uuid(), $1, 0, '', created_at, created_at, created_at + interval '14 days'"
    await beside.execute(f"INSERT INTO sessions SELECT {row} FROM users, generate_series(1, 150)", ada.id)
    newest = await beside.fetchval("SELECT max(id::text) FROM sessions")
    pair = await program.sign_in()
    kept = {str(row["id"]) for row in await beside.fetch("SELECT id FROM sessions")}
    assert len(kept) == SESSIONS_MAX
    assert {newest, str((await program.caller(pair)).session_id)} <= kept
