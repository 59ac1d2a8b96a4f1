"""Configs over HTTP."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from mainstay.kernel.core.errors import TooLarge
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.http.conditional import if_match, known_versions
from mainstay.kernel.http.contract import Need
from mainstay.kernel.http.contract import answers as any_answers
from mainstay.kernel.http.limits import Limits
from mainstay.kernel.http.parameters import PLAIN_DIGITS
from mainstay.kernel.http.rendering import Rendered, respond_bytes
from mainstay.kernel.http.streaming import Streamed
from mainstay.kernel.http.unit import UnitRoute
from mainstay.kernel.http.waiting import while_connected
from mainstay.services.configs.dependencies import ConfigsOf
from mainstay.services.configs.domain import (
    Application,
    ApplicationNotFound,
    ConfigurationNotFound,
    DuplicateApplication,
    DuplicateConfiguration,
    InvalidRequest,
    Representation,
    Resource,
    UnknownApplication,
)
from mainstay.services.configs.schemas import (
    ApplicationIn,
    ApplicationOut,
    ConfigurationIn,
    ConfigurationOut,
    ConfigurationPut,
    Ulid,
    config_text,
)

PREFIX = "/api/v1"

router = APIRouter(prefix=PREFIX, tags=["configs"], route_class=UnitRoute)

answers = partial(any_answers, invalid=InvalidRequest)

ApplicationId = Annotated[Ulid, Path(description="The application's id.")]
ConfigurationId = Annotated[Ulid, Path(description="The configuration's id.")]
Wait = Annotated[
    Annotated[int, Field(ge=1, le=60), PLAIN_DIGITS] | None,
    Query(
        description="With If-None-Match: where nothing has changed, wait up to so many seconds for the change.",
        examples=[30],
    ),
]


@router.post("/applications", status_code=201, response_model=ApplicationOut)
@answers(DuplicateApplication, etag=True)
async def create_application(body: ApplicationIn, configs: ConfigsOf) -> Response:
    """Add an application."""
    application = await configs.service.create_application(**dict(body))
    return _answer(application, status=201, location=f"{PREFIX}/applications/{application.id}")


@router.get(
    "/applications",
    response_model=list[ApplicationOut],
    responses={200: {"description": "All applications, in the order of their ids."}},
)
@answers()
async def list_applications(configs: ConfigsOf) -> Response:
    """List all applications, in the order of their ids. The answer is streamed: read it as it comes."""
    return await Streamed.of(_json_array(configs.stored.list_applications()))


@router.get("/applications/{application_id}", response_model=ApplicationOut)
@answers(ApplicationNotFound, etag=True)
async def read_application(
    application_id: ApplicationId, configs: ConfigsOf, request: Request, wait: Wait = None
) -> Response:
    """Read one application, or wait until it is another than the caller has."""
    known = _to_wait_for(request, wait)
    if wait is None or known is None:
        return _sent(await configs.get_application(application_id))
    return _sent(await while_connected(request, configs.applications.changed(application_id, known, wait)))


@router.put("/applications/{application_id}", response_model=ApplicationOut)
@answers(ApplicationNotFound, DuplicateApplication, if_match=Need.OPTIONAL, etag=True)
async def replace_application(
    application_id: ApplicationId, body: ApplicationIn, configs: ConfigsOf, request: Request
) -> Response:
    """Replace an application: comments that are left out are removed."""
    return _answer(await configs.service.replace_application(application_id, if_match(request), **dict(body)))


@router.post("/configurations", status_code=201, response_model=ConfigurationOut)
@answers(UnknownApplication, DuplicateConfiguration, etag=True)
async def create_configuration(body: ConfigurationIn, configs: ConfigsOf, request: Request) -> Response:
    """Add a configuration to an application."""
    fields = {**dict(body), "config": await _config(request)}
    configuration = await configs.service.create_configuration(**fields)
    return _answer(configuration, status=201, location=f"{PREFIX}/configurations/{configuration.id}")


@router.get("/configurations/{configuration_id}", response_model=ConfigurationOut)
@answers(ConfigurationNotFound, etag=True)
async def read_configuration(
    configuration_id: ConfigurationId, configs: ConfigsOf, request: Request, wait: Wait = None
) -> Response:
    """Read one configuration, or wait until it is another than the caller has."""
    known = _to_wait_for(request, wait)
    if wait is None or known is None:
        return _sent(await configs.get_configuration(configuration_id))
    return _sent(await while_connected(request, configs.configurations.changed(configuration_id, known, wait)))


@router.put("/configurations/{configuration_id}", response_model=ConfigurationOut)
@answers(ConfigurationNotFound, DuplicateConfiguration, if_match=Need.OPTIONAL, etag=True)
async def replace_configuration(
    configuration_id: ConfigurationId,
    body: Annotated[ConfigurationPut, Body()],
    configs: ConfigsOf,
    request: Request,
) -> Response:
    """Replace a configuration, which stays with its application: comments that are left out are removed."""
    fields: dict[str, Any] = {"application_id": None, "comments": None, **body, "config": await _config(request)}
    return _answer(await configs.service.replace_configuration(configuration_id, if_match(request), **fields))


def _answer(resource: Resource, *, status: int = 200, location: str | None = None) -> Rendered:
    return _sent(Representation.of(resource), status=status, location=location)


def _sent(shown: Representation, *, status: int = 200, location: str | None = None) -> Rendered:
    return respond_bytes(shown.body, status=status, version=shown.tag, location=location)


def _to_wait_for(request: Request, wait: int | None) -> TagList | None:
    """The versions that the caller knows and waits to see changed; None where it is to be answered at once.

    That is also so with `*`, which names every version: no change would make a difference.
    """
    known = None if wait is None else known_versions(request)
    return None if known is None or known.anything else known


async def _config(request: Request) -> str:
    """The `config` of the body, as text. Raises TooLarge where its numbers, written out, make it so."""
    text = config_text(await request.body())
    limits: Limits = request.app.state.limits
    if len(text) > limits.max_body_bytes:
        raise TooLarge(f"Without exponents, the config is over the limit of {limits.max_body_bytes} bytes.")
    return text


async def _json_array(batches: AsyncIterator[Sequence[Application]]) -> AsyncIterator[bytes]:
    """A piece of the array for each batch."""
    opening = b"["
    async for batch in batches:
        if batch:
            yield opening + b",".join(Representation.of(application).body for application in batch)
            opening = b","
    yield b"]" if opening == b"," else b"[]"
