"""Every row of the contract that is about accounts."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

if TYPE_CHECKING:
    from tests.integration.users.http.conftest import SignIn, Who

pytestmark = pytest.mark.asyncio(loop_scope="session")

USERS, ME = "/api/v1/users", "/api/v1/users/me"
PASSWORD = "correct-battery-horse"
NEW = "another-good-one"
NOBODY = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
GRACE = {"email": "grace@example.com", "password": PASSWORD}
FIELDS = {"id", "email", "full_name", "is_active", "role", "scopes", "tenant", "created_at", "updated_at", "version"}


def code(response: httpx.Response) -> str:
    assert set(response.json()["error"]) == {"code", "message", "details", "request_id"}
    return str(response.json()["error"]["code"])


def wrong(response: httpx.Response) -> set[str]:
    """The fields that a validation error names."""
    assert (response.status_code, code(response)) == (422, "validation_error"), response.text
    return {error["loc"][-1] for error in response.json()["error"]["details"]["errors"]}


# Register


async def test_who_registers_gets_the_account_and_where_it_is(client: httpx.AsyncClient) -> None:
    response = await client.post(USERS, json={**GRACE, "full_name": "Grace Hopper"})
    assert response.status_code == 201
    user = response.json()
    assert set(user) == FIELDS
    assert response.headers["location"] == f"{USERS}/{user['id']}"
    assert (response.headers["etag"], response.headers["cache-control"]) == ('"1"', "no-store")
    assert UUID(user["id"]).version == 7
    assert (user["email"], user["full_name"]) == ("grace@example.com", "Grace Hopper")
    assert (user["role"], user["tenant"], user["is_active"], user["version"]) == ("user", None, True, 1)
    assert sorted(user["scopes"]) == ["configs:read", "pets:*", "tasks:*"]
    assert user["created_at"] == user["updated_at"]
    assert user["created_at"].endswith("Z")
    assert PASSWORD not in response.text
    assert "hash" not in response.text


@pytest.mark.parametrize(
    "password", ["z1" * 6, "x" * 128, "🐎" * 12, "🐎" * 128, " " * 12, "пароль-котор", "a\tb\nc\rd e f g"]
)
async def test_any_unicode_of_twelve_to_128_characters_is_a_password(
    client: httpx.AsyncClient, sign_in: "SignIn", password: str
) -> None:
    assert (await client.post(USERS, json={**GRACE, "password": password})).status_code == 201
    await sign_in("grace@example.com", password)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "x" * 11),
        ("password", "x" * 129),
        ("password", "🐎" * 11),
        ("password", ""),
        ("password", None),
        ("password", 123456789012),
        ("password", "password1234"),
        ("password", "GRACE@example.com"),
        ("email", ""),
        ("email", "grace"),
        ("email", "grace@"),
        ("email", "@example.net"),
        ("email", "grace@example.com "),
        ("email", "grace@exam ple.com"),
        ("email", "grace@example.com\r\nBcc: x@example.com"),
        ("email", "a" * 250 + "@example.com"),
        ("email", "Grace <grace@example.com>"),
        ("email", "grace@localhost"),
        ("email", None),
        ("email", ["grace@example.com"]),
        ("full_name", "x" * 201),
        ("full_name", 7),
        ("role", "admin"),
        ("scopes", ["orders:*"]),
        ("tenant", "tenant-1"),
        ("is_active", True),
        ("id", NOBODY),
        ("version", 1),
        ("password_hash", "$2b$12$x"),
    ],
)
async def test_what_cannot_be_registered_is_named_and_not_repeated(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    response = await client.post(USERS, json={**GRACE, field: value})
    assert wrong(response) == {field}
    if isinstance(value, str) and value:
        assert value not in response.text
    assert (await client.post(USERS, json=GRACE)).status_code == 201


@pytest.mark.parametrize("missing", ["email", "password"])
async def test_nobody_registers_without(client: httpx.AsyncClient, missing: str) -> None:
    response = await client.post(USERS, json={name: value for name, value in GRACE.items() if name != missing})
    assert wrong(response) == {missing}


@pytest.mark.parametrize("field", ["email", "password", "full_name"])
async def test_nul_is_refused(client: httpx.AsyncClient, field: str) -> None:
    response = await client.post(USERS, json={**GRACE, field: "abcdef\0ghijklm"})
    assert response.status_code == 422


async def test_of_all_who_register_one_address_one_does(client: httpx.AsyncClient) -> None:
    emails = [f"{'GRACE'[: n % 6]}{'grace'[n % 6 :]}@{'Example' if n % 2 else 'EXAMPLE'}.com" for n in range(20)]
    answers = await asyncio.gather(*(client.post(USERS, json={**GRACE, "email": email}) for email in emails))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {code(answer) for answer in answers if answer.status_code == 409} == {"email_taken"}


# One's own account


async def test_ones_own_account_is_read(client: httpx.AsyncClient, registered: dict[str, Any], me: "Who") -> None:
    response = await client.get(ME, headers=me)
    assert (response.status_code, response.json()) == (200, registered)
    assert (response.headers["etag"], response.headers["cache-control"]) == ('"1"', "no-store")
    unchanged = await client.get(ME, headers={**me, "If-None-Match": '"1"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["cache-control"] == "no-store"


async def test_ones_own_account_is_changed(client: httpx.AsyncClient, registered: dict[str, Any], me: "Who") -> None:
    change = {"email": "ada@example.org", "full_name": None}
    response = await client.patch(ME, json=change, headers={**me, "If-Match": '"1"'})
    assert response.status_code == 200
    assert response.json() == {**registered, **change, "version": 2, "updated_at": response.json()["updated_at"]}
    assert (response.headers["etag"], response.headers["cache-control"]) == ('"2"', "no-store")
    assert (await client.get(ME, headers=me)).json() == response.json()


@pytest.mark.parametrize("email", ["grace@example.com", "GRACE@EXAMPLE.COM"])
async def test_the_address_of_another_is_taken(client: httpx.AsyncClient, me: "Who", email: str) -> None:
    await client.post(USERS, json=GRACE)
    response = await client.patch(ME, json={"email": email}, headers=me)
    assert (response.status_code, code(response)) == (409, "email_taken")
    assert (await client.get(ME, headers=me)).json()["version"] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ada"),
        ("email", None),
        ("full_name", "x" * 201),
        ("role", "admin"),
        ("scopes", ["orders:*"]),
        ("tenant", "tenant-1"),
        ("is_active", False),
        ("password", NEW),
    ],
)
async def test_what_is_not_ones_own_to_change_is_refused(
    client: httpx.AsyncClient, me: "Who", registered: dict[str, Any], field: str, value: object
) -> None:
    assert wrong(await client.patch(ME, json={field: value}, headers=me)) == {field}
    assert (await client.get(ME, headers=me)).json() == registered


@pytest.mark.parametrize(("method", "path"), [("PATCH", ME), ("DELETE", ME), ("POST", f"{ME}/password")])
@pytest.mark.parametrize(("tag", "status"), [('"7"', 412), ('"01"', 412), ("abc", 400)])
async def test_a_tag_that_is_not_the_current_one_changes_nothing(
    client: httpx.AsyncClient, me: "Who", registered: dict[str, Any], method: str, path: str, tag: str, status: int
) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW} if method == "POST" else {}
    arguments: dict[str, Any] = {} if method == "DELETE" else {"json": body}
    response = await client.request(method, path, headers={**me, "If-Match": tag}, **arguments)
    assert (response.status_code, code(response)) == (
        status,
        "precondition_failed" if status == 412 else "invalid_header",
    )
    assert (await client.get(ME, headers=me)).json() == registered


async def test_who_closes_the_account_is_gone(client: httpx.AsyncClient, me: "Who") -> None:
    assert (await client.delete(ME, headers={**me, "If-Match": '"1"'})).status_code == 204
    assert (await client.get(ME, headers=me)).status_code == 401
    response = await client.post("/api/v1/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
    assert code(response) == "invalid_credentials"


# The password


async def test_a_new_password_ends_the_other_sessions(
    client: httpx.AsyncClient, me: "Who", sign_in: "SignIn", tokens: dict[str, Any]
) -> None:
    other = await sign_in()
    elsewhere = {"Authorization": f"Bearer {other['access_token']}"}
    assert (await client.get(ME, headers=elsewhere)).status_code == 200
    change = {"current_password": PASSWORD, "new_password": NEW}
    response = await client.post(f"{ME}/password", json=change, headers=me)
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get(ME, headers=elsewhere)).status_code == 401
    refused = await client.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert code(refused) == "invalid_refresh_token"
    assert (await client.get(ME, headers=me)).status_code == 200
    kept = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert kept.status_code == 200
    await sign_in(password=NEW)


@pytest.mark.parametrize(
    ("change", "status", "why"),
    [
        ({"current_password": "wrong"}, 401, "invalid_credentials"),
        ({"current_password": ""}, 401, "invalid_credentials"),
        ({"new_password": "x" * 11}, 422, "validation_error"),
        ({"new_password": "password1234"}, 422, "validation_error"),
        ({"new_password": "ADA@EXAMPLE.COM"}, 422, "validation_error"),
        ({"new_password": None}, 422, "validation_error"),
        ({"extra": 1}, 422, "validation_error"),
    ],
)
async def test_a_password_is_changed_by_who_knows_it_to_one_that_is_good(
    client: httpx.AsyncClient, me: "Who", sign_in: "SignIn", change: dict[str, Any], status: int, why: str
) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW, **change}
    response = await client.post(f"{ME}/password", json=body, headers=me)
    assert (response.status_code, code(response)) == (status, why)
    await sign_in()


# All accounts


async def test_an_admin_reads_any_account(client: httpx.AsyncClient, admin: "Who", registered: dict[str, Any]) -> None:
    response = await client.get(f"{USERS}/{registered['id']}", headers=admin)
    assert (response.status_code, response.json()) == (200, registered)
    assert (response.headers["etag"], response.headers["cache-control"]) == ('"1"', "no-store")


async def test_an_admin_says_what_a_user_may_do(
    client: httpx.AsyncClient, admin: "Who", registered: dict[str, Any]
) -> None:
    change = {"role": "admin", "scopes": ["orders:read", "pets:*"], "tenant": "tenant-1", "full_name": "A"}
    path = f"{USERS}/{registered['id']}"
    response = await client.patch(path, json=change, headers={**admin, "If-Match": '"1"'})
    assert response.status_code == 200
    assert response.json() == {**registered, **change, "version": 2, "updated_at": response.json()["updated_at"]}
    cleared = await client.patch(path, json={"tenant": None, "scopes": []}, headers=admin)
    assert (cleared.json()["tenant"], cleared.json()["scopes"]) == (None, [])


async def test_who_is_made_inactive_is_out_at_once(
    client: httpx.AsyncClient, admin: "Who", me: "Who", registered: dict[str, Any]
) -> None:
    assert (await client.get(ME, headers=me)).status_code == 200
    response = await client.patch(f"{USERS}/{registered['id']}", json={"is_active": False}, headers=admin)
    assert response.json()["is_active"] is False
    refused = await client.get(ME, headers=me)
    assert (refused.status_code, code(refused)) == (401, "invalid_token")


async def test_an_admin_removes_a_user(client: httpx.AsyncClient, admin: "Who", registered: dict[str, Any]) -> None:
    path = f"{USERS}/{registered['id']}"
    assert (await client.delete(path, headers={**admin, "If-Match": '"2"'})).status_code == 412
    assert (await client.delete(path, headers=admin)).status_code == 204
    assert code(await client.get(path, headers=admin)) == "user_not_found"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(("user_id", "status"), [(NOBODY, 404), ("7", 422), ("x" * 300, 422), (f"{NOBODY}0", 422)])
async def test_nobody_is_not_found(
    client: httpx.AsyncClient, admin: "Who", method: str, user_id: str, status: int
) -> None:
    arguments: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
    response = await client.request(method, f"{USERS}/{user_id}", headers=admin, **arguments)
    assert (response.status_code, code(response)) == (
        status,
        "user_not_found" if status == 404 else "validation_error",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "root"),
        ("role", None),
        ("scopes", ["pets"]),
        ("scopes", ["pets:delete"]),
        ("scopes", ["pets:*", "pets:*"]),
        ("scopes", ["pets:* tasks:*"]),
        ("scopes", [f"s{number}:read" for number in range(33)]),
        ("scopes", "pets:*"),
        ("scopes", None),
        ("tenant", ""),
        ("tenant", "a b"),
        ("tenant", "x" * 65),
        ("tenant", "t\n"),
        ("is_active", None),
        ("is_active", "false"),
        ("email", "ada@example.org"),
        ("password", NEW),
    ],
)
async def test_what_an_admin_cannot_say_is_refused(
    client: httpx.AsyncClient, admin: "Who", registered: dict[str, Any], field: str, value: object
) -> None:
    path = f"{USERS}/{registered['id']}"
    response = await client.patch(path, json={field: value}, headers=admin)
    assert response.status_code == 422
    assert {error["loc"][1] for error in response.json()["error"]["details"]["errors"]} == {field}
    assert (await client.get(path, headers=admin)).json() == registered


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", USERS), ("GET", f"{USERS}/{NOBODY}"), ("PATCH", f"{USERS}/{NOBODY}"), ("DELETE", f"{USERS}/{NOBODY}")],
)
async def test_a_user_is_no_admin(client: httpx.AsyncClient, me: "Who", method: str, path: str) -> None:
    arguments: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
    response = await client.request(method, path, headers=me, **arguments)
    assert (response.status_code, code(response)) == (403, "forbidden")
    assert "www-authenticate" not in response.headers


# The list


async def test_a_list_goes_page_by_page_and_misses_nobody(client: httpx.AsyncClient, admin: "Who") -> None:
    for number in range(4):
        await client.post(USERS, json={**GRACE, "email": f"user{number}@example.com"})
    found, path = [], f"{USERS}?limit=2"
    for _ in range(9):
        response = await client.get(path, headers=admin)
        assert response.headers["cache-control"] == "no-store"
        assert len(response.json()["items"]) <= 2
        found += [user["email"] for user in response.json()["items"]]
        following = response.json()["nextCursor"]
        if following is None:
            assert "link" not in response.headers
            break
        path = response.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
        assert httpx.URL(path).params["cursor"] == following
    assert found == [*(f"user{number}@example.com" for number in (3, 2, 1, 0)), "root@example.com"]


async def test_a_list_shows_users_as_they_are(
    client: httpx.AsyncClient, admin: "Who", registered: dict[str, Any]
) -> None:
    items = (await client.get(USERS, headers=admin)).json()["items"]
    assert registered in items
    assert [set(item) for item in items] == [FIELDS] * 2


@pytest.mark.parametrize("cursor", ["", "x", "A" * 64, "é"])
async def test_a_cursor_that_is_none_is_refused(client: httpx.AsyncClient, admin: "Who", cursor: str) -> None:
    response = await client.get(USERS, params={"cursor": cursor}, headers=admin)
    assert (response.status_code, code(response)) == (400, "invalid_cursor")


async def test_a_cursor_of_another_list_is_refused(app: FastAPI, client: httpx.AsyncClient, admin: "Who") -> None:
    cursor = app.state.cursors.make((NOBODY,), ("orders", "tenant-1"))
    assert code(await client.get(USERS, params={"cursor": cursor}, headers=admin)) == "invalid_cursor"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=1.0", "page=1", "limit=1&limit=2", "limit=9999999999999999999"]
)
async def test_a_query_that_is_not_understood_is_refused(client: httpx.AsyncClient, admin: "Who", query: str) -> None:
    wrong(await client.get(f"{USERS}?{query}", headers=admin))
