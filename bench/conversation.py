"""A short conversation that every subject must carry on before it is measured: who answers less is not faster."""

from collections.abc import Mapping
from typing import Any

import httpx

_PET = {"name": "Rex", "species": "dog", "age_years": 3, "status": "available"}
_PAGE = 50
_PETS_OF_A_SPECIES = _TASKS_OF_A_PERSON = 100
_TASK = {
    *("id", "title", "description", "status", "priority", "assignee", "due_date"),
    *("created_at", "updated_at", "completed_at", "version"),
}


class WrongAnswer(Exception):
    """A subject answered something else than the others."""


def converse(url: str) -> None:
    """Make and change a pet, list pets and tasks, read a configuration twice. Raises WrongAnswer."""
    with httpx.Client(base_url=url, timeout=5) as client:
        added = client.post("/pets", json=_PET, headers={"Idempotency-Key": "conversation"})
        pet = {**_PET, "id": _json(added).get("id"), "version": 1}
        path = f"/pets/{pet['id']}"
        _expect(added, 201, pet, {"etag": '"1"', "location": path})
        _expect(client.get(path), 200, pet, {"etag": '"1"'})
        sold = {**pet, "status": "sold", "version": 2}
        _expect(_sell(client, path, '"1"'), 200, sold, {"etag": '"2"'})
        if (stale := _sell(client, path, '"1"')).status_code != httpx.codes.PRECONDITION_FAILED:
            raise WrongAnswer(_told(stale))
        _expect_page(client.get("/pets", params={"species": "species-007", "limit": _PAGE}))
        _expect_tasks(client.get(f"/v1/tasks?status=new,in_progress&assignee=person-007&limit={_PAGE}"))
        _expect_configuration(client, "/api/v1/configurations/01JCZ5Y7Q2GDB5E00000000007")


def _sell(client: httpx.Client, path: str, tag: str) -> httpx.Response:
    return client.patch(path, json={"status": "sold"}, headers={"If-Match": tag})


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise WrongAnswer(_told(answer)) from error
    return body if isinstance(body, dict) else {}


def _expect(answer: httpx.Response, status: int, body: object, headers: Mapping[str, str]) -> None:
    if answer.status_code != status or _json(answer) != body:
        raise WrongAnswer(_told(answer))
    if any(answer.headers.get(name) != value for name, value in headers.items()):
        raise WrongAnswer(_told(answer))


def _expect_page(answer: httpx.Response) -> None:
    items = _json(answer).get("items", [])
    meta = {"total": _PETS_OF_A_SPECIES, "limit": _PAGE, "offset": 0}
    _expect(answer, 200, {"items": items, "_meta": meta}, {})
    names = [pet["name"] for pet in items]
    if len(names) != _PAGE or names != sorted(names):
        raise WrongAnswer(_told(answer))


def _expect_tasks(answer: httpx.Response) -> None:
    items = _json(answer).get("items", [])
    _expect(answer, 200, {"items": items, "total": _TASKS_OF_A_PERSON, "limit": _PAGE, "offset": 0}, {})
    priorities = [task["priority"] for task in items]
    if (
        len(items) != _PAGE
        or priorities != sorted(priorities, reverse=True)
        or any(set(task) != _TASK for task in items)
    ):
        raise WrongAnswer(_told(answer))


def _expect_configuration(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    shown = _json(answer)
    _expect(answer, 200, {**shown, "name": "configuration-7", "comments": None}, {})
    if shown["config"]["features"] != {"express": False, "limits": [1, 10, 100]}:
        raise WrongAnswer(_told(answer))
    if client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code != httpx.codes.NOT_MODIFIED:
        raise WrongAnswer(_told(answer))


def _told(answer: httpx.Response) -> str:
    request = answer.request
    return f"{request.method} {request.url.path}: {answer.status_code} {dict(answer.headers)} {answer.text[:500]}"
