"""Sessions: listed, ended one by one and all at once; and for how long a token outlives what it stands for."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest
import time_machine

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.ids import uuid7
from mainstay.services.users import callers
from mainstay.services.users.domain import InvalidRefreshToken, SessionNotFound, User
from mainstay.services.users.repository import SessionRepository
from mainstay.services.users.tokens import TokenPair

if TYPE_CHECKING:
    from tests.integration.users.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

Another = Callable[..., "Program"]


async def is_in(program: "Program", pair: TokenPair) -> bool:
    """Whether both tokens of the pair are accepted."""
    try:
        await program.caller(pair)
    except InvalidToken:
        with pytest.raises(InvalidRefreshToken):
            await program.sessions.refresh_session(pair.refresh_token)
        return False
    return True


async def test_sessions_are_listed_the_newest_first(
    program: "Program", pair: TokenPair, ada: User, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    other = await program.sign_in()
    found = await program.stored.find_sessions(ada.id, now())
    assert [session.id for session in found] == [(await program.caller(each)).session_id for each in (other, pair)]
    assert [session.created_at for session in found] == [now(), now() - timedelta(seconds=60)]


async def test_what_is_over_is_not_listed(
    program: "Program", pair: TokenPair, ada: User, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(days=13))
    assert len(await program.stored.find_sessions(ada.id, now())) == 1
    clock.shift(timedelta(days=1))
    assert await program.stored.find_sessions(ada.id, now()) == []
    assert await program.stored.find_sessions(uuid7(), now()) == []


async def test_who_signs_out_is_out_and_the_others_are_not(program: "Program", pair: TokenPair) -> None:
    other = await program.sign_in()
    await program.caller(other)
    caller = await program.caller(pair)
    await program.sessions.sign_out(caller)
    assert not await is_in(program, pair)
    assert await is_in(program, other)
    await program.sessions.sign_out(caller)


async def test_who_signs_out_everywhere_is_out_and_nobody_else_is(program: "Program", pair: TokenPair) -> None:
    other = await program.sign_in()
    await program.register("grace@example.com")
    grace = await program.sign_in("grace@example.com")
    await program.sessions.sign_out_everywhere(await program.caller(pair))
    assert [await is_in(program, each) for each in (pair, other, grace)] == [False, False, True]


async def test_another_session_of_ones_own_can_be_ended(program: "Program", pair: TokenPair) -> None:
    other = await program.sign_in()
    await program.sessions.end_session_of(await program.caller(pair), (await program.caller(other)).session_id)
    assert [await is_in(program, each) for each in (pair, other)] == [True, False]


async def test_the_sessions_of_others_are_not_there(program: "Program", pair: TokenPair) -> None:
    await program.register("grace@example.com")
    grace = await program.sign_in("grace@example.com")
    session_id = (await program.caller(grace)).session_id
    for unknown in (session_id, uuid7(), UUID(int=0)):
        with pytest.raises(SessionNotFound):
            await program.sessions.end_session_of(await program.caller(pair), unknown)
    assert await is_in(program, grace)


async def test_nobody_calls_in_a_session_that_is_over(
    program: "Program", pair: TokenPair, clock: time_machine.Traveller
) -> None:
    session_id = (await program.caller(pair)).session_id
    assert await program.stored.find_owner(session_id, now() + timedelta(days=14, seconds=-1)) is not None
    assert await program.stored.find_owner(session_id, now() + timedelta(days=14)) is None


async def test_who_was_deactivated_by_hand_is_out_although_the_sessions_are_there(
    program: "Program", pair: TokenPair, beside: asyncpg.Connection
) -> None:
    await beside.execute("UPDATE users SET is_active = false")
    assert not await is_in(program, pair)
    assert await beside.fetchval("SELECT count(*) FROM sessions") == 1


# How long a token outlives it


@pytest.mark.parametrize("change", ["inactive", "deleted", "signed out"])
async def test_another_process_hears_of_it_within_half_a_minute(
    program: "Program", another: Another, pair: TokenPair, ada: User, clock: time_machine.Traveller, change: str
) -> None:
    other = another()
    await other.caller(pair)
    if change == "inactive":
        await program.change(ada.id, is_active=False)
    elif change == "deleted":
        await program.delete(ada.id)
    else:
        await program.sessions.sign_out(await program.caller(pair))
    clock.shift(29)
    await other.caller(pair)
    clock.shift(1)
    with pytest.raises(InvalidToken):
        await other.caller(pair)


async def test_a_role_that_was_taken_away_counts_no_more_whatever_the_token_says(program: "Program", ada: User) -> None:
    await program.change(ada.id, role="admin")
    pair = await program.sign_in()
    assert (await program.caller(pair)).role == "admin"
    await program.change(ada.id, role="user")
    assert program.principal(pair).role == "admin"
    assert (await program.caller(pair)).role == "user"


async def test_a_caller_is_asked_for_once_in_half_a_minute(
    program: "Program", pair: TokenPair, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[UUID] = []
    find_owner = SessionRepository.find_owner

    async def counted(self: SessionRepository, session_id: UUID, at: datetime) -> User | None:
        asked.append(session_id)
        return await find_owner(self, session_id, at)

    monkeypatch.setattr(SessionRepository, "find_owner", counted)
    for seconds in (0, 10, 19.9):
        clock.shift(seconds)
        await program.caller(pair)
    assert len(asked) == 1
    clock.shift(0.1)
    await program.caller(pair)
    assert len(asked) == 2


async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    program: "Program", pair: TokenPair, ada: User, beside: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, may_answer = asyncio.Event(), asyncio.Event()
    find_owner = SessionRepository.find_owner

    async def late(self: SessionRepository, session_id: UUID, at: datetime) -> User | None:
        user = await find_owner(self, session_id, at)
        read.set()
        await may_answer.wait()
        return user

    with monkeypatch.context() as patch:
        patch.setattr(SessionRepository, "find_owner", late)
        asking = asyncio.create_task(program.caller(pair))
        await read.wait()
        await program.change(ada.id, is_active=False)
        may_answer.set()
        await asking
    with pytest.raises(InvalidToken):
        await program.caller(pair)


async def test_what_is_remembered_has_a_bound(program: "Program", ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_KEPT", 3)
    pairs = [await program.sign_in() for _ in range(5)]
    for pair in pairs:
        await program.caller(pair)
    assert len(program.callers._known) == 3
    await program.caller(pairs[0])


async def test_a_token_of_one_user_in_the_session_of_another_is_nobodys(
    program: "Program", pair: TokenPair, ada: User
) -> None:
    """Nobody can make one without the key; but a key may sign for more than one program."""
    grace = await program.register("grace@example.com")
    session_id = (await program.caller(pair)).session_id
    forged = program.verifier.verify(program.tokens.access_tokens.issue(grace, session_id))
    with pytest.raises(InvalidToken):
        await program.callers.identify(forged)


async def test_a_token_without_a_session_is_nobodys(program: "Program", pair: TokenPair, ada: User) -> None:
    forged = program.verifier.verify(program.tokens.access_tokens.issue(ada, uuid7()))
    with pytest.raises(InvalidToken):
        await program.callers.identify(forged)
