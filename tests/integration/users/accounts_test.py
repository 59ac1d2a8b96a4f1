"""Accounts: one of each address, changed by whoever has read the last version, gone with all that belongs to them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from mainstay.kernel.core.errors import Invalid, InvalidToken, PreconditionFailed
from mainstay.kernel.core.etag import ANY_VERSION, TagList
from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.unit import LostRace
from mainstay.services.users.domain import EmailTaken, InvalidCredentials, User, UserNotFound
from mainstay.services.users.tokens import TokenPair

if TYPE_CHECKING:
    from tests.integration.users.conftest import Program

pytestmark = pytest.mark.asyncio(loop_scope="session")

Events = Callable[[], Awaitable[list[tuple[Any, ...]]]]

NEW = "another-good-one"
OLD = "correct-battery-horse"
FIRST, SECOND = TagList.parse('"1"'), TagList.parse('"2"')
WRITES = pytest.mark.parametrize("write", ["change", "delete"])


def spelled(number: int) -> str:
    """A spelling for each number of one address."""
    return "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate("grace")) + "@x.org"


# Register


async def test_who_registers_is_stored_and_told_of(program: "Program", events: Events) -> None:
    user = await program.register("Ada@Example.com", full_name="Ada Lovelace")
    assert await program.users.get_user(user.id) == user
    assert (user.email, user.full_name, user.role, user.version) == ("Ada@Example.com", "Ada Lovelace", "user", 1)
    assert [event[:3] for event in await events()] == [("user.registered", str(user.id), 1)]


async def test_an_event_holds_nothing_of_the_person(program: "Program", events: Events) -> None:
    user = await program.register("ada@example.com", full_name="Ada Lovelace")
    await program.change(user.id, email="grace@example.com")
    await program.delete(user.id)
    for _, _, version, payload, tenant in await events():
        assert payload == f'{{"id": "{user.id}", "version": {version}}}'
        assert tenant == ""


async def test_of_all_who_register_one_address_one_does(program: "Program", events: Events) -> None:
    calls = (program.register(spelled(number)) for number in range(20))
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert Counter(type(each) for each in found) == {User: 1, EmailTaken: 19}
    assert len(await events()) == 1


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", "Ada@example.com"])
async def test_an_address_that_is_there_is_refused(program: "Program", ada: User, email: str, events: Events) -> None:
    before = await events()
    with pytest.raises(EmailTaken) as raised:
        await program.register(email)
    assert raised.value.details == {}
    assert await events() == before


@pytest.mark.parametrize("password", ["password1234", "ADA@example.com", "PASSWORDPASSWORD"])
async def test_a_password_that_is_guessed_first_opens_no_account(
    program: "Program", password: str, events: Events
) -> None:
    with pytest.raises(Invalid):
        await program.register("ada@example.com", password)
    assert await events() == []


# Change and delete


async def test_a_changed_user_is_the_next_version_and_told_of(program: "Program", ada: User, events: Events) -> None:
    changed = await program.change(ada.id, FIRST, email="ada@example.org", full_name="Ada")
    assert await program.users.get_user(ada.id) == changed
    assert (changed.email, changed.full_name, changed.version) == ("ada@example.org", "Ada", 2)
    assert (await events())[-1][:3] == ("user.updated", str(ada.id), 2)
    await program.register("ada@example.com")


async def test_an_address_of_another_is_refused_ones_own_is_not(program: "Program", ada: User) -> None:
    grace = await program.register("grace@example.com")
    with pytest.raises(EmailTaken):
        await program.change(grace.id, email="ADA@example.com")
    assert (await program.change(ada.id, email="ADA@example.com")).email == "ADA@example.com"


async def test_who_is_deleted_is_gone_with_sessions_and_address(
    program: "Program", ada: User, pair: TokenPair, events: Events, beside: asyncpg.Connection
) -> None:
    await program.caller(pair)
    await program.delete(ada.id, FIRST)
    with pytest.raises(UserNotFound):
        await program.users.get_user(ada.id)
    with pytest.raises(InvalidToken):
        await program.caller(pair)
    assert await beside.fetchval("SELECT count(*) FROM sessions") == 0
    assert (await events())[-1][:3] == ("user.deleted", str(ada.id), 2)
    assert (await program.register("ada@example.com")).id != ada.id


@WRITES
async def test_a_write_to_nobody_raises_and_tells_nothing(
    program: "Program", ada: User, write: str, events: Events
) -> None:
    before = await events()
    with pytest.raises(UserNotFound):
        await getattr(program, write)(uuid7())
    assert await events() == before


@WRITES
async def test_a_write_meant_for_another_version_raises_and_tells_nothing(
    program: "Program", ada: User, write: str, events: Events
) -> None:
    before = await events()
    with pytest.raises(PreconditionFailed) as raised:
        await getattr(program, write)(ada.id, SECOND)
    assert raised.value.etag == '"1"'
    assert await events() == before


async def test_of_all_who_change_one_version_one_does(program: "Program", ada: User, events: Events) -> None:
    calls = [program.change(ada.id, FIRST, full_name=str(number)) for number in range(20)]
    calls += [program.change(ada.id, FIRST, is_active=False) for _ in range(5)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, User) for each in found) == 1
    assert {type(each) for each in found} <= {User, LostRace, PreconditionFailed}
    assert [event[2] for event in await events()] == [1, 2]


async def test_a_list_goes_from_the_newest_to_the_oldest_page_by_page(program: "Program") -> None:
    users = [await program.register(f"user{number}@example.com") for number in range(5)]
    found: list[User] = []
    before, pages = None, 0
    while True:
        page = await program.users.find_users(before=before, limit=2)
        found += page.items
        pages += 1
        if page.next is None:
            break
        before = found[-1].id
        assert page.next == (str(before),)
    assert (found, pages) == (users[::-1], 3)


async def test_a_list_of_just_a_page_ends_with_it(program: "Program", ada: User) -> None:
    assert (await program.users.find_users(before=None, limit=1)).next is None
    assert (await program.users.find_users(before=ada.id, limit=1)).items == []


# Deactivation


async def test_who_is_deactivated_is_signed_out_for_good(
    program: "Program", ada: User, pair: TokenPair, events: Events
) -> None:
    await program.caller(pair)
    await program.change(ada.id, is_active=False)
    with pytest.raises(InvalidToken):
        await program.caller(pair)
    with pytest.raises(InvalidCredentials):
        await program.sign_in()
    await program.change(ada.id, is_active=True)
    with pytest.raises(InvalidToken):
        await program.caller(pair)
    await program.caller(await program.sign_in())
    assert [event[:3] for event in await events()] == [
        ("user.registered", str(ada.id), 1),
        ("user.updated", str(ada.id), 2),
        ("user.updated", str(ada.id), 3),
    ]


# Passwords


async def test_a_new_password_opens_and_the_old_one_does_not(program: "Program", pair: TokenPair) -> None:
    await program.change_password(await program.caller(pair))
    await program.sign_in(password=NEW)
    with pytest.raises(InvalidCredentials):
        await program.sign_in(password=OLD)


async def test_a_new_password_ends_the_other_sessions_at_once(
    program: "Program", pair: TokenPair, ada: User, events: Events
) -> None:
    other = await program.sign_in()
    await program.caller(other)
    await program.change_password(await program.caller(pair), if_match=FIRST)
    with pytest.raises(InvalidToken):
        await program.caller(other)
    await program.caller(pair)
    await program.caller(await program.sessions.refresh_session(pair.refresh_token))
    assert (await program.users.get_user(ada.id)).version == 2
    assert (await events())[-1][:3] == ("user.updated", str(ada.id), 2)


@pytest.mark.parametrize(
    ("current", "new", "if_match", "error"),
    [
        ("wrong", NEW, ANY_VERSION, InvalidCredentials),
        (OLD.upper(), NEW, FIRST, InvalidCredentials),
        (OLD, "password1234", FIRST, Invalid),
        (OLD, "ada@EXAMPLE.com", FIRST, Invalid),
        (OLD, NEW, SECOND, PreconditionFailed),
        ("wrong", "password1234", SECOND, Invalid),
        ("wrong", NEW, SECOND, PreconditionFailed),
    ],
)
async def test_a_refused_change_of_password_changes_nothing(
    program: "Program",
    pair: TokenPair,
    ada: User,
    current: str,
    new: str,
    if_match: TagList,
    error: type[Exception],
    events: Events,
) -> None:
    other, before = await program.sign_in(), await events()
    with pytest.raises(error):
        await program.change_password(await program.caller(pair), current, new, if_match)
    assert await program.users.get_user(ada.id) == ada
    await program.caller(other)
    assert await events() == before


async def test_of_two_changes_of_a_password_at_once_one_holds(program: "Program", pair: TokenPair, ada: User) -> None:
    caller = await program.caller(pair)
    calls = (program.change_password(caller, new=f"{NEW}-{number}", if_match=FIRST) for number in range(2))
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [None in found, any(isinstance(each, (LostRace, PreconditionFailed)) for each in found)] == [True, True]
    await program.sign_in(password=f"{NEW}-{found.index(None)}")
