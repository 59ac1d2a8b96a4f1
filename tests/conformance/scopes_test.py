"""What a token is good for: its scopes, its tenant, its end, and the keys that are its owner's own."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mainstay.settings import SERVICES
from tests.conformance.resources import RESOURCES, Resource
from tests.signed_in import SignedIn

if TYPE_CHECKING:
    from tests.conformance.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

TENANT = "tenant-1"
READS = {"GET collection", "GET", "HEAD"}
USERS = "/api/v1/users"
Answers = dict[str, httpx.Response]
SignIn = Callable[..., SignedIn]


def statuses(answers: Answers) -> set[int]:
    return {answer.status_code for answer in answers.values()}


def of_reads(answers: Answers) -> set[int]:
    return {answer.status_code for name, answer in answers.items() if name in READS}


def of_writes(answers: Answers) -> set[int]:
    return {answer.status_code for name, answer in answers.items() if name not in READS}


# Scopes


async def test_all_scopes_of_a_service_open_all_of_it(strict: "Api", known: SignIn, service: str) -> None:
    api = strict.by(known(scopes=[f"{service}:read", f"{service}:write"], tenant=TENANT).headers)
    assert statuses(await api.call_all(await api.made())) <= {200, 201, 204}


async def test_one_scope_for_all_of_it_does_too(full: "Api") -> None:
    assert statuses(await full.call_all(await full.made())) <= {200, 201, 204}


async def test_who_may_read_may_not_write(strict: "Api", full: "Api", known: SignIn, service: str) -> None:
    reader = strict.by(known(scopes=[f"{service}:read"], tenant=TENANT).headers)
    answers = await reader.call_all(await full.made())
    assert (of_reads(answers), of_writes(answers)) == ({200}, {403})
    assert answers["POST"].json()["error"]["code"] == "forbidden"


async def test_who_may_write_may_not_read(strict: "Api", known: SignIn, service: str) -> None:
    writer = strict.by(known(scopes=[f"{service}:write"], tenant=TENANT).headers)
    answers = await writer.call_all(await writer.made())
    assert of_reads(answers) == {403}
    assert of_writes(answers) <= {200, 201, 204}


@pytest.mark.parametrize("scopes", [[], ["others"], ["*"], ["{0}"], ["{0}:"], ["{0}:Read"], ["{0}s:*"], ["read"]])
async def test_no_other_scope_opens_anything(
    strict: "Api", full: "Api", known: SignIn, service: str, scopes: list[str]
) -> None:
    others = [f"{name}:*" for name in SERVICES if name != service]
    given = others if scopes == ["others"] else [scope.format(service) for scope in scopes]
    answers = await strict.by(known(scopes=given, tenant=TENANT).headers).call_all(await full.made())
    assert statuses(answers) == {403}
    assert all("www-authenticate" not in answer.headers for answer in answers.values())


async def test_an_admin_has_the_scopes_that_its_token_has(strict: "Api", full: "Api", known: SignIn) -> None:
    """The role opens the users, and nothing else by itself."""
    admin = strict.by(known(role="admin", tenant=TENANT).headers)
    assert statuses(await admin.call_all(await full.made())) == {403}


async def test_in_the_open_program_a_token_that_is_sent_counts(api: "Api", signed_in: SignIn, service: str) -> None:
    reader = api.by(signed_in(scopes=[f"{service}:read"], tenant=TENANT).headers)
    answers = await reader.call_all(await api.made())
    assert (of_reads(answers), of_writes(answers)) == ({200}, {403})


# What becomes of a user


@pytest.mark.parametrize(
    ("method", "change", "status"),
    [
        ("PATCH", {"is_active": False}, 401),
        ("PATCH", {"scopes": []}, 403),
        ("PATCH", {"scopes": ["others:*"]}, 403),
        ("DELETE", None, 401),
    ],
)
async def test_it_counts_at_once_whatever_the_token_says(
    strict: "Api", full: "Api", known: SignIn, service: str, method: str, change: Any, status: int
) -> None:
    who, admin = known(scopes=[f"{service}:*"], tenant=TENANT), known(role="admin")
    api, path = strict.by(who.headers), await full.made()
    assert (await api.call("GET", path)).status_code == 200
    changed = await strict.client.request(method, f"{USERS}/{who.user_id}", headers=admin.headers, json=change)
    assert changed.status_code in {200, 204}
    assert (await api.call("GET", path)).status_code == status


async def test_who_signs_out_is_out_of_every_service(strict: "Api", full: "Api", known: SignIn, service: str) -> None:
    who = known(scopes=[f"{service}:*"], tenant=TENANT)
    api, path = strict.by(who.headers), await full.made()
    assert (await api.call("GET", path)).status_code == 200
    assert (await strict.client.post("/api/v1/auth/logout", headers=who.headers)).status_code == 204
    assert (await api.call("GET", path)).status_code == 401


# Keys


@pytest.fixture
def two_users(strict: "Api", known: SignIn, service: str) -> tuple["Api", "Api"]:
    """Two who may do everything: each of a tenant of its own where there are tenants."""
    if not strict.resource.keyed:
        pytest.skip("its POST takes no key")
    ada, bob = (known(scopes=[f"{service}:*"], tenant=tenant) for tenant in ("tenant-a", "tenant-b"))
    return strict.by(ada.headers), strict.by(bob.headers)


async def test_the_same_key_of_two_users_is_two_keys(two_users: tuple["Api", "Api"]) -> None:
    (ada, bob), key = two_users, {"Idempotency-Key": secrets.token_hex(8)}
    body = ada.body()
    first, other, again = (
        await ada.create(key, json=body),
        await bob.create(key, json=bob.body()),
        await ada.create(key, json=body),
    )
    assert (first.status_code, other.status_code) == (201, 201)
    assert "idempotency-replayed" not in other.headers
    assert first.headers["location"] != other.headers["location"]
    assert (again.headers["idempotency-replayed"], again.content) == ("true", first.content)


async def test_who_may_not_write_gets_no_answer_of_another_either(
    strict: "Api", two_users: tuple["Api", "Api"], known: SignIn, service: str
) -> None:
    (ada, _), key = two_users, {"Idempotency-Key": secrets.token_hex(8)}
    body = ada.body()
    assert (await ada.create(key, json=body)).status_code == 201
    reader = strict.by(known(scopes=[f"{service}:read"], tenant="tenant-a").headers)
    assert (await reader.create(key, json=body)).status_code == 403
    assert (await strict.create(key, json=body)).status_code == 401


async def test_what_nobody_has_sent_is_not_what_somebody_sends(api: "Api", signed_in: SignIn, service: str) -> None:
    """In the open program, those without a token share their keys; who has one does not."""
    if not api.resource.keyed or api.resource.headers:
        pytest.skip("its POST takes no key, or belongs to a tenant")
    key = {"Idempotency-Key": secrets.token_hex(8)}
    answers = [
        await who.create(key, json=api.body()) for who in (api, api.by(signed_in(scopes=[f"{service}:*"]).headers))
    ]
    assert [answer.status_code for answer in answers] == [201, 201]


# Tenants

with_tenants = pytest.mark.parametrize(
    "resource", [resource for resource in RESOURCES if "X-Tenant-Id" in resource.headers], ids=lambda found: found.name
)


@with_tenants
@pytest.mark.parametrize("headers", [{}, {"X-Tenant-Id": TENANT}])
async def test_the_token_says_which_tenant(full: "Api", headers: dict[str, str]) -> None:
    made = await full.create(headers)
    assert (made.status_code, made.json()[full.resource.tenant_field]) == (201, TENANT)


@with_tenants
@pytest.mark.parametrize("named", ["tenant-2", "TENANT-1", "tenant-1x"])
async def test_who_names_another_tenant_is_turned_away(full: "Api", named: str) -> None:
    answers = await full.by({**full.headers, "X-Tenant-Id": named}).call_all(await full.made())
    assert statuses(answers) == {403}


@with_tenants
@pytest.mark.parametrize("headers", [{}, {"X-Tenant-Id": TENANT}])
async def test_who_has_no_tenant_is_turned_away(
    strict: "Api", full: "Api", known: SignIn, service: str, headers: dict[str, str]
) -> None:
    nobodys = known(scopes=[f"{service}:*"]).headers
    assert statuses(await strict.by({**nobodys, **headers}).call_all(await full.made())) == {403}


@with_tenants
async def test_who_is_of_another_tenant_finds_nothing(strict: "Api", full: "Api", known: SignIn, service: str) -> None:
    path = await full.made()
    other = strict.by(known(scopes=[f"{service}:*"], tenant="tenant-2").headers)
    answers = await other.call_all(path)
    assert {answers[name].status_code for name in ("GET", "HEAD", "change")} == {404}
    assert path.removeprefix("/") not in answers["GET collection"].text


@with_tenants
async def test_in_the_open_program_too_the_token_goes_before_the_header(
    api: "Api", signed_in: SignIn, service: str
) -> None:
    headers = signed_in(scopes=[f"{service}:*"], tenant="tenant-2").headers
    assert (await api.by(headers).create()).json()[api.resource.tenant_field] == "tenant-2"
    assert (await api.by({**headers, "X-Tenant-Id": TENANT}).create()).status_code == 403


@with_tenants
async def test_in_one_tenant_the_keys_are_the_tenants(
    resource: Resource, strict: "Api", full: "Api", known: SignIn, service: str
) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    colleague = strict.by(known(scopes=[f"{service}:*"], tenant=TENANT).headers)
    body = full.body()
    first, again = await full.create(key, json=body), await colleague.create(key, json=body)
    assert (again.headers["idempotency-replayed"], again.content) == ("true", first.content)
