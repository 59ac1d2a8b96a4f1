"""The line that a server process writes for each event."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.conftest import ServerProcess

SECRET = "hunter2"


def test_a_change_has_a_line_with_type_id_and_request_id_and_not_what_it_says(
    serve: "Callable[..., ServerProcess]",
) -> None:
    server = serve(SERVICES="tasks", TASKS_STORAGE="sqlite-memory")
    task = {"title": SECRET, "description": SECRET, "assignee": SECRET}
    created = httpx.post(f"{server.url}/v1/tasks", json=task, headers={"X-Request-ID": "r1"})
    refused = httpx.post(f"{server.url}/v1/tasks", json=task, headers={"X-Request-ID": "r2"})
    assert (created.status_code, refused.status_code) == (201, 409)
    server.stop()
    [line] = [line for line in server.log.splitlines() if "task." in line]
    for part in ("task.created", "[mainstay.services.tasks.listeners]", "task=1", "version=1", "request_id=r1"):
        assert part in line
    assert SECRET not in server.log
