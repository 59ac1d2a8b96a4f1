"""Replays, sign-ins and the scrape itself, as the whole program counts them."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

TOM = {"name": "Tom", "species": "cat"}
USER = {"email": "ada@example.com", "password": "correct-battery-horse"}
AUTH = "/api/v1/auth"
KEY = {"Idempotency-Key": "one"}

Scrape = Callable[[], Awaitable[Any]]


@pytest.fixture
def scrape(client: httpx.AsyncClient, scraped: Callable[[str], Any]) -> Scrape:
    async def scrape() -> Any:
        return scraped((await client.get("/metrics")).text)

    return scrape


async def test_a_replay_is_counted_and_a_first_answer_is_not(client: httpx.AsyncClient, scrape: Scrape) -> None:
    assert (await client.post("/pets", json=TOM, headers=KEY)).status_code == 201
    found = await scrape()
    assert {service: found.value("idempotent_replays_total", service=service) for service in ("pets", "users")} == {
        "pets": 0,
        "users": None,  # has no operation that takes a key
    }
    for number in (1, 2):
        assert "idempotency-replayed" in (await client.post("/pets", json=TOM, headers=KEY)).headers
        assert (await scrape()).value("idempotent_replays_total", service="pets") == number
    other = {**TOM, "name": "Tim"}
    assert (await client.post("/pets", json=other, headers=KEY)).status_code == 422
    assert (await client.post("/pets", json=other)).status_code == 201
    assert (await scrape()).total("idempotent_replays_total") == 2


async def test_failed_sign_ins_are_counted_without_a_reason(client: httpx.AsyncClient, scrape: Scrape) -> None:
    assert (await client.post("/api/v1/users", json=USER)).status_code == 201
    assert (await client.post(f"{AUTH}/login", json=USER)).status_code == 200
    found = await scrape()
    assert [found.value("logins_failed_total", kind=kind) for kind in ("password", "refresh")] == [0, 0]
    for attempt in ({**USER, "password": "another"}, {**USER, "email": "eve@example.com"}):
        assert (await client.post(f"{AUTH}/login", json=attempt)).status_code == 401
    form = {"username": USER["email"], "password": "another"}
    assert (await client.post(f"{AUTH}/token", data=form)).status_code == 401
    assert (await client.post(f"{AUTH}/login", json={"email": USER["email"]})).status_code == 422
    found = await scrape()
    assert [found.value("logins_failed_total", kind=kind) for kind in ("password", "refresh")] == [3, 0]
    assert found.total("tokens_reused_total") == 0


async def test_refused_and_reused_refresh_tokens_are_counted(client: httpx.AsyncClient, scrape: Scrape) -> None:
    async def refresh(token: str) -> httpx.Response:
        return await client.post(f"{AUTH}/refresh", json={"refresh_token": token})

    await client.post("/api/v1/users", json=USER)
    first = (await client.post(f"{AUTH}/login", json=USER)).json()["refresh_token"]
    second = (await refresh(first)).json()["refresh_token"]
    assert (await refresh(second)).status_code == 200
    assert (await refresh(first)).json()["error"]["code"] == "token_reused"
    found = await scrape()
    assert (found.value("tokens_reused_total"), found.value("logins_failed_total", kind="refresh")) == (1, 0)
    for token in (second, "none"):  # its session is over; no token at all
        assert (await refresh(token)).status_code == 401
    found = await scrape()
    assert (found.value("tokens_reused_total"), found.value("logins_failed_total", kind="refresh")) == (1, 2)
    assert found.value("logins_failed_total", kind="password") == 0


async def test_every_name_says_its_unit_and_every_metric_what_it_is(client: httpx.AsyncClient, scrape: Scrape) -> None:
    text = (await client.get("/metrics")).text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert len(kinds) > 15
    assert [name for name, kind in kinds.items() if (kind == "counter") != name.endswith("_total")] == []
    assert [name for name, kind in kinds.items() if kind in {"histogram", "summary"} and "_seconds" not in name] == []
    assert [name for name in kinds if name.endswith(("_created", "_ms", "_milliseconds"))] == []
    assert [name for name, words in (await scrape()).help.items() if not words.endswith(".")] == []


async def test_the_outbox_is_part_of_a_scrape(client: httpx.AsyncClient, scrape: Scrape) -> None:
    await client.post("/pets", json=TOM)
    assert (await scrape()).value("outbox_unseen_events") == 1
    assert (await scrape()).value("relay_active") == 0
