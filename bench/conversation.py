"""A short conversation that every subject must carry on before it is measured: who answers less is not faster."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from bench.callers import CONVERSATION, token

_PAGE = 50
_ORDERS_OF_A_TENANT = _TASKS_OF_A_PERSON = 100
_CREATED = "2025-10-20T05:03:11.367000Z"
_CONFIRMED_ORDER = {
    "id": "019a0000-0007-7000-8000-000000000000",
    "tenantId": "tenant-007",
    "status": "confirmed",
    "totalCents": 7,
    "version": 2,
    "createdAt": _CREATED,
    "updatedAt": _CREATED,
    "confirmedAt": _CREATED,
    "closedAt": None,
}
_PET = {"id": 8, "name": "Pet 7", "species": "species-007", "age_years": 7, "status": "available", "version": 1}
_TASK = {
    *("id", "title", "description", "status", "priority", "assignee", "due_date"),
    *("created_at", "updated_at", "completed_at", "version"),
}


class WrongAnswer(Exception):
    """A subject answered something else than the others."""


def converse(url: str, answers: Callable[[str], bool]) -> None:
    """Make and confirm an order, read all that is measured, ask for what is not there. Raises WrongAnswer.

    `answers` says of each scenario whether the subject has to.
    """
    with httpx.Client(base_url=url, timeout=5, headers=_calls_for("tenant-007")) as client:
        _expect_read(client, f"/orders/{_CONFIRMED_ORDER['id']}", _CONFIRMED_ORDER)
        if answers("orders"):
            _expect_orders(client)
        if answers("pet"):
            _expect_read(client, "/pets/8", _PET)
        if answers("tasks"):
            _expect_tasks(client)
        if answers("config"):
            _expect_configuration(client, "/api/v1/configurations/01JCZ5Y7Q2GDB5E00000000007")
        _expect_not_found(client, f"/orders/{_new_order(url, confirmed=answers('confirm'))}")


def _calls_for(tenant: str) -> dict[str, str]:
    return {"X-Tenant-Id": tenant, "Authorization": f"Bearer {token(tenant)}"}


def _new_order(url: str, *, confirmed: bool) -> str:
    """Its id. In a tenant of its own: the others' data stays as it is."""
    with httpx.Client(base_url=url, timeout=5, headers=_calls_for(CONVERSATION)) as client:
        draft = _expect_draft(client)
        if confirmed:
            _expect_confirmed(client, draft)
        return str(draft["id"])


def _expect_draft(client: httpx.Client) -> dict[str, Any]:
    added = client.post("/orders", json={}, headers={"Idempotency-Key": "conversation"})
    shown = _json(added)
    path = f"/orders/{shown.get('id')}"
    draft = {**shown, "tenantId": CONVERSATION, "status": "draft", "totalCents": None, "version": 1}
    draft |= {"updatedAt": shown.get("createdAt"), "confirmedAt": None, "closedAt": None}
    _expect(added, 201, draft, {"etag": '"1"', "location": path})
    _expect(client.get(path), 200, draft, {"etag": '"1"'})
    if shown.keys() != _CONFIRMED_ORDER.keys():
        raise WrongAnswer(_told(added))
    return draft


def _expect_confirmed(client: httpx.Client, draft: Mapping[str, Any]) -> None:
    path = f"/orders/{draft['id']}"
    first, second = (
        client.patch(f"{path}/confirm", json={"totalCents": 5000}, headers={"If-Match": '"1"'}) for _ in range(2)
    )
    at = _json(first).get("confirmedAt")
    confirmed = {**draft, "status": "confirmed", "totalCents": 5000, "version": 2, "updatedAt": at, "confirmedAt": at}
    _expect(first, 200, confirmed, {"etag": '"2"'})
    _expect_status(second, httpx.codes.PRECONDITION_FAILED)
    _expect(client.get(path), 200, confirmed, {"etag": '"2"'})


def _expect_not_found(client: httpx.Client, path: str) -> None:
    """Another tenant's."""
    _expect_status(client.get(path), httpx.codes.NOT_FOUND)


def _expect_read(client: httpx.Client, path: str, body: Mapping[str, object]) -> None:
    _expect(client.get(path), 200, body, {"etag": f'"{body["version"]}"'})


def _expect_orders(client: httpx.Client) -> None:
    """All of a tenant's, newest first, on two pages that the cursor joins."""
    first = client.get("/orders", params={"limit": _PAGE})
    newer, cursor = _json(first).get("items", []), _json(first).get("nextCursor")
    link = f'</orders?limit={_PAGE}&cursor={cursor}>; rel="next"'
    _expect(first, 200, {"items": newer, "nextCursor": cursor}, {"link": link})
    second = client.get("/orders", params={"limit": _PAGE, "cursor": cursor})
    older = _json(second).get("items", [])
    _expect(second, 200, {"items": older, "nextCursor": None}, {})
    times = [order["createdAt"] for order in (*newer, *older)]
    if len(newer) != _PAGE or len(set(times)) != _ORDERS_OF_A_TENANT or times != sorted(times, reverse=True):
        raise WrongAnswer(_told(first))
    if older[-1] != _CONFIRMED_ORDER:
        raise WrongAnswer(_told(second))


def _expect_tasks(client: httpx.Client) -> None:
    answer = client.get(f"/v1/tasks?status=new,in_progress&assignee=person-007&limit={_PAGE}")
    items = _json(answer).get("items", [])
    _expect(answer, 200, {"items": items, "total": _TASKS_OF_A_PERSON, "limit": _PAGE, "offset": 0}, {})
    priorities = [task["priority"] for task in items]
    if (
        len(items) != _PAGE
        or priorities != sorted(priorities, reverse=True)
        or any(set(task) != _TASK for task in items)
    ):
        raise WrongAnswer(_told(answer))
    _expect_read(client, f"/v1/tasks/{items[0]['id']}", items[0])


def _expect_configuration(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    shown = _json(answer)
    _expect(answer, 200, {**shown, "name": "configuration-7", "comments": None}, {})
    if shown["config"]["features"] != {"express": False, "limits": [1, 10, 100]}:
        raise WrongAnswer(_told(answer))
    _expect_status(client.get(path, headers={"If-None-Match": answer.headers["etag"]}), httpx.codes.NOT_MODIFIED)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise WrongAnswer(_told(answer)) from error
    return body if isinstance(body, dict) else {}


def _expect_status(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        raise WrongAnswer(_told(answer))


def _expect(answer: httpx.Response, status: int, body: object, headers: Mapping[str, str]) -> None:
    _expect_status(answer, status)
    if _json(answer) != body or any(answer.headers.get(name) != value for name, value in headers.items()):
        raise WrongAnswer(_told(answer))


def _told(answer: httpx.Response) -> str:
    request = answer.request
    return f"{request.method} {request.url.path}: {answer.status_code} {dict(answer.headers)} {answer.text[:500]}"
