"""The calls that the documentation shows, run as written by a shell against a server process."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import ServerProcess

CALLS = r"""
curl -X POST http://localhost:8000/v1/tasks -H 'Content-Type: application/json' -d '{"title": "ship task service", "priority": 4}'
curl -X PATCH http://localhost:8000/v1/tasks/1 -H 'Content-Type: application/json' -d '{"status": "in_progress"}'
curl 'http://localhost:8000/v1/tasks?status=new&order_by=priority&order_dir=desc&limit=20'
curl -X POST http://localhost:8000/v1/tasks -H 'Content-Type: application/json' -d '{"title": "Ship Task Service", "priority": 1}'   # 409
""".strip().splitlines()  # noqa: E501 - as written
BETWEEN = "-- next call --"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def answer(printed: str) -> tuple[str, list[str], Any]:
    """Status line, header lines and body."""
    head, _, body = printed.partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    return status, headers, json.loads(body)


@pytest.mark.parametrize("storage", ["postgres", "sqlite-memory"])
def test_the_calls_work_as_written(storage: str, serve: "Callable[..., ServerProcess]", tmp_path: Path) -> None:
    server = serve(TASKS_STORAGE=storage)
    script = f"\necho -n '{BETWEEN}'\n".join(CALLS).replace("http://localhost:8000", server.url)
    (tmp_path / ".curlrc").write_text("silent\ninclude\n")  # shows the status, and the calls stay as they are
    environment = {"CURL_HOME": str(tmp_path), "HOME": str(tmp_path)}
    shell = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env=environment)

    created, changed, listed, refused = (answer(printed) for printed in shell.stdout.decode().split(BETWEEN))
    status, headers, task = created
    assert status == "HTTP/1.1 201 Created"
    assert {'ETag: "1"', "location: /v1/tasks/1"} <= set(headers)
    assert task["created_at"] == task["updated_at"]
    assert {name: value for name, value in task.items() if name not in {"created_at", "updated_at"}} == {
        "id": 1,
        "title": "ship task service",
        "description": None,
        "status": "new",
        "priority": 4,
        "assignee": None,
        "due_date": None,
        "completed_at": None,
        "version": 1,
    }

    status, headers, started = changed
    assert status == "HTTP/1.1 200 OK"
    assert 'ETag: "2"' in headers
    assert started == {**task, "status": "in_progress", "version": 2, "updated_at": started["updated_at"]}

    status, _, page = listed
    assert (status, page) == ("HTTP/1.1 200 OK", {"items": [], "total": 0, "limit": 20, "offset": 0})

    status, _, envelope = refused
    assert status == "HTTP/1.1 409 Conflict"
    assert envelope["error"]["code"] == "duplicate_task"
    assert envelope["error"]["details"] == {"title": "Ship Task Service", "existing_id": 1}
