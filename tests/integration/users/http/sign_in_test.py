"""Every row of the contract that is about signing in, staying so and signing out; and who is let through."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from mainstay.kernel.core.ids import uuid7
from mainstay.kernel.core.keys import EdKeys, HmacKeys
from mainstay.kernel.db.engine import Database
from mainstay.services.users.dependencies import users_state
from mainstay.services.users.passwords import Bcrypt, Passwords
from tests.conftest import SetState

if TYPE_CHECKING:
    from tests.integration.users.http.conftest import SignIn, Who

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTH, ME = "/api/v1/auth", "/api/v1/users/me"
PASSWORD = "correct-battery-horse"
FORM = {"username": "ada@example.com", "password": PASSWORD}
SECRET = b"s" * 32
NOBODY = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
GUARDED = pytest.mark.parametrize(
    "call",
    [
        f"POST {AUTH}/logout",
        f"POST {AUTH}/logout-all",
        f"GET {AUTH}/sessions",
        f"DELETE {AUTH}/sessions/{NOBODY}",
        f"GET {ME}",
        f"PATCH {ME}",
        f"DELETE {ME}",
        f"POST {ME}/password",
        "GET /api/v1/users",
        f"GET /api/v1/users/{NOBODY}",
        f"PATCH /api/v1/users/{NOBODY}",
        f"DELETE /api/v1/users/{NOBODY}",
    ],
    ids=lambda call: call[:28],
)
BODIES: dict[str, Any] = {"PATCH": {}, "POST": {"current_password": PASSWORD, "new_password": "another-good-one"}}


async def call_of(client: httpx.AsyncClient, call: str, headers: dict[str, str]) -> httpx.Response:
    method, path = call.split()
    return await client.request(method, path, headers=headers, json=BODIES.get(method))


def is_refused(response: httpx.Response, code: str = "invalid_token", challenge: str | None = None) -> bool:
    """Whether the answer is a 401 of this kind, with what RFC 6750 wants beside it."""
    wanted = challenge or ('Bearer error="invalid_token"' if code == "invalid_token" else "Bearer")
    assert response.headers.get("www-authenticate") == wanted, response.text
    assert response.headers["cache-control"] == "no-store"
    return (response.status_code, response.json()["error"]["code"]) == (401, code)


async def refresh(client: httpx.AsyncClient, token: object) -> httpx.Response:
    return await client.post(f"{AUTH}/refresh", json={"refresh_token": token})


# Signing in


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM"])
async def test_who_knows_the_password_gets_tokens(
    client: httpx.AsyncClient, registered: dict[str, Any], email: str
) -> None:
    response = await client.post(f"{AUTH}/login", json={"email": email, "password": PASSWORD})
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    tokens = response.json()
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    assert jwt.get_unverified_header(tokens["access_token"]) == {"alg": "HS256", "typ": "at+jwt"}
    claims = jwt.decode(tokens["access_token"], SECRET, ["HS256"], audience="mainstay", issuer="mainstay")
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "jti", "scope", "tenant", "role"}
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (registered["id"], 900)
    me = await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json() == registered


async def test_who_does_not_is_told_the_same_whatever_is_wrong(
    client: httpx.AsyncClient, registered: dict[str, Any], admin: "Who"
) -> None:
    await client.post("/api/v1/users", json={"email": "inactive@example.com", "password": PASSWORD})
    items = (await client.get("/api/v1/users?limit=1", headers=admin)).json()["items"]
    await client.patch(f"/api/v1/users/{items[0]['id']}", json={"is_active": False}, headers=admin)
    tried = [("ada@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("inactive@example.com", PASSWORD)]
    answers = []
    for email, password in tried:
        response = await client.post(f"{AUTH}/login", json={"email": email, "password": password})
        assert is_refused(response, "invalid_credentials")
        error = response.json()["error"]
        answers.append((error["message"], error["details"]))
        assert email not in response.text
    assert answers == [answers[0]] * 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ada@example.com"},
        {"password": PASSWORD},
        {"email": "ada@example.com", "password": None},
        {"email": ["ada@example.com"], "password": PASSWORD},
        {"email": "ada@example.com", "password": PASSWORD, "remember": True},
        {"email": "ada@example.com", "password": "a\0b"},
        [],
    ],
    ids=str,
)
async def test_what_is_no_sign_in_is_refused(client: httpx.AsyncClient, body: object) -> None:
    response = await client.post(f"{AUTH}/login", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
    assert PASSWORD not in response.text


async def test_all_who_sign_in_while_the_hash_is_replaced_are_let_in(
    app: FastAPI,
    client: httpx.AsyncClient,
    database: Database,
    registered: dict[str, Any],
    set_state: SetState,
) -> None:
    """One of them replaces it; the others, who have verified the old one, do so again with the new one."""
    with users_state(database, HmacKeys(SECRET), [SECRET], Passwords(Bcrypt(5), wait=30, threads=8)) as stricter:
        set_state(app, "users", lambda: stricter)
        body = {"email": "ada@example.com", "password": PASSWORD}
        answers = await asyncio.gather(*(client.post(f"{AUTH}/login", json=body) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert await database.fetch_text("SELECT password_hash LIKE '$2b$05$%' FROM users")


# Signing in as OAuth2 has it


@pytest.mark.parametrize(
    "more",
    [{}, {"grant_type": "password"}, {"grant_type": "password", "scope": "", "client_id": "", "client_secret": ""}],
    ids=str,
)
async def test_a_form_gets_the_same(
    client: httpx.AsyncClient, registered: dict[str, Any], more: dict[str, str]
) -> None:
    response = await client.post(f"{AUTH}/token", data={**FORM, **more})
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert set(response.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}


async def test_a_form_may_hold_any_characters(client: httpx.AsyncClient) -> None:
    account = {"email": "grace+1@example.com", "password": "päss & wörd=🐎 % +"}
    assert (await client.post("/api/v1/users", json=account)).status_code == 201
    form = {"username": account["email"], "password": account["password"]}
    assert (await client.post(f"{AUTH}/token", data=form)).status_code == 200


@pytest.mark.parametrize("change", [{"username": "nobody@example.com"}, {"password": "wrong"}, {"password": ""}])
async def test_a_form_with_what_is_wrong_is_refused(
    client: httpx.AsyncClient, registered: dict[str, Any], change: dict[str, str]
) -> None:
    assert is_refused(await client.post(f"{AUTH}/token", data={**FORM, **change}), "invalid_credentials")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"username=ada%40example.com",
        b"password=x",
        b"username=a&password=b&grant_type=client_credentials",
        b"username=a&username=b&password=c",
        b"username=a&password=%00",
        b"username=a&password=%ff",
        b"username=a&password=\xff",
        b"username=a&password=b" + b"&a=b" * 200,
        b'{"username": "a", "password": "b"}',
    ],
)
async def test_what_is_no_form_is_refused_and_not_repeated(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await client.post(f"{AUTH}/token", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
    assert "client_credentials" not in response.text


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", None])
async def test_a_form_says_that_it_is_one(client: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = await client.post(f"{AUTH}/token", content=b"username=a&password=b", headers=headers)
    assert response.status_code == 415


async def test_a_form_has_a_bound(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{AUTH}/token", data={**FORM, "password": "x" * 100_000})
    assert response.status_code == 413


# Refreshing


async def test_a_refresh_gives_a_new_pair(client: httpx.AsyncClient, tokens: dict[str, Any]) -> None:
    response = await refresh(client, tokens["refresh_token"])
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert response.json()["refresh_token"] != tokens["refresh_token"]
    assert response.json()["access_token"] != tokens["access_token"]
    me = {"Authorization": f"Bearer {response.json()['access_token']}"}
    assert (await client.get(ME, headers=me)).status_code == 200


async def test_two_tabs_get_the_same_child(client: httpx.AsyncClient, tokens: dict[str, Any]) -> None:
    answers = await asyncio.gather(*(refresh(client, tokens["refresh_token"]) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_a_stolen_token_ends_the_session(client: httpx.AsyncClient, tokens: dict[str, Any], me: "Who") -> None:
    child = (await refresh(client, tokens["refresh_token"])).json()
    grandchild = (await refresh(client, child["refresh_token"])).json()
    assert is_refused(await refresh(client, tokens["refresh_token"]), "token_reused")
    assert is_refused(await refresh(client, grandchild["refresh_token"]), "invalid_refresh_token")
    assert is_refused(await client.get(ME, headers=me))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "A" * 70, "ü", "x" * 50_000])
async def test_what_is_no_refresh_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    assert is_refused(await refresh(client, token), "invalid_refresh_token")


@pytest.mark.parametrize("token", [None, 7, ["x"], "\0"])
async def test_what_is_no_text_is_invalid(client: httpx.AsyncClient, token: object) -> None:
    assert (await refresh(client, token)).status_code == 422


# Signing out, and sessions


async def test_who_signs_out_is_out(client: httpx.AsyncClient, tokens: dict[str, Any], me: "Who") -> None:
    response = await client.post(f"{AUTH}/logout", headers=me)
    assert (response.status_code, response.content) == (204, b"")
    assert is_refused(await client.get(ME, headers=me))
    assert is_refused(await refresh(client, tokens["refresh_token"]), "invalid_refresh_token")
    assert is_refused(await client.post(f"{AUTH}/logout", headers=me))


async def test_who_signs_out_everywhere_is_out_everywhere(
    client: httpx.AsyncClient, me: "Who", sign_in: "SignIn"
) -> None:
    other = await sign_in()
    assert (await client.post(f"{AUTH}/logout-all", headers=me)).status_code == 204
    assert is_refused(await client.get(ME, headers=me))
    assert is_refused(await client.get(ME, headers={"Authorization": f"Bearer {other['access_token']}"}))


async def test_sessions_are_listed_and_ended_one_by_one(
    client: httpx.AsyncClient, me: "Who", sign_in: "SignIn"
) -> None:
    other = await sign_in()
    response = await client.get(f"{AUTH}/sessions", headers=me)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    newest, oldest = response.json()["items"]
    assert set(newest) == {"id", "created_at", "refreshed_at", "expires_at", "current"}
    assert (newest["current"], oldest["current"]) == (False, True)
    assert (await client.delete(f"{AUTH}/sessions/{newest['id']}", headers=me)).status_code == 204
    assert is_refused(await refresh(client, other["refresh_token"]), "invalid_refresh_token")
    assert (await client.get(f"{AUTH}/sessions", headers=me)).json()["items"] == [oldest]


async def test_a_session_that_is_not_ones_own_is_not_found(client: httpx.AsyncClient, me: "Who", admin: "Who") -> None:
    [theirs] = (await client.get(f"{AUTH}/sessions", headers=admin)).json()["items"]
    for session_id in (theirs["id"], uuid7()):
        response = await client.delete(f"{AUTH}/sessions/{session_id}", headers=me)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "session_not_found")
    assert (await client.delete(f"{AUTH}/sessions/x", headers=me)).status_code == 422
    assert (await client.get(ME, headers=admin)).status_code == 200


# Who is let through


@GUARDED
@pytest.mark.parametrize("authorization", [None, "", "Basic YWRhOng=", "Digest x", "bearerx"])
async def test_nobody_calls_without_a_token(client: httpx.AsyncClient, call: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    assert is_refused(await call_of(client, call, headers), "unauthorized")


@GUARDED
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_nobody_calls_with_what_is_no_token(client: httpx.AsyncClient, call: str, token: str) -> None:
    assert is_refused(await call_of(client, call, {"Authorization": f"Bearer {token}"}))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_the_scheme_may_be_spelled_as_one_likes(
    client: httpx.AsyncClient, tokens: dict[str, Any], scheme: str
) -> None:
    response = await client.get(ME, headers={"Authorization": f"{scheme} {tokens['access_token']}"})
    assert response.status_code == 200


@pytest.mark.parametrize("more", [" x", ",Bearer x", "=", "."])
async def test_a_token_with_something_behind_it_is_none(
    client: httpx.AsyncClient, tokens: dict[str, Any], more: str
) -> None:
    token = f"Bearer {tokens['access_token']}{more}"
    assert is_refused(await client.get(ME, headers={"Authorization": token}))


async def test_two_tokens_are_one_too_many(client: httpx.AsyncClient, me: "Who") -> None:
    headers = [("Authorization", me["Authorization"])] * 2
    assert (await client.get(ME, headers=headers)).status_code == 400


async def test_a_refresh_token_calls_nobody(client: httpx.AsyncClient, tokens: dict[str, Any]) -> None:
    assert is_refused(await client.get(ME, headers={"Authorization": f"Bearer {tokens['refresh_token']}"}))


# Public keys


async def test_where_a_secret_signs_no_key_is_published(client: httpx.AsyncClient) -> None:
    response = await client.get("/.well-known/jwks.json")
    assert (response.status_code, response.json()) == (200, {"keys": []})


async def test_tokens_are_verified_with_the_keys_that_are_published(
    app: FastAPI,
    client: httpx.AsyncClient,
    database: Database,
    registered: dict[str, Any],
    sign_in: "SignIn",
    set_state: SetState,
) -> None:
    """By whoever has a library for it, and through a change of the key."""
    old = Ed25519PrivateKey.generate()
    new = EdKeys(Ed25519PrivateKey.generate(), old.public_key())

    @contextmanager
    def with_keys(keys: EdKeys) -> Iterator[None]:
        with users_state(database, keys, [SECRET], Passwords(Bcrypt(4), wait=30)) as state:
            set_state(app, "users", lambda: state)
            set_state(app, "guard", state.guard({"users"}))
            yield

    with with_keys(EdKeys(old)):
        first = await sign_in()
    with with_keys(new):
        second = await sign_in()
        published = jwt.PyJWKSet.from_dict((await client.get("/.well-known/jwks.json")).json())
        for tokens in (first, second):
            token = tokens["access_token"]
            key = published[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(token, key, audience="mainstay", issuer="mainstay")
            assert claims["sub"] == registered["id"]
            assert (await client.get(ME, headers={"Authorization": f"Bearer {token}"})).status_code == 200
    with with_keys(EdKeys(Ed25519PrivateKey.generate())):
        for tokens in (first, second):
            assert is_refused(await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"}))


# The log


async def test_no_log_line_holds_a_secret(
    client: httpx.AsyncClient,
    tokens: dict[str, Any],
    me: "Who",
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level("DEBUG"):
        await client.get(ME, headers=me)
        child = (await refresh(client, tokens["refresh_token"])).json()
        await refresh(client, child["refresh_token"])
        await refresh(client, tokens["refresh_token"])
        await client.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "wrong-secret"})
        await client.post(f"{AUTH}/token", data={**FORM, "password": "wrong-secret"})
    written = caplog.text + "".join(capfd.readouterr())
    assert "used again" in written
    for secret in (*tokens.values(), *child.values(), PASSWORD, "wrong-secret", "ada@example.com"):
        assert str(secret) not in written or secret in {"bearer", 900}
