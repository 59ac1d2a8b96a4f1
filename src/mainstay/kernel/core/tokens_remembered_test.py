import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from mainstay.kernel.core import tokens
from mainstay.kernel.core.errors import InvalidToken
from mainstay.kernel.core.keys import HmacKeys
from mainstay.kernel.core.tokens import Principal, TokenVerifier

KEYS = HmacKeys(b"s" * 32)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ADA = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"


def signed(**claims: Any) -> str:
    good = {"iss": "mainstay", "aud": "mainstay", "sub": ADA, "iat": SECONDS, "exp": SECONDS + 900}
    return KEYS.sign(json.dumps({**good, "jti": "one", "scope": "", "role": "user", **claims}).encode())


GOOD = signed()


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def refused(token: str, by: TokenVerifier) -> None:
    with pytest.raises(InvalidToken):
        by.verify(token)


def test_a_token_is_verified_once_in_half_a_minute(now: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    check = TokenVerifier._verify

    def counted(self: TokenVerifier, token: str) -> Principal:
        verified.append(token)
        return check(self, token)

    monkeypatch.setattr(TokenVerifier, "_verify", counted)
    by = TokenVerifier(KEYS)
    for seconds in (0, 10, 29):
        now.move_to(NOW + timedelta(seconds=seconds))
        assert by.verify(GOOD).subject == ADA
    assert len(verified) == 1
    now.move_to(NOW + timedelta(seconds=30))
    by.verify(GOOD)
    assert len(verified) == 2


def test_a_token_is_not_remembered_beyond_its_end(now: Any) -> None:
    by = TokenVerifier(KEYS)
    token = signed(exp=SECONDS - 20)
    by.verify(token)
    now.move_to(NOW + timedelta(seconds=10))
    refused(token, by)


def test_a_token_that_was_refused_may_be_accepted_later(now: Any) -> None:
    by = TokenVerifier(KEYS)
    token = signed(iat=SECONDS + 40)
    refused(token, by)
    now.move_to(NOW + timedelta(seconds=10))
    assert by.verify(token).subject == ADA


def test_what_is_remembered_has_a_bound_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_KEPT", 3)
    by = TokenVerifier(KEYS)
    made = [signed(jti=str(number)) for number in range(5)]
    for token in made:
        by.verify(token)
    assert list(by._known) == [hashlib.sha256(token.encode()).digest() for token in made[2:]]


def test_the_token_itself_is_not_kept() -> None:
    by = TokenVerifier(KEYS)
    by.verify(GOOD)
    assert GOOD not in repr(vars(by))
    assert GOOD.rpartition(".")[2] not in repr(vars(by))


def test_the_second_time_costs_a_tenth_of_the_first() -> None:
    """The figure itself, under 10 us, is for the bench: here another process may have the processor."""
    with time_machine.travel(NOW, tick=True):

        def best(by: list[TokenVerifier]) -> float:
            spent = []
            for each in by:
                begun = time.perf_counter()
                each.verify(GOOD)
                spent.append(time.perf_counter() - begun)
            return min(spent)

        known = TokenVerifier(KEYS)
        known.verify(GOOD)
        assert best([known] * 500) < best([TokenVerifier(KEYS) for _ in range(500)]) / 3
