import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import argon2
import bcrypt
import pytest

from mainstay.kernel.core.errors import Invalid, Unavailable
from mainstay.services.users import passwords as module
from mainstay.services.users.domain import PASSWORD_MIN
from mainstay.services.users.passwords import Argon2id, Bcrypt, Passwords, Scheme, check_password

EMAIL = "ada.lovelace@example.com"
QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SCHEMES = pytest.mark.parametrize("scheme", [Bcrypt(4), Argon2id(QUICK)], ids=["bcrypt", "argon2id"])
GOOD = "correct-battery-horse"

Make = Callable[..., Passwords]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes passwords that end with the test."""
    made: list[Passwords] = []

    def make(*schemes: Scheme, **options: float) -> Passwords:
        made.append(Passwords(*(schemes or (Bcrypt(4),)), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


# Which are taken


@pytest.mark.parametrize("password", [GOOD, "пароль-которого-нет", "🐎🔋📎" * 4, " " * 13, "ada.lovelace@example.co"])
def test_a_password_that_nobody_guesses_is_taken(password: str) -> None:
    check_password(password, EMAIL, "password")


@pytest.mark.parametrize(
    ("password", "error_type"),
    [
        (EMAIL, "password_is_email"),
        ("Ada.Lovelace@EXAMPLE.com", "password_is_email"),
        ("password1234", "password_common"),
        ("PassWord1234", "password_common"),
        ("qwertyuiop123", "password_common"),
        ("correct horse battery staple", "password_common"),
        ("LÖSENORD1234", "password_common"),
    ],
)
def test_a_password_that_is_guessed_first_is_refused_and_not_repeated(password: str, error_type: str) -> None:
    with pytest.raises(Invalid) as raised:
        check_password(password, EMAIL, "new_password")
    errors: Any = raised.value.details["errors"]
    assert [(error["loc"], error["type"]) for error in errors] == [(["body", "new_password"], error_type)]
    assert password not in str(raised.value.details)


def test_the_list_is_as_it_is_compared() -> None:
    listed = (files("mainstay.services.users") / "common_passwords.txt").read_text(encoding="utf-8").splitlines()
    assert len(listed) > 500
    assert listed == sorted({password.casefold() for password in listed})
    assert [password for password in listed if len(password) < PASSWORD_MIN] == []


# Hashing


@SCHEMES
async def test_a_hash_is_of_one_password(scheme: Scheme, make: Make) -> None:
    passwords = make(scheme)
    hashed = await passwords.hash(GOOD)
    assert hashed.startswith(scheme.prefix)
    assert await passwords.verify(GOOD, hashed)
    for other in (GOOD.upper(), f"{GOOD} ", GOOD[:-1], "", f"{GOOD}\0", hashed):
        assert not await passwords.verify(other, hashed)


@SCHEMES
async def test_one_password_has_many_hashes(scheme: Scheme, make: Make) -> None:
    passwords = make(scheme)
    assert await passwords.hash(GOOD) != await passwords.hash(GOOD)


@SCHEMES
@pytest.mark.parametrize("position", [0, 71, 72, 73, 90, 99])
async def test_every_byte_counts(scheme: Scheme, position: int, make: Make) -> None:
    """Alone, bcrypt would cut at 72 bytes, or, in this release, raise."""
    passwords = make(scheme)
    password = "a" * 100
    hashed = await passwords.hash(password)
    assert await passwords.verify(password, hashed)
    assert not await passwords.verify(password[:position] + "b" + password[position + 1 :], hashed)


@SCHEMES
@pytest.mark.parametrize("password", ["🐎" * 12, "🐎" * 128, "пароль" * 21, "x" * 128, "a\0b" * 4, "\U0010ffff" * 128])
async def test_any_unicode_is_hashed(scheme: Scheme, password: str, make: Make) -> None:
    passwords = make(scheme)
    hashed = await passwords.hash(password)
    assert await passwords.verify(password, hashed)
    assert not await passwords.verify(password[:-1] + "?", hashed)


async def test_what_looks_the_same_is_the_same_whatever_the_keyboard_sends(make: Make) -> None:
    passwords = make()
    hashed = await passwords.hash("\u00e9tude-in-e-minor")
    assert await passwords.verify("e\u0301tude-in-e-minor", hashed)
    assert not await passwords.verify("etude-in-e-minor", hashed)


async def test_what_bcrypt_is_given_is_worth_nothing_elsewhere(make: Make) -> None:
    hashed = await make().hash(GOOD)
    assert not bcrypt.checkpw(GOOD.encode(), hashed.encode())


@SCHEMES
async def test_without_a_hash_the_same_work_is_done_for_nothing(
    scheme: Scheme, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[str] = []
    verify = scheme.verify

    def counted(password: bytes, hashed: str) -> bool:
        worked.append(hashed)
        return verify(password, hashed)

    monkeypatch.setattr(scheme, "verify", counted)
    passwords = make(scheme)
    for password in (GOOD, "", "\0"):
        assert not await passwords.verify(password, None)
    assert len(worked) == 3
    assert all(scheme.is_current(hashed) for hashed in worked)


async def test_the_hash_of_nobody_opens_to_nobody(make: Make) -> None:
    """Also where it is, in truth, the hash of something."""
    passwords = make(Argon2id(QUICK))
    assert not await passwords.verify("", None)


# Another setting


async def test_hashes_of_the_other_scheme_are_verified_and_want_to_be_replaced(make: Make) -> None:
    schemes: list[Scheme] = [Bcrypt(4), Argon2id(QUICK)]
    for current, other in (schemes, reversed(schemes)):
        hashed = await make(other).hash(GOOD)
        passwords = make(current, other)
        assert await passwords.verify(GOOD, hashed)
        assert not await passwords.verify("another", hashed)
        assert passwords.needs_rehash(hashed)
        assert not passwords.needs_rehash(await passwords.hash(GOOD))


async def test_hashes_of_another_cost_want_to_be_replaced(make: Make) -> None:
    assert make(Bcrypt(5)).needs_rehash(await make(Bcrypt(4)).hash(GOOD))
    dearer = argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)
    assert make(Argon2id(dearer)).needs_rehash(await make(Argon2id(QUICK)).hash(GOOD))


def test_by_default_it_is_bcrypt_with_cost_twelve() -> None:
    assert Bcrypt().nobodys.startswith("$2b$12$")
    assert Bcrypt().is_current("$2b$12$rest")
    assert not Bcrypt().is_current("$2b$04$rest")


# The threads


class Slow(Bcrypt):
    """Hashes when it is told to."""

    def __init__(self) -> None:
        super().__init__(4)
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()

    def hash(self, password: bytes) -> str:
        self.begun.release()
        self.may_end.wait(10)
        return threading.current_thread().name


@pytest.fixture
def slow() -> Iterator[Slow]:
    scheme = Slow()
    yield scheme
    scheme.may_end.set()


async def test_the_loop_goes_on_while_threads_of_their_own_hash(slow: Slow, make: Make) -> None:
    passwords = make(slow)
    hashing = asyncio.create_task(passwords.hash(GOOD))
    await asyncio.to_thread(slow.begun.acquire)
    assert not hashing.done()
    slow.may_end.set()
    assert (await hashing).startswith("passwords")


async def test_who_would_wait_too_long_is_told_to_come_again(slow: Slow, make: Make) -> None:
    passwords = make(slow, threads=1, wait=0.05)
    hashing = asyncio.create_task(passwords.hash(GOOD))
    await asyncio.to_thread(slow.begun.acquire)
    for call in (passwords.hash(GOOD), passwords.verify(GOOD, None)):
        with pytest.raises(Unavailable, match="signing in"):
            await call
    slow.may_end.set()
    await hashing
    assert not await passwords.verify(GOOD, None)


async def test_who_gives_up_leaves_the_place_to_the_next(slow: Slow, make: Make) -> None:
    passwords = make(slow, threads=1)
    hashing = asyncio.create_task(passwords.hash(GOOD))
    await asyncio.to_thread(slow.begun.acquire)
    waiting = asyncio.create_task(passwords.hash(GOOD))
    await asyncio.sleep(0)
    waiting.cancel()
    slow.may_end.set()
    await hashing
    assert await passwords.hash(GOOD)


class Noting(Bcrypt):
    """Notes the threads that hash: their name, policy and niceness. Those aside can be held up."""

    def __init__(self) -> None:
        super().__init__(4)
        self.threads: list[tuple[str, int, int]] = []
        self.has_time_aside = threading.Event()

    def hash(self, password: bytes) -> str:
        name = threading.current_thread().name
        self.threads.append(
            (name, os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        )
        if "aside" in name:
            assert self.has_time_aside.wait(20)
        return super().hash(password)


@pytest.fixture
def noting() -> Iterator[Noting]:
    scheme = Noting()
    yield scheme
    scheme.has_time_aside.set()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
async def test_who_hashes_takes_only_what_nobody_else_wants(make: Make, noting: Noting) -> None:
    before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    noting.has_time_aside.set()
    assert await make(noting).hash(GOOD)
    ((_, policy, _),) = noting.threads
    assert policy == os.SCHED_IDLE
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
async def test_where_others_want_all_the_time_there_is_a_hash_is_made_among_them(
    make: Make, noting: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    hashing = make(noting, threads=1)
    for _ in range(3):  # the one thread aside has begun, and never ends
        made = await hashing.hash(GOOD)
        assert made.startswith("$2b$04$")
    aside, *among = noting.threads
    assert aside[1] == os.SCHED_IDLE
    assert [policy for _, policy, _ in among] == [os.SCHED_OTHER] * 3
    assert {niceness for _, _, niceness in among} == {os.getpriority(os.PRIO_PROCESS, 0) + 10}


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
@pytest.mark.parametrize("patience", [0.0, 2.0])
async def test_where_threads_may_not_give_way_they_hash_all_the_same(
    make: Make, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    monkeypatch.setattr(os, "setpriority", forbid)
    monkeypatch.setattr(module, "_PATIENCE", patience)
    hashing = make(Bcrypt(4))
    assert await hashing.verify(GOOD, await hashing.hash(GOOD))


async def test_a_failure_aside_is_told_and_not_tried_again(make: Make) -> None:
    calls: list[str] = []

    class Failing(Bcrypt):
        def hash(self, password: bytes) -> str:
            calls.append("hash")
            raise MemoryError

    with pytest.raises(MemoryError):
        await make(Failing(4)).hash(GOOD)
    assert calls == ["hash"]
