"""Passwords: which are taken, how they are hashed, and where: in threads of their own, beside the event loop.

bcrypt takes 72 bytes and not one more. What it is given here is an HMAC of the password, 44 characters however long the
password is: every byte of it counts, and no NUL byte in it ends it.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Literal, Protocol, TypeVar

import argon2
import bcrypt

from mainstay.kernel.core.errors import Invalid, Unavailable
from mainstay.services.users.domain import email_key

SchemeName = Literal["bcrypt", "argon2id"]
T = TypeVar("T")

# No secret: it makes what bcrypt hashes another value than the same HMAC would be elsewhere.
_PURPOSE = b"mainstay password v1"
_NICENESS = 10  # a tenth of a busy core
_PATIENCE = 2.0  # seconds, some four times what a hash takes where a core has time for it
_WAIT = 2.0
"""Seconds for which a hash may wait for a thread: later the caller has gone."""


def check_password(password: str, email: str, field: str) -> None:
    """Refuse what is guessed first. `field`: the body's, for the error. Raises Invalid."""
    if email_key(password) == email_key(email):
        raise _refused(field, "password_is_email", "Choose a password that is not your e-mail address")
    if password.casefold() in _guessed_first():
        raise _refused(field, "password_common", "This password is among the most common ones: choose another")


def _refused(field: str, error_type: str, message: str) -> Invalid:
    return Invalid(errors=[{"loc": ["body", field], "message": message, "type": error_type}])


@cache
def _guessed_first() -> frozenset[str]:
    listed = (files(__package__) / "common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(listed.splitlines())


class Scheme(Protocol):
    """A way to hash."""

    prefix: str
    """What its hashes begin with."""
    nobodys: str
    """A hash of no password, which costs as much to verify as any."""

    def hash(self, password: bytes) -> str:
        """The hash."""

    def verify(self, password: bytes, hashed: str) -> bool:
        """Whether the hash is of this password."""

    def is_current(self, hashed: str) -> bool:
        """Whether a hash made now would cost as much."""


class Bcrypt:
    """bcrypt; each step of `cost` doubles the work."""

    prefix = "$2b$"

    def __init__(self, cost: int = 12) -> None:
        self._cost = cost
        self.nobodys = f"$2b${cost:02}${'.' * 53}"

    def hash(self, password: bytes) -> str:
        """See Scheme."""
        return bcrypt.hashpw(_shortened(password), bcrypt.gensalt(self._cost)).decode()

    def verify(self, password: bytes, hashed: str) -> bool:
        """See Scheme."""
        return bcrypt.checkpw(_shortened(password), hashed.encode())

    def is_current(self, hashed: str) -> bool:
        """See Scheme."""
        return hashed.startswith(f"$2b${self._cost:02}$")


class Argon2id:
    """Argon2id (RFC 9106), by default with its second recommended parameters: 64 MiB a hash."""

    prefix = "$argon2id$"

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        hasher = hasher or argon2.PasswordHasher()
        self._hasher = hasher
        cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        self.nobodys = f"$argon2id$v=19${cost}${_zeros(hasher.salt_len)}${_zeros(hasher.hash_len)}"

    def hash(self, password: bytes) -> str:
        """See Scheme."""
        return self._hasher.hash(password)

    def verify(self, password: bytes, hashed: str) -> bool:
        """See Scheme."""
        try:
            return self._hasher.verify(hashed, password)
        except argon2.exceptions.VerifyMismatchError:
            return False

    def is_current(self, hashed: str) -> bool:
        """See Scheme."""
        return not self._hasher.check_needs_rehash(hashed)


def _zeros(length: int) -> str:
    return base64.b64encode(bytes(length)).rstrip(b"=").decode()


def _shortened(password: bytes) -> bytes:
    return base64.b64encode(hmac.digest(_PURPOSE, password, hashlib.sha256))


def _step_aside() -> None:
    """Take only what nobody else wants of a core: a quarter of a second of work must not hold up a millisecond's.

    Linux alone has priorities of threads, and a thread cannot take its own back. Elsewhere they are as others, also
    where a container forbids it.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _give_way() -> None:
    """Come after the others, but come."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class Passwords:
    """Hashes and verifies, a few at a time; to be closed at the end. Every call raises Unavailable when overrun."""

    def __init__(self, current: Scheme, *others: Scheme, threads: int = 2, wait: float = _WAIT) -> None:
        """`others` made hashes that are still there: they are verified, and replaced when their owner signs in."""
        self._current = current
        self._schemes = (current, *others)
        self._aside = ThreadPoolExecutor(threads, "passwords aside", _step_aside)
        self._among = ThreadPoolExecutor(threads, "passwords among the others", _give_way)
        self._slots = asyncio.Semaphore(threads)
        self._wait = wait

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        return await self._run(lambda: self._current.hash(_bytes(password)))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the hash is of this password; where there is none the same work is done, for nothing."""
        given = self._current.nobodys if hashed is None else hashed
        scheme = next(scheme for scheme in self._schemes if given.startswith(scheme.prefix))
        matches = await self._run(lambda: scheme.verify(_bytes(password), given))
        return matches and hashed is not None

    def needs_rehash(self, hashed: str) -> bool:
        """Whether the hash is of another scheme, or of another cost, than those made now."""
        return not (hashed.startswith(self._current.prefix) and self._current.is_current(hashed))

    def close(self) -> None:
        """End the threads, without waiting for what they are at."""
        for executor in (self._aside, self._among):
            executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._wait):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Unavailable("Too many people are signing in right now; please try again.") from error
        try:
            return await self._work(work)
        finally:
            self._slots.release()

    async def _work(self, work: Callable[[], T]) -> T:
        """Aside, and where no core has time for that, once more among the others: nobody could sign in any more."""
        loop = asyncio.get_running_loop()
        aside = loop.run_in_executor(self._aside, work)
        await asyncio.wait([aside], timeout=_PATIENCE)
        if aside.done():
            return aside.result()
        aside.cancel()
        return await loop.run_in_executor(self._among, work)


def _bytes(password: str) -> bytes:
    """One spelling of what looks the same (RFC 8265, section 4.2): keyboards differ in how they compose an accent."""
    return unicodedata.normalize("NFC", password).encode()
