"""What httplint, the judge behind REDbot, says of answers of every service: nothing to warn of.

It has an environment of its own (scripts/clients): one of the packages under it brings a `tests` that hides ours.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mainstay.kernel.core.keys import HmacKeys
from tests.conftest import ServerProcess
from tests.signed_in import sign_in

SECRET = "for-the-tests-0123456789-abcdefgh"
LIMITS = "read=600/minute,write=600/minute,auth=600/minute"
TENANT = {"X-Tenant-Id": "tenant-1"}
HTTPLINT = Path(__file__).parents[1] / "clients" / "environment" / "bin" / "httplint"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not HTTPLINT.is_file(), reason="httplint is not installed: run make httplint"),
]


def complaints(answer: httpx.Response) -> list[str]:
    """What is bad, or to be warned of, in an answer."""
    lines = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.headers.raw]
    message = b"\r\n".join([*lines, b"", answer.content])
    told = subprocess.run([HTTPLINT], input=message, capture_output=True, check=True).stdout.decode()
    return [line for line in told.splitlines() if "[WARN]" in line or "[BAD]" in line]


def life_of(client: httpx.Client, collection: str, headers: dict[str, str], body: dict[str, Any]) -> Iterator[Any]:
    """One resource, made and read in every way; not by HEAD, whose missing body httplint takes for a wrong length."""
    created = client.post(collection, headers={"Idempotency-Key": "one", **headers}, json=body)
    yield created
    one = created.headers["location"]
    yield client.get(one, headers=headers)
    yield client.get(one, headers={**headers, "If-None-Match": created.headers["etag"]})
    yield client.get(collection, headers=headers)


@pytest.mark.parametrize(
    ("collection", "headers", "body"),
    [
        ("/pets", {}, {"name": "Mittens", "species": "cat"}),
        ("/v1/tasks", {}, {"title": "Fix login bug"}),
        ("/api/v1/applications", {}, {"name": "checkout"}),
        ("/orders", TENANT, {}),
    ],
)
def test_nothing_is_said_of_a_resource(
    serve: Any, collection: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    server: ServerProcess = serve(SECRET_KEY=SECRET, RATE_LIMITS=LIMITS)
    with httpx.Client(base_url=server.url) as client:
        answers = list(life_of(client, collection, headers, body))
        assert [answer.status_code for answer in answers] == [201, 200, 304, 200]
        assert {f"{answer.request.method} {answer.status_code}": complaints(answer) for answer in answers} == {
            f"{answer.request.method} {answer.status_code}": [] for answer in answers
        }


def test_nothing_is_said_of_users_and_of_what_has_no_service(serve: Any, database_url: str) -> None:
    server: ServerProcess = serve(SECRET_KEY=SECRET, RATE_LIMITS=LIMITS)
    admin = sign_in(database_url, HmacKeys(SECRET.encode()), role="admin")
    with httpx.Client(base_url=server.url) as client:
        answers = [
            client.get("/api/v1/users/me", headers=admin.headers),
            client.get("/api/v1/users", headers=admin.headers),
            client.get("/api/v1/users/me"),
            client.get("/.well-known/jwks.json"),
            client.get("/health"),
            client.get("/metrics"),
            client.get("/docs"),
            client.get("/openapi.json"),
            client.put("/health"),
            client.get("/nowhere"),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 401, 200, 200, 200, 200, 200, 405, 404]
        assert [complaints(answer) for answer in answers] == [[] for _ in answers]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},  # caches may make up how long they keep it
        {"Cache-Control": "no-store", "Content-Type": "application/json", "ETag": "no-quotes"},
        {"Cache-Control": "no-store", "Content-Type": "application/json", "Location": "http://[", "Date": "today"},
    ],
)
def test_it_complains_of_what_is_wrong(headers: dict[str, str]) -> None:
    assert complaints(httpx.Response(200, headers={"Content-Length": "2", **headers}, content=b"{}")) != []
