"""Who may call what: on the open program, and on one beside it where tokens are required.

Everything else in this folder is tried on the open one, without a token but for the users.
"""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from tests.conformance.conftest import Api, Document

pytestmark = pytest.mark.asyncio(loop_scope="session")

PUBLIC = {
    *(("GET", path) for path in ("/health", "/healthz", "/readyz", "/metrics", "/.well-known/jwks.json")),
    ("POST", "/api/v1/users"),
    *(("POST", f"/api/v1/auth/{name}") for name in ("login", "token", "refresh")),
}
"""What anybody may call, whatever is required (docs/FRD.md, Auth); of the documentation pages see below."""
BAD_TOKENS = ["", "none", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.AAAA"]


def told(answers: dict[str, httpx.Response]) -> set[tuple[int, str, str]]:
    """Status, code and challenge of refusals."""
    return {
        (answer.status_code, answer.json()["error"]["code"], answer.headers["www-authenticate"])
        for method, answer in answers.items()
        if method != "HEAD"
    }


# Without a token, and with one that is none


async def test_without_a_token_every_call_is_401(strict: Api, full: Api) -> None:
    answers = await strict.by(strict.resource.headers).call_all(await full.made())
    assert told(answers) == {(401, "unauthorized", "Bearer")}
    assert answers["HEAD"].status_code == 401


@pytest.mark.parametrize("token", BAD_TOKENS)
async def test_a_token_that_is_none_is_401_and_said_to_be_invalid(strict: Api, full: Api, token: str) -> None:
    answers = await strict.by({"Authorization": f"Bearer {token}"}).call_all(await full.made())
    assert told(answers) == {(401, "invalid_token", 'Bearer error="invalid_token"')}
    assert answers["HEAD"].status_code == 401


@pytest.mark.parametrize("value", ["Basic YTpi", "Token abc", "Bearer", "bearertoken", ""])
async def test_another_way_to_say_who_one_is_is_none(strict: Api, value: str) -> None:
    answer = await strict.call("GET", strict.readable, {"Authorization": value})
    assert answer.status_code == 401


@pytest.mark.parametrize("token", [None, "none"])
async def test_nobody_reads_the_body_of_who_may_not_send_it(strict: Api, token: str | None) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{"

    answer = await strict.by({} if token is None else {"Authorization": f"Bearer {token}"}).create(content=body())
    assert (answer.status_code, read) == (401, 0)


@pytest.mark.parametrize("query", ["?unknown=1", "?limit=0"])
async def test_who_may_call_is_asked_before_what_is_wrong_with_the_call(strict: Api, query: str) -> None:
    assert (await strict.call("GET", strict.readable + query)).status_code == 401
    assert (await strict.create(json=strict.resource.invalid)).status_code == 401
    assert (await strict.create({"Content-Type": "text/plain"}, content=b"x")).status_code == 401
    assert (await strict.call("GET", "/no such id")).status_code == 401
    assert (await strict.change(f"/{strict.resource.missing}")).status_code == 401


async def test_where_there_is_nothing_no_token_is_asked_for(strict: Api) -> None:
    assert (await strict.call("GET", "/no/such/path")).status_code == 404
    assert (await strict.call("TRACE")).status_code == 405


# Every operation of the document


def fill(path: str) -> str:
    return path.replace("{", "").replace("}", "")


async def test_every_operation_wants_a_token_but_those_that_are_for_everybody(
    strict_client: httpx.AsyncClient, strict_document: Document
) -> None:
    found = {
        (method, path): (await strict_client.request(method, fill(path))).status_code
        for method, path, _ in strict_document.operations()
    }
    assert {operation for operation, status in found.items() if status != 401} == PUBLIC
    assert set(found) > PUBLIC


async def test_the_document_says_of_every_operation_whether_it_wants_a_token(
    strict_document: Document, document: Document
) -> None:
    for shown, free in ((strict_document, [[]]), (document, [[], ["token"]])):
        for method, path, operation in shown.operations():
            needs = [list(way) for way in operation.get("security", [])]
            if (method, path) in PUBLIC:
                assert needs == []
            elif operation["tags"] == ["users"]:
                assert needs == [["token"]]
            else:
                assert needs == ([["token"]] if free == [[]] else free)


async def test_where_anybody_may_call_a_bad_token_is_in_nobodys_way(strict_client: httpx.AsyncClient) -> None:
    for method, path in PUBLIC:
        answer = await strict_client.request(method, path, headers={"Authorization": "Bearer none"}, json={})
        assert answer.status_code in {200, 415, 422}, path


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/openapi.json", "/docs/swagger.js"])
async def test_the_documentation_is_for_everybody(strict_app: FastAPI, page: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(strict_app), base_url="http://mainstay") as client:
        assert (await client.get(page)).status_code == 200


async def test_the_open_program_asks_for_tokens_at_the_users_alone(
    client: httpx.AsyncClient, document: Document
) -> None:
    wanting = {
        operation["tags"][0]
        for method, path, operation in document.operations()
        if (await client.request(method, fill(path))).status_code == 401
    }
    assert wanting == {"users"}


async def test_in_the_open_program_too_a_token_that_is_none_is_refused(
    client: httpx.AsyncClient, document: Document
) -> None:
    for method, path, _ in document.operations():
        answer = await client.request(method, fill(path), headers={"Authorization": "Bearer none"})
        assert (answer.status_code == 401) == ((method, path) not in PUBLIC), path
