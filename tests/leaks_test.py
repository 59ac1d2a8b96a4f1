"""The look for secrets in logs finds each of them, and nothing else."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.keys import HmacKeys
from mainstay.services.users.domain import User
from mainstay.services.users.passwords import Argon2id, Bcrypt
from mainstay.services.users.tokens import AccessTokens, RefreshTokens
from tests.conftest import without_secrets
from tests.leaks import leak

KEY = secrets.token_bytes(32)
ADA = User.register(uuid7(), {"email": "ada@example.com", "full_name": None}, "", datetime.now(UTC))


def report(*sections: tuple[str, str]) -> pytest.TestReport:
    """Of a test that has passed."""
    return pytest.TestReport("a_test", ("a_test.py", 1, "a"), {}, "passed", None, "call", sections)


SECRETS: list[tuple[str, Callable[[], str]]] = [
    ("an access token", lambda: AccessTokens(HmacKeys(KEY)).issue(ADA, uuid7())),
    ("a refresh token", lambda: RefreshTokens([KEY]).make(uuid7(), 0)),
    ("a refresh token", lambda: RefreshTokens([KEY]).make(uuid7(), 4_000_000_000)),
    ("a password", lambda: "correct-battery-horse"),
    ("a password's hash", lambda: Bcrypt(4).hash(b"a")),
    ("a password's hash", lambda: Argon2id().hash(b"a")),
    ("an e-mail address", lambda: ADA.email),
    ("a private key", lambda: "-----BEGIN PRIVATE KEY-----"),
]


@pytest.mark.parametrize(("kind", "make"), SECRETS)
def test_a_secret_is_found_and_named_with_its_line(kind: str, make: Callable[[], str]) -> None:
    secret = make()
    text = f"first\n2026-01-02 [info] signed in: {secret} at last\nlast"
    found = leak(text)
    assert found is not None
    assert found.startswith(f"{kind} in '2026-01-02 [info]")
    assert found.endswith("at last'")
    failed = without_secrets(report(("Captured stdout call", text)))
    assert (failed.outcome, secret in str(failed.longrepr)) == ("failed", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "first\nlast",
        "sign-in failed: user 019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a",
        '{"event": "request", "route": "/api/v1/auth/login", "status": 401, "request_id": "0b7e"}',
        "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a " * 3,
        "A" * 200,
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert leak(text) is None
    assert without_secrets(report(("Captured stderr call", text))).outcome == "passed"


def test_a_test_that_has_failed_stays_as_it_is() -> None:
    failed = pytest.TestReport("a", ("a", 1, "a"), {}, "failed", "why", "call", [("Captured stdout call", ADA.email)])
    assert without_secrets(failed).longrepr == "why"
