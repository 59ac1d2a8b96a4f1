"""How often somebody may try a password."""

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from mainstay.kernel.core.rates import Rate
from mainstay.kernel.http.rate_limits import RateLimits
from mainstay.kernel.ops.metrics import RateLimitMetrics
from tests.conftest import SetState

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOGIN, TOKEN, REFRESH, USERS = "/api/v1/auth/login", "/api/v1/auth/token", "/api/v1/auth/refresh", "/api/v1/users"


@pytest.fixture(autouse=True)
def rate_limits(app: FastAPI, set_state: SetState) -> None:
    """With the group of sign-ins limited, and nothing counted yet."""
    limits = RateLimits({"auth": Rate(100, 60)}, RateLimitMetrics(CollectorRegistry()))
    set_state(app, "rate_limits", limits)


async def login(client: httpx.AsyncClient, email: str) -> int:
    answer = await client.post(LOGIN, json={"email": email, "password": "not her password"})
    return answer.status_code


async def token(client: httpx.AsyncClient, email: str) -> int:
    answer = await client.post(TOKEN, data={"username": email, "password": "not her password"})
    return answer.status_code


async def test_an_account_is_one_however_it_is_written_and_wherever_it_is_tried(app: FastAPI) -> None:
    found = []
    spellings = ["ada@example.com", "ADA@example.com", "Ada@Example.com"]
    for number in range(8):
        transport = httpx.ASGITransport(app, client=(f"10.0.0.{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://mainstay") as client:
            found.append(await (login if number % 2 else token)(client, spellings[number % 3]))
    assert found == [401] * 6 + [429] * 2


async def test_an_address_may_try_six_accounts(client: httpx.AsyncClient) -> None:
    assert [await login(client, f"{number}@example.com") for number in range(8)] == [401] * 6 + [429] * 2


async def test_a_password_that_is_right_counts_too_and_is_refused_too(client: httpx.AsyncClient) -> None:
    ada = {"email": "ada@example.com", "password": "correct-battery-horse"}
    assert (await client.post(USERS, json=ada)).status_code == 201
    answers = [await client.post(LOGIN, json=ada) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


async def test_what_costs_a_hash_is_counted_with_signing_in_what_does_not_is_not(
    client: httpx.AsyncClient, me: dict[str, str]
) -> None:
    for path in (USERS, LOGIN, TOKEN, f"{USERS}/me/password"):
        assert (await client.post(path, json={}, headers=me)).headers["ratelimit-policy"] == '"auth";q=100;w=60', path
    for path in (REFRESH, "/api/v1/auth/logout"):
        assert "ratelimit" not in (await client.post(path, json={}, headers=me)).headers, path


async def test_guessing_the_password_of_a_session_that_was_taken_over_is_trying_to_sign_in(
    client: httpx.AsyncClient, me: dict[str, str]
) -> None:
    guess = {"current_password": "not her password", "new_password": "another-good-one"}
    found = [await client.post(f"{USERS}/me/password", json=guess, headers=me) for _ in range(7)]
    assert [answer.status_code for answer in found] == [401] * 5 + [429] * 2  # she has signed in from there, too
    assert found[0].json()["error"]["code"] == "invalid_credentials"
    assert found[-1].json()["error"]["code"] == "rate_limited"


async def test_an_attempt_that_cannot_be_read_is_none(client: httpx.AsyncClient) -> None:
    for _ in range(10):
        assert (await client.post(LOGIN, json={"email": "ada@example.com"})).status_code == 422
    assert await login(client, "ada@example.com") == 401
