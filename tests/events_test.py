"""docs/events.md: every event of the code is there, and each one that the program writes is as the page says."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import jsonschema_rs
import pytest
import pytest_asyncio

from mainstay.app import create_app
from mainstay.kernel.core.envelope import LoggedEvent, envelope
from mainstay.kernel.core.events import Event
from mainstay.settings import Settings, load_settings
from tests.conformance.resources import RESOURCES, Resource

PAGE = (Path(__file__).parents[1] / "docs/events.md").read_text()
ENVELOPE = "The envelope"
OPTIONAL = {"requestid", "traceparent", "tenantid"}


def first_json(text: str) -> dict[str, Any]:
    """The JSON block at the beginning of a text, behind its heading and words."""
    found: dict[str, Any] = json.loads(re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0])
    return found


def parts(text: str, level: str) -> Iterator[tuple[str, str]]:
    """The headings of a level that a block of JSON belongs to, each with what follows it."""
    for part in text.split(f"\n{level} ")[1:]:
        if "```json" in part:
            yield part.partition("\n")[0], part


SECTIONS = dict(parts(PAGE, "##"))
SCHEMAS = {heading: first_json(text) for heading, text in SECTIONS.items()}
SHOWN = {
    type_: (heading, first_json(example) | {"type": type_})
    for heading, text in SECTIONS.items()
    for types, example in parts(text, "###")
    for type_ in types.split(", ")
}
EXAMPLES = {type_: example for type_, (_, example) in SHOWN.items()}


def subclasses(kind: type[Event]) -> Iterator[type[Event]]:
    for found in kind.__subclasses__():
        if found.__module__.startswith("mainstay.services."):
            yield found
        yield from subclasses(found)


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document."""
    return create_app(load_settings(app_env="test")).openapi()


def assert_as_documented(event: dict[str, Any]) -> None:
    jsonschema_rs.validate(SCHEMAS[ENVELOPE], event, validate_formats=True)
    heading, _ = SHOWN[event["type"]]
    schema = {**SCHEMAS[heading], "components": openapi()["components"]}  # where a schema may be that of an answer
    jsonschema_rs.validate(schema, event["data"], validate_formats=True)
    assert event["source"] == f"urn:mainstay:{event['type'].partition('.')[0]}"
    assert event["subject"] == str(event["data"]["id"])
    assert event["aggregateversion"] == event["data"]["version"]


def test_every_event_has_its_place_and_nothing_else_has() -> None:
    assert {kind.type for kind in subclasses(Event) if "type" in vars(kind)} == set(EXAMPLES)


def test_an_example_is_of_the_first_event_that_shares_it() -> None:
    shown = [(types, first_json(text)) for part in SECTIONS.values() for types, text in parts(part, "###")]
    assert [example["type"] for _, example in shown] == [types.split(", ")[0] for types, _ in shown]


@pytest.mark.parametrize("type_", EXAMPLES)
def test_an_example_is_as_the_schemas_say(type_: str) -> None:
    assert_as_documented(EXAMPLES[type_])


@pytest.mark.parametrize("spoiled", [{"type": "Pet"}, {"extra": 1}, {"id": "1"}, {"time": "today"}, {"data": []}])
def test_what_is_not_as_the_schema_says_is_seen(spoiled: dict[str, Any]) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMAS[ENVELOPE], EXAMPLES["pet.created"] | spoiled, validate_formats=True)


async def a_resources_life(client: httpx.AsyncClient, resource: Resource) -> None:
    """It is made, changed and deleted."""
    made = await client.post(resource.collection, json=resource.body("a"))
    await client.patch(made.headers["location"], json=resource.change("a"))
    await client.delete(made.headers["location"])


async def an_accounts_life(client: httpx.AsyncClient) -> None:
    """From its registration to its end; on the way somebody else has a token of it."""
    ada = {"email": "ada@example.com", "password": "correct-battery-horse"}
    await client.post("/api/v1/users", json=ada)
    stolen = token = (await client.post("/api/v1/auth/login", json=ada)).json()["refresh_token"]
    for _ in range(2):
        token = (await client.post("/api/v1/auth/refresh", json={"refresh_token": token})).json()["refresh_token"]
    await client.post("/api/v1/auth/refresh", json={"refresh_token": stolen})
    access = (await client.post("/api/v1/auth/login", json=ada)).json()["access_token"]
    who = {"Authorization": f"Bearer {access}"}
    await client.patch("/api/v1/users/me", json={"full_name": "Ada"}, headers=who)
    await client.delete("/api/v1/users/me", headers=who)


@pytest_asyncio.fixture
async def written(settings: Settings) -> AsyncIterator[list[dict[str, Any]]]:
    """Every event that there is, as the relay sends it, after calls that make one of each."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    headers = {"If-Match": "*", "X-Tenant-Id": "tenant-1", "Idempotency-Key": "k"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://a", headers=headers) as client,
    ):
        for resource in RESOURCES:
            if resource.keyed and "DELETE" in resource.allow:
                await a_resources_life(client, resource)
        order = (await client.post("/orders")).json()
        await client.patch(f"/orders/{order['id']}/confirm", json={"totalCents": 5000})
        await client.post(f"/orders/{order['id']}/close")
        await an_accounts_life(client)
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    rows = await connection.fetch(
        "SELECT seq, tenant_id, id, type, aggregatetype, aggregateid, aggregateversion, created_at, payload::text, "
        "request_id, traceparent FROM outbox ORDER BY seq"
    )
    yield [json.loads(envelope(LoggedEvent(*row))) for row in rows]
    await connection.close()


async def test_what_the_program_writes_is_as_documented(written: list[dict[str, Any]]) -> None:
    assert {event["type"] for event in written} == set(EXAMPLES)
    for event in written:
        assert_as_documented(event)
        example = EXAMPLES[event["type"]]
        assert event.keys() ^ example.keys() <= OPTIONAL
        assert event["data"].keys() == example["data"].keys()
