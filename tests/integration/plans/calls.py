"""Every operation, called so that it succeeds: what comes of it are the statements that requests can send."""

from collections.abc import Iterator, Mapping
from itertools import chain, combinations, product
from types import MappingProxyType
from typing import Any

import httpx

from tests.conformance.resources import RESOURCES, Resource

OURS = {"pets", "tasks", "orders", "configs", "users"}
PASSWORD = "correct-battery-horse"  # noqa: S105 - everybody's here
_NEW_PASSWORD = "correct-battery-horses"  # noqa: S105 - the same
_ANY = {"If-Match": "*"}
_TENANT = {"X-Tenant-Id": "tenant-1"}
_JSON = dict[str, Any]
_Headers = Mapping[str, str]


async def call(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: _JSON | None = None,
    headers: _Headers = MappingProxyType({}),
) -> Any:
    """The body of an answer, which is no error."""
    answer = await client.request(method, path, json=body, headers={**_TENANT, **_ANY, **headers})
    assert answer.is_success, f"{method} {path}: {answer.text}"
    return answer.json() if answer.content and method != "DELETE" else None


async def every_call(client: httpx.AsyncClient) -> None:
    """As an admin who has a tenant."""
    await _pets(client)
    await _tasks(client)
    await _orders(client)
    await _configs(client)
    await _users(client)
    for resource in RESOURCES:
        if resource.owner not in OURS:
            await _of_ones_own(client, resource)
    await call(client, "GET", "/readyz")
    for path in _lists():
        await call(client, "GET", path)


def _lists() -> Iterator[str]:
    """Every list with every choice of its filters, in each of its orders."""
    yield from _list(
        "/pets", {"species": "Kind 7", "status": "sold"}, sort=("name", "-name", "created_at", "-created_at")
    )
    tasks = {"status": "new,in_progress", "assignee": "person-7", "priority_min": "5", "due_before": "2026-12-08"}
    orders = ("created_at", "updated_at", "due_date", "priority", "title")
    yield from _list("/v1/tasks", tasks, order_by=orders, order_dir=("asc", "desc"))
    dates = {"createdFrom": "2026-01-01T01:00:00Z", "createdTo": "2026-01-01T02:00:00Z"}
    for statuses in ("draft", "draft,closed", "draft,closed,confirmed"):
        yield from _list("/orders", {"status": statuses, **dates})


def _list(path: str, filters: Mapping[str, str], **orders: tuple[str, ...]) -> Iterator[str]:
    chosen = chain.from_iterable(combinations(filters.items(), size) for size in range(len(filters) + 1))
    for some, order in product(chosen, product(*orders.values())):
        yield f"{path}?{httpx.QueryParams([*some, *zip(orders, order, strict=True)])}"


async def _pets(client: httpx.AsyncClient) -> None:
    body = {"name": "Mittens", "species": "cat", "age_years": 2}
    pet = await _twice(client, "/pets", body)
    for method, change in (("GET", None), ("PUT", body), ("PATCH", {"status": "sold"}), ("DELETE", None)):
        await call(client, method, f"/pets/{pet['id']}", change)


async def _tasks(client: httpx.AsyncClient) -> None:
    body = {"title": "Fix login bug"}
    task = await _twice(client, "/v1/tasks", body)
    taken = await client.post("/v1/tasks", json=body)
    assert taken.status_code == httpx.codes.CONFLICT
    changed = {"status": "in_progress"}
    for method, change in (("GET", None), ("PUT", body), ("PATCH", changed), ("DELETE", None)):
        await call(client, method, f"/v1/tasks/{task['id']}", change)


async def _orders(client: httpx.AsyncClient) -> None:
    path = f"/orders/{(await _twice(client, '/orders', {}))['id']}"
    await call(client, "GET", path)
    await call(client, "PATCH", f"{path}/confirm", {"totalCents": 7})
    await call(client, "POST", f"{path}/close", {}, {"Idempotency-Key": "close"})
    for filters in ("", "&status=draft", "&status=draft,closed", "&createdFrom=2026-01-01T00:00:00Z"):
        page = await call(client, "GET", f"/orders?limit=5{filters}")
        await call(client, "GET", f"/orders?limit=5{filters}&cursor={page['nextCursor']}")


async def _configs(client: httpx.AsyncClient) -> None:
    application = await call(client, "POST", "/api/v1/applications", {"name": "checkout"})
    body = {"application_id": application["id"], "name": "production", "config": {}}
    configuration = await call(client, "POST", "/api/v1/configurations", body)
    of_application, of_configuration = (
        f"/api/v1/applications/{application['id']}",
        f"/api/v1/configurations/{configuration['id']}",
    )
    await call(client, "GET", of_application)
    await call(client, "PUT", of_application, {"name": "checkouts"})
    await call(client, "GET", of_configuration)
    await call(client, "PUT", of_configuration, {"name": "staging", "config": {"a": 1}})
    await call(client, "GET", "/api/v1/applications")


async def _of_ones_own(client: httpx.AsyncClient, resource: Resource) -> None:
    """What `mainstay new service` has begun here."""
    made = [await _twice(client, resource.collection, dict(resource.body(text)), text) for text in ("a", "b")]
    path = f"{resource.collection}/{made[0]['id']}"
    await call(client, "GET", path)
    await call(client, resource.changed_by[0], path, dict(resource.change("c")))
    page = await call(client, "GET", f"{resource.collection}?limit=1")
    await call(client, "GET", f"{resource.collection}?limit=1&cursor={page['nextCursor']}")
    await call(client, "DELETE", path)


async def _users(client: httpx.AsyncClient) -> None:
    shown = {"email": "ada@example.com", "password": PASSWORD}
    user = await call(client, "POST", "/api/v1/users", shown)
    path = f"/api/v1/users/{user['id']}"
    await call(client, "GET", path)
    await call(client, "PATCH", path, {"full_name": "Ada"})
    page = await call(client, "GET", "/api/v1/users?limit=5")
    await call(client, "GET", f"/api/v1/users?limit=5&cursor={page['nextCursor']}")
    await _sessions(client, shown)
    await call(client, "DELETE", f"/api/v1/users/{(await _register(client, 'grace'))['id']}")


async def _sessions(client: httpx.AsyncClient, shown: _JSON) -> None:
    """Ada herself: signs in, looks around, signs out, goes."""
    form = {"username": shown["email"], "password": shown["password"]}
    assert (await client.post("/api/v1/auth/token", data=form)).is_success
    pair = await call(client, "POST", "/api/v1/auth/login", shown)
    await call(client, "POST", "/api/v1/auth/refresh", {"refresh_token": pair["refresh_token"]})
    hers = {"Authorization": f"Bearer {pair['access_token']}"}
    sessions = await call(client, "GET", "/api/v1/auth/sessions", None, hers)
    other = next(session for session in sessions["items"] if not session["current"])
    await call(client, "DELETE", f"/api/v1/auth/sessions/{other['id']}", None, hers)
    await call(client, "GET", "/api/v1/users/me", None, hers)
    await call(client, "PATCH", "/api/v1/users/me", {"full_name": "Ada L."}, hers)
    change = {"current_password": PASSWORD, "new_password": _NEW_PASSWORD}
    await call(client, "POST", "/api/v1/users/me/password", change, hers)
    await call(client, "POST", "/api/v1/auth/logout", None, hers)
    for last in (("POST", "/api/v1/auth/logout-all"), ("DELETE", "/api/v1/users/me")):
        again = await call(client, "POST", "/api/v1/auth/login", {**shown, "password": _NEW_PASSWORD})
        await call(client, *last, None, {"Authorization": f"Bearer {again['access_token']}"})


async def _register(client: httpx.AsyncClient, name: str) -> Any:
    return await call(client, "POST", "/api/v1/users", {"email": f"{name}@example.com", "password": PASSWORD})


async def _twice(client: httpx.AsyncClient, path: str, body: _JSON, key: str = "one") -> Any:
    """The second time, the first answer is looked up."""
    for _ in range(2):
        made = await call(client, "POST", path, body, {"Idempotency-Key": key})
    return made
