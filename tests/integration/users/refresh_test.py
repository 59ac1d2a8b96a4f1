"""A session's refresh tokens: used once, forgiven at once, told of when they come again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import time_machine

from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.ids import uuid7
from mainstay.services.users.domain import InvalidRefreshToken, TokenReused, User
from mainstay.services.users.tokens import RefreshTokens, TokenPair, token_hash

if TYPE_CHECKING:
    from tests.integration.users.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

Another = Callable[..., "Program"]
Events = Callable[[], Awaitable[list[tuple[Any, ...]]]]

CALLERS = 100
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
NEW_SECRET = b"n" * 32


async def outcome(program: "Program", token: str) -> str:
    """The next refresh token, or the code of the error."""
    try:
        return (await program.sessions.refresh_session(token)).refresh_token
    except (InvalidRefreshToken, TokenReused) as error:
        return error.code


async def test_a_refresh_gives_the_next_pair(program: "Program", pair: TokenPair, ada: User) -> None:
    following = await program.sessions.refresh_session(pair.refresh_token)
    assert following.refresh_token != pair.refresh_token
    assert following.expires_in == 900
    assert program.principal(following).subject == str(ada.id)
    assert (await program.caller(following)).session_id == (await program.caller(pair)).session_id
    assert (await program.sessions.refresh_session(following.refresh_token)).refresh_token not in {
        pair.refresh_token,
        following.refresh_token,
    }


async def test_a_refresh_says_what_the_user_is_now(program: "Program", pair: TokenPair, ada: User) -> None:
    await program.change(ada.id, role="admin", scopes=("orders:*",), tenant="t-1")
    principal = program.principal(await program.sessions.refresh_session(pair.refresh_token))
    assert (principal.role, set(principal.scopes), principal.tenant) == ("admin", {"orders:*"}, "t-1")


async def test_only_the_hash_is_stored(program: "Program", pair: TokenPair, beside: asyncpg.Connection) -> None:
    await program.sessions.refresh_session(pair.refresh_token)
    stored = str([dict(row) for row in await beside.fetch("SELECT * FROM sessions")])
    assert pair.refresh_token not in stored
    assert pair.refresh_token[-20:] not in stored


@pytest.mark.parametrize("token", ["", "x", "\0", "a.b.c", "A" * 70])
async def test_what_is_no_refresh_token_is_refused(program: "Program", pair: TokenPair, token: str) -> None:
    assert await outcome(program, token) == "invalid_refresh_token"
    assert await outcome(program, pair.access_token) == "invalid_refresh_token"


async def test_a_token_of_a_session_that_never_was_is_refused(program: "Program", pair: TokenPair) -> None:
    assert await outcome(program, program.tokens.refresh_tokens.make(uuid7(), 0)) == "invalid_refresh_token"


async def test_a_token_of_the_future_is_refused_and_ends_nothing(program: "Program", pair: TokenPair) -> None:
    """As after a backup was restored: the database does not know of the last refreshes."""
    session_id = (await program.caller(pair)).session_id
    for counter in (1, 2, 1000):
        assert (
            await outcome(program, program.tokens.refresh_tokens.make(session_id, counter)) == "invalid_refresh_token"
        )
    await program.sessions.refresh_session(pair.refresh_token)


# Again, at once


async def test_a_lost_answer_is_given_again(program: "Program", pair: TokenPair, clock: time_machine.Traveller) -> None:
    lost = await program.sessions.refresh_session(pair.refresh_token)
    for seconds in (0, 5, 4.9):
        clock.shift(seconds)
        again = await program.sessions.refresh_session(pair.refresh_token)
        assert again.refresh_token == lost.refresh_token
        assert program.principal(again).subject == program.principal(lost).subject
    assert (await program.sessions.refresh_session(lost.refresh_token)).refresh_token != lost.refresh_token


async def test_of_all_who_refresh_at_once_each_gets_the_one_child(
    program: "Program", pair: TokenPair, beside: asyncpg.Connection, events: Events
) -> None:
    before = await events()
    children = await asyncio.gather(*(program.sessions.refresh_session(pair.refresh_token) for _ in range(CALLERS)))
    assert len({child.refresh_token for child in children}) == 1
    [[counter, stored]] = await beside.fetch("SELECT counter, token_hash FROM sessions")
    assert counter == 1
    assert stored == token_hash(children[0].refresh_token)
    assert await events() == before


async def test_two_processes_give_one_child(program: "Program", another: Another, pair: TokenPair) -> None:
    other = another()
    children = await asyncio.gather(
        *(each.sessions.refresh_session(pair.refresh_token) for _ in range(10) for each in (program, other))
    )
    assert len({child.refresh_token for child in children}) == 1


# Again, too late


@pytest.mark.parametrize("seconds", [10, 11, 3600, 13 * 86400])
async def test_a_used_token_that_comes_late_ends_the_session_for_both(
    program: "Program", pair: TokenPair, clock: time_machine.Traveller, seconds: int
) -> None:
    living = await program.sessions.refresh_session(pair.refresh_token)
    clock.shift(seconds)
    assert await outcome(program, pair.refresh_token) == "token_reused"
    assert await outcome(program, living.refresh_token) == "invalid_refresh_token"
    assert await outcome(program, pair.refresh_token) == "invalid_refresh_token"


async def test_a_token_twice_removed_ends_the_session_at_once(program: "Program", pair: TokenPair) -> None:
    child = await program.sessions.refresh_session(pair.refresh_token)
    grandchild = await program.sessions.refresh_session(child.refresh_token)
    assert await outcome(program, pair.refresh_token) == "token_reused"
    assert await outcome(program, grandchild.refresh_token) == "invalid_refresh_token"


async def test_a_reuse_is_told_of_and_logged_without_a_token(
    program: "Program", pair: TokenPair, ada: User, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    session_id = (await program.caller(pair)).session_id
    child = await program.sessions.refresh_session(pair.refresh_token)
    await program.sessions.refresh_session(child.refresh_token)
    with caplog.at_level(logging.WARNING):
        assert await outcome(program, pair.refresh_token) == "token_reused"
        assert await outcome(program, pair.refresh_token) == "invalid_refresh_token"
    assert [event[:3] for event in await events()] == [
        ("user.registered", str(ada.id), 1),
        ("user.token_reuse_detected", str(ada.id), 1),
    ]
    [record] = caplog.records
    assert record.getMessage() == f"refresh token used again: session {session_id} of user {ada.id} is over"
    assert pair.refresh_token not in caplog.text


async def test_a_reuse_ends_the_access_tokens_too_and_no_other_session(program: "Program", pair: TokenPair) -> None:
    other = await program.sign_in()
    child = await program.sessions.refresh_session(pair.refresh_token)
    grandchild = await program.sessions.refresh_session(child.refresh_token)
    await program.caller(grandchild)
    assert await outcome(program, pair.refresh_token) == "token_reused"
    with pytest.raises(InvalidToken):
        await program.caller(grandchild)
    await program.caller(other)
    assert (await program.sessions.refresh_session(other.refresh_token)).refresh_token


async def test_a_thief_and_the_owner_at_once_leave_one_session_or_none(
    program: "Program", pair: TokenPair, beside: asyncpg.Connection
) -> None:
    child = await program.sessions.refresh_session(pair.refresh_token)
    await program.sessions.refresh_session(child.refresh_token)
    found = await asyncio.gather(
        *(outcome(program, token) for token in [pair.refresh_token] * 20 + [child.refresh_token] * 20)
    )
    assert found.count("token_reused") == 1
    assert await beside.fetchval("SELECT count(*) FROM sessions") == 0


# Time


async def test_a_session_slides_for_ninety_days_and_no_longer(
    program: "Program", pair: TokenPair, clock: time_machine.Traveller
) -> None:
    token = pair.refresh_token
    for _ in range(6):
        clock.shift(14 * DAY - SECOND)
        token = (await program.sessions.refresh_session(token)).refresh_token
    clock.shift(6 * DAY + 5 * SECOND)
    token = (await program.sessions.refresh_session(token)).refresh_token
    clock.shift(SECOND)
    assert await outcome(program, token) == "invalid_refresh_token"


@pytest.mark.parametrize(("days", "seconds", "over"), [(13, 86399, False), (14, 0, True), (30, 0, True)])
async def test_a_session_ends_a_fortnight_after_its_last_refresh(
    program: "Program", pair: TokenPair, clock: time_machine.Traveller, days: int, seconds: int, over: bool
) -> None:
    clock.shift(days * DAY + seconds * SECOND)
    assert (await outcome(program, pair.refresh_token) == "invalid_refresh_token") is over


async def test_a_reuse_in_a_session_that_is_over_is_no_news(
    program: "Program", pair: TokenPair, clock: time_machine.Traveller, events: Events
) -> None:
    await program.sessions.refresh_session(pair.refresh_token)
    clock.shift(15 * DAY)
    before = await events()
    assert await outcome(program, pair.refresh_token) == "invalid_refresh_token"
    assert await events() == before


# The secret


async def test_a_new_secret_signs_nobody_out(program: "Program", another: Another, pair: TokenPair) -> None:
    rotated = another(NEW_SECRET, b"s" * 32)
    child = await rotated.sessions.refresh_session(pair.refresh_token)
    assert child.refresh_token == RefreshTokens([NEW_SECRET]).make((await program.caller(pair)).session_id, 1)
    assert (await rotated.sessions.refresh_session(pair.refresh_token)).refresh_token == child.refresh_token
    assert rotated.principal(child).subject == rotated.principal(pair).subject


async def test_an_answer_lost_while_the_secret_changed_is_given_again(
    program: "Program", another: Another, pair: TokenPair
) -> None:
    lost = await program.sessions.refresh_session(pair.refresh_token)
    rotated = another(NEW_SECRET, b"s" * 32)
    assert (await rotated.sessions.refresh_session(pair.refresh_token)).refresh_token == lost.refresh_token


async def test_without_the_old_secret_its_tokens_are_nobodys(
    program: "Program", another: Another, pair: TokenPair
) -> None:
    replaced = another(NEW_SECRET)
    assert await outcome(replaced, pair.refresh_token) == "invalid_refresh_token"
    with pytest.raises(InvalidToken):
        replaced.principal(pair)
