from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from starlette.requests import Request

from mainstay.kernel.core.errors import Forbidden, InvalidToken, Unauthorized
from mainstay.kernel.core.tokens import Principal
from mainstay.kernel.http.auth import NO_TOKENS, Guard
from mainstay.kernel.http.types import HEADERS_KEY, PRINCIPAL_KEY

ADA = Principal(
    subject=str(uuid4()),
    token_id="t",
    role="user",
    scopes=frozenset({"pets:read", "tasks:*"}),
    tenant=None,
    expires=datetime.now(UTC) + timedelta(minutes=15),
)


class OneToken:
    def verify(self, token: str) -> Principal:
        if token != "good":
            raise InvalidToken
        return ADA


async def gone(_: Principal) -> Principal:
    raise InvalidToken


async def scopeless(principal: Principal) -> Principal:
    return replace(principal, scopes=frozenset())


def sent(token: str | None) -> Request:
    return Request(
        {"type": "http", HEADERS_KEY: {} if token is None else {b"authorization": f"Bearer {token}".encode()}}
    )


@pytest.mark.parametrize("required", [["pets"], []])
async def test_who_has_a_token_is_known_whether_or_not_one_is_needed(required: list[str]) -> None:
    request = sent("good")
    assert await Guard(OneToken(), required).admit(request, "pets", "read", scoped=True) is ADA
    assert request.scope[PRINCIPAL_KEY] is ADA


async def test_who_has_none_gets_in_where_none_is_needed() -> None:
    request = sent(None)
    assert await Guard(OneToken(), ["pets"]).admit(request, "tasks", "write", scoped=True) is None
    assert PRINCIPAL_KEY not in request.scope


@pytest.mark.parametrize("scoped", [True, False])
async def test_who_has_none_stays_outside_where_one_is_needed(scoped: bool) -> None:
    with pytest.raises(Unauthorized) as raised:
        await Guard(OneToken(), ["pets"]).admit(sent(None), "pets", "read", scoped=scoped)
    assert not isinstance(raised.value, InvalidToken)


@pytest.mark.parametrize("required", [["pets"], []])
@pytest.mark.parametrize("token", ["bad", "", "good "[::-1] + "x"])
async def test_a_token_that_is_none_is_refused_also_where_none_is_needed(required: list[str], token: str) -> None:
    with pytest.raises(InvalidToken):
        await Guard(OneToken(), required).admit(sent(token), "pets", "read", scoped=True)


async def test_until_somebody_knows_tokens_none_is_one() -> None:
    with pytest.raises(InvalidToken):
        await Guard(NO_TOKENS, []).admit(sent("good"), "pets", "read", scoped=True)


@pytest.mark.parametrize(("service", "action"), [("pets", "read"), ("tasks", "read"), ("tasks", "write")])
async def test_a_scope_lets_in(service: str, action: str) -> None:
    assert await Guard(OneToken(), []).admit(sent("good"), service, action, scoped=True) is ADA


@pytest.mark.parametrize(("service", "action"), [("pets", "write"), ("orders", "read"), ("orders", "write")])
async def test_who_has_no_scope_for_it_is_turned_away_by_name(service: str, action: str) -> None:
    request, guard = sent("good"), Guard(OneToken(), [])
    with pytest.raises(Forbidden):
        await guard.admit(request, service, action, scoped=True)
    assert request.scope[PRINCIPAL_KEY] is ADA  # the log names it
    assert await guard.admit(request, service, action, scoped=False) is ADA


async def test_what_is_known_of_the_owner_goes_before_what_the_token_says() -> None:
    with pytest.raises(InvalidToken):
        await Guard(OneToken(), [], gone).admit(sent("good"), "pets", "read", scoped=True)
    request = sent("good")
    with pytest.raises(Forbidden):
        await Guard(OneToken(), [], scopeless).admit(request, "pets", "read", scoped=True)
    found = request.scope[PRINCIPAL_KEY]
    assert found.subject == ADA.subject
    assert found.scopes == frozenset()
