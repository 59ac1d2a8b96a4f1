"""Backup, delete everything, restore: the same answers byte for byte, from all five services."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from mainstay.app import create_app
from mainstay.settings import Settings
from tests.conftest import client_of, run_sql, running

Answer = tuple[int, dict[str, str], bytes]

OF_THE_MOMENT = {"x-request-id", "date"}
TENANT = {"X-Tenant-Id": "acme"}
ACCOUNT = {"email": "ada@example.com", "password": "correct-battery-horse"}
AUTH = "/api/v1/auth"


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with running(create_app(settings)) as app, client_of(app) as client:
        yield client


async def fill(client: httpx.AsyncClient) -> None:
    """Data of every kind, some of it in a second version."""
    for name in ("Mittens", "Rex"):
        await client.post("/pets", json={"name": name, "species": "cat"}, headers={"Idempotency-Key": f"pet {name}"})
    await client.patch("/pets/1", json={"status": "sold"}, headers={"If-Match": '"1"'})
    for title in ("Fix login bug", "Größe ändern"):
        await client.post("/v1/tasks", json={"title": title, "due_date": "2026-12-01"})
    await client.patch("/v1/tasks/2", json={"status": "completed"})
    for name in ("checkout", "search"):
        made = await client.post("/api/v1/applications", json={"name": name})
        config = {"retries": 3, "timeout": 2.50, "nested": {"list": [1, None, "ü"]}}
        fields = {"application_id": made.json()["id"], "name": "production", "config": config}
        await client.post("/api/v1/configurations", json=fields)
    for number in range(5):
        made = await client.post("/orders", headers={**TENANT, "Idempotency-Key": f"order {number}"})
        if number:
            address, first = made.headers["location"], {**TENANT, "If-Match": '"1"'}
            await client.patch(f"{address}/confirm", json={"totalCents": number}, headers=first)


async def all_addresses(client: httpx.AsyncClient, token: str) -> list[str]:
    """What there is to read: lists, their later pages by the cursors of now, and each thing by its id."""
    addresses = ["/pets", "/pets/1", "/pets/2", "/v1/tasks", "/v1/tasks/1", "/v1/tasks/2", "/api/v1/applications"]
    for application in (await client.get("/api/v1/applications")).json():
        addresses.append(f"/api/v1/applications/{application['id']}")
        addresses += [f"/api/v1/configurations/{number}" for number in application["configuration_ids"]]
    page: Any = (await client.get("/orders?limit=2", headers=TENANT)).json()
    addresses += ["/orders?limit=2", f"/orders?limit=2&cursor={page['nextCursor']}"]
    addresses += [f"/orders/{order['id']}" for order in page["items"]]
    me = (await client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})).json()
    return [*addresses, "/api/v1/users", "/api/v1/users/me", f"/api/v1/users/{me['id']}"]


async def answers(client: httpx.AsyncClient, addresses: list[str], token: str) -> dict[str, Answer]:
    """What a client gets, but for what is of the moment."""
    found = {}
    for address in addresses:
        headers = {"Authorization": f"Bearer {token}"} if "/users" in address else TENANT
        found[address] = shown(await client.get(address, headers=headers))
    found["replayed"] = shown(await client.post("/orders", headers={**TENANT, "Idempotency-Key": "order 3"}))
    return found


def shown(got: httpx.Response) -> Answer:
    headers = {name: value for name, value in got.headers.items() if name.lower() not in OF_THE_MOMENT}
    return got.status_code, headers, got.content


@pytest.mark.parametrize("secret", [None, "0123456789-0123456789-0123456789"], ids=["kept", "given"])
async def test_the_same_answers_byte_for_byte(
    mainstay: Callable[..., Any], settings: Settings, database_url: str, tmp_path: Path, secret: str | None
) -> None:
    data = tmp_path / "data"
    given = {"SECRET_KEY": secret or "", "DATA_DIR": str(data)}
    settings = settings.model_copy(update={"data_dir": data, "secret_key": secret and SecretStr(secret)})
    async with served(settings) as client:
        await fill(client)
        opened = await asyncio.to_thread(
            mainstay, "users", "create-admin", ACCOUNT["email"], given=ACCOUNT["password"], **given
        )
        assert opened.returncode == 0
        tokens = (await client.post(f"{AUTH}/login", json=ACCOUNT)).json()
        token = tokens["access_token"]
        addresses = await all_addresses(client, token)
        before = await answers(client, addresses, token)
        assert {status for status, _, _ in before.values()} == {200, 201}, before
        refreshing = {"refresh_token": tokens["refresh_token"]}
    assert (await asyncio.to_thread(mainstay, "backup", "all.mainstay", **given)).returncode == 0
    async with served(settings) as client:
        next_token = (await client.post(f"{AUTH}/refresh", json=refreshing)).json()["refresh_token"]

    run_sql(database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    shutil.rmtree(data, ignore_errors=True)
    restored = await asyncio.to_thread(mainstay, "restore", "all.mainstay", **given)
    assert (restored.returncode, restored.stderr) == (0, "")

    async with served(settings) as client:
        assert await answers(client, addresses, token) == before
        refreshed = (await client.post(f"{AUTH}/refresh", json=refreshing)).json()
        assert refreshed["refresh_token"] == next_token
        new = await client.post("/pets", json={"name": "Tom", "species": "cat"})
        assert new.json()["id"] == 3
