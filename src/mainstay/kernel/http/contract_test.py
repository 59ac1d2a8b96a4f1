from dataclasses import replace

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from mainstay.kernel.core.errors import InvalidToken, Malformed, NotFound
from mainstay.kernel.http.application import create_application
from mainstay.kernel.http.contract import Contract, Need, answers, contract_of
from mainstay.kernel.http.errors import STATUS
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.rendering import no_content, respond
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.ops.access_log import AccessLog

ALWAYS = {400, 422, 500}


async def endpoint() -> Response:
    return no_content()


def statuses(contract: Contract, *, has_body: bool = False) -> set[int]:
    return {STATUS[error.kind] for error in contract.all_errors(has_body=has_body)}


@pytest.mark.parametrize(
    ("contract", "has_body", "expected"),
    [
        (Contract(stored=False), False, ALWAYS),
        (Contract(), False, ALWAYS | {503}),
        (Contract(), True, ALWAYS | {503, 408, 413, 415}),
        (Contract(errors=(NotFound,)), False, ALWAYS | {503, 404}),
        (Contract(if_match=Need.OPTIONAL), False, ALWAYS | {503, 412}),
        (Contract(if_match=Need.REQUIRED), False, ALWAYS | {503, 412, 428}),
        (Contract(idempotency=Need.OPTIONAL), False, ALWAYS | {503, 409}),
        (Contract(invalid=Malformed), False, ALWAYS - {422} | {503}),
    ],
)
def test_the_statuses_follow_from_the_promises(contract: Contract, has_body: bool, expected: set[int]) -> None:
    assert statuses(replace(contract, public=True), has_body=has_body) == expected
    assert statuses(contract, has_body=has_body) == expected | {401, 403}


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        (Contract(scoped=False), {401}),
        (Contract(scoped=False, tenant=True), {401, 403}),
        (Contract(scoped=True, public=True), set()),
        (Contract(public=True, errors=(InvalidToken,)), {401}),
    ],
)
def test_who_may_call_says_what_a_caller_can_be_told(contract: Contract, expected: set[int]) -> None:
    assert statuses(contract) - ALWAYS - {503} == expected


def test_a_contract_is_found_on_its_endpoint() -> None:
    declared = answers(NotFound, etag=True)(endpoint)
    assert contract_of(declared) == Contract(errors=(NotFound,), etag=True)


def test_an_operation_without_a_contract_is_no_operation() -> None:
    async def undeclared() -> Response:
        return no_content()

    router = APIRouter(route_class=UnitRoute)
    with pytest.raises(TypeError, match="undeclared has no contract"):
        router.get("/")(undeclared)


def test_an_operation_of_no_service_is_for_everybody_or_for_nobody() -> None:
    router = APIRouter(route_class=UnitRoute)
    with pytest.raises(TypeError, match="endpoint has no tag"):
        router.get("/")(answers()(endpoint))
    router.get("/")(answers(public=True)(endpoint))


def test_an_included_router_keeps_what_was_declared() -> None:
    router = APIRouter(prefix="/cups", route_class=UnitRoute, tags=["cups"])
    router.delete("/{cup}", status_code=204)(answers(NotFound, if_match=Need.REQUIRED)(endpoint))
    app = FastAPI()
    app.include_router(router)
    documented = app.openapi()["paths"]["/cups/{cup}"]["delete"]["responses"]
    assert set(documented) == {str(status) for status in ALWAYS | {204, 401, 403, 404, 412, 428, 503}}


async def endpoint_of_a_cup(cup: str) -> Response:
    return respond(cup)


class NoCup(Malformed):
    code = "no_cup"
    message = "This is no cup."


@pytest.fixture
def cups() -> FastAPI:
    router = APIRouter(prefix="/cups", route_class=UnitRoute, tags=["cups"])
    router.get("/{cup}")(answers(invalid=NoCup)(endpoint_of_a_cup))
    log = AccessLog(json=True)
    return create_application(routers=[router], limits=Limits(), access_log=log, show_cause=False, cors_origins=())


async def test_invalid_input_is_answered_as_the_contract_says(cups: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cups), base_url="http://cups") as client:
        response = await client.get("/cups/1?unknown=1")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "no_cup")
    assert [error["loc"] for error in response.json()["error"]["details"]["errors"]] == [["query", "unknown"]]


def test_an_operation_is_named_as_its_endpoint_and_its_answer_described_in_words_of_ours(cups: FastAPI) -> None:
    documented = cups.openapi()["paths"]["/cups/{cup}"]["get"]
    assert documented["operationId"] == "endpoint_of_a_cup"
    assert documented["responses"]["200"]["description"] == "Done."


def test_an_operation_that_answers_no_422_documents_none(cups: FastAPI) -> None:
    documented = cups.openapi()["paths"]["/cups/{cup}"]["get"]["responses"]
    assert set(documented) == {"200", "400", "401", "403", "500", "503"}
    assert "no_cup" in documented["400"]["description"]
