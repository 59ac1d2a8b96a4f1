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
curl -X POST http://localhost:8000/orders -H "X-Tenant-Id: tenant-1" -H "Idempotency-Key: key-123" -d "{}"
curl -X PATCH http://localhost:8000/orders/<ORDER_ID>/confirm -H "X-Tenant-Id: tenant-1" -H "If-Match: 1" -H "Content-Type: application/json" -d '{"totalCents": 5000}'
curl -X POST http://localhost:8000/orders/<ORDER_ID>/close -H "X-Tenant-Id: tenant-1"
curl -X GET "http://localhost:8000/orders?limit=5" -H "X-Tenant-Id: tenant-1"
""".strip().splitlines()  # noqa: E501 - as written

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

Answer = tuple[str, list[str], Any]
Curl = Callable[[str], Answer]


@pytest.fixture
def curl(serve: "Callable[..., ServerProcess]", tmp_path: Path) -> Curl:
    """Runs a line in a shell, against a server that has just been started: status line, header lines and body."""
    server = serve()
    (tmp_path / ".curlrc").write_text("silent\ninclude\n")  # shows the status, and the calls stay as they are

    def curl(line: str) -> Answer:
        environment = {"CURL_HOME": str(tmp_path), "HOME": str(tmp_path)}
        line = line.replace("http://localhost:8000", server.url)
        shell = subprocess.run(["bash", "-c", line], capture_output=True, check=True, env=environment)
        head, _, body = shell.stdout.decode().partition("\r\n\r\n")
        status, *headers = head.split("\r\n")
        return status, headers, json.loads(body)

    return curl


def test_the_calls_work_as_written_in_this_order(curl: Curl) -> None:
    create, confirm, close, read = CALLS
    status, headers, draft = curl(create)
    assert status == "HTTP/1.1 201 Created"
    assert {'ETag: "1"', f"location: /orders/{draft['id']}"} <= set(headers)
    assert draft == {
        "id": draft["id"],
        "tenantId": "tenant-1",
        "status": "draft",
        "totalCents": None,
        "version": 1,
        "createdAt": draft["createdAt"],
        "updatedAt": draft["createdAt"],
        "confirmedAt": None,
        "closedAt": None,
    }

    status, headers, confirmed = curl(confirm.replace("<ORDER_ID>", draft["id"]))
    assert status == "HTTP/1.1 200 OK"
    assert 'ETag: "2"' in headers
    at = confirmed["confirmedAt"]
    assert confirmed == {
        **draft,
        "status": "confirmed",
        "totalCents": 5000,
        "version": 2,
        "updatedAt": at,
        "confirmedAt": at,
    }

    status, headers, closed = curl(close.replace("<ORDER_ID>", draft["id"]))
    assert status == "HTTP/1.1 200 OK"
    assert 'ETag: "3"' in headers
    at = closed["closedAt"]
    assert closed == {**confirmed, "status": "closed", "version": 3, "updatedAt": at, "closedAt": at}

    status, headers, page = curl(read)
    assert status == "HTTP/1.1 200 OK"
    assert page == {"items": [closed], "nextCursor": None}
    assert not any(line.lower().startswith("link:") for line in headers)


def test_a_call_that_is_made_again_makes_nothing_again(curl: Curl) -> None:
    create, *_, read = CALLS
    first, again = curl(create), curl(create)
    assert again[2] == first[2]
    assert "idempotency-replayed: true" in again[1]
    assert len(curl(read)[2]["items"]) == 1


def test_a_call_that_leaves_out_what_it_needs_is_told_so(curl: Curl) -> None:
    create = CALLS[0]
    for left_out, code in (
        ('-H "X-Tenant-Id: tenant-1"', "tenant_required"),
        ('-H "Idempotency-Key: key-123"', "idempotency_key_required"),
    ):
        status, _, envelope = curl(create.replace(left_out, ""))
        assert (status, envelope["error"]["code"]) == ("HTTP/1.1 400 Bad Request", code)


def test_without_a_body_curl_makes_and_closes_an_order_too(curl: Curl) -> None:
    create, confirm, close, _ = CALLS
    status, _, draft = curl(create.replace(' -d "{}"', ""))
    assert status == "HTTP/1.1 201 Created"
    assert curl(confirm.replace("<ORDER_ID>", draft["id"]))[0] == "HTTP/1.1 200 OK"
    status, _, closed = curl(close.replace("<ORDER_ID>", draft["id"]) + ' -d "{}"')
    assert (status, closed["status"]) == ("HTTP/1.1 200 OK", "closed")
