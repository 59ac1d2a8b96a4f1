"""Pets over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from mainstay.kernel.http.conditional import if_match
from mainstay.kernel.http.contract import Need, answers
from mainstay.kernel.http.parameters import PLAIN_DIGITS, Offset, RowId, Text
from mainstay.kernel.http.rendering import no_content, respond
from mainstay.kernel.http.unit import UnitRoute
from mainstay.services.pets.dependencies import Pets, Service
from mainstay.services.pets.domain import PetNotFound, Status
from mainstay.services.pets.repository import PetQuery, Sort
from mainstay.services.pets.schemas import PetIn, PetOut, PetPage, PetPatch, pet_out, pet_page

router = APIRouter(prefix="/pets", tags=["pets"], route_class=UnitRoute)

PetId = Annotated[RowId, Path(description="The pet's number.", examples=[1])]


@router.post("", status_code=201, response_model=PetOut)
@answers(idempotency=Need.OPTIONAL, etag=True)
async def create_pet(body: PetIn, pets: Service) -> Response:
    """Add a pet."""
    pet = await pets.create(dict(body))
    return respond(pet_out(pet), status=201, version=pet.version, location=f"/pets/{pet.id}")


@router.get("/{pet_id}", response_model=PetOut)
@answers(PetNotFound, etag=True)
async def read_pet(pet_id: PetId, pets: Pets) -> Response:
    """Read one pet."""
    pet = await pets.get(pet_id)
    return respond(pet_out(pet), version=pet.version)


@router.get("", response_model=PetPage)
@answers()
async def list_pets(
    pets: Pets,
    species: Annotated[Text | None, Query(description="Equal, upper and lower case alike.", examples=["cat"])] = None,
    status: Annotated[Status | None, Query(description="Equal.")] = None,
    sort: Annotated[Sort, Query(description="A minus sign turns the order round; ties go by id.")] = "name",
    limit: Annotated[int, Query(ge=1, le=200, description="Pets on the page, at most."), PLAIN_DIGITS] = 50,
    offset: Annotated[Offset, Query(description="Pets to pass over.")] = 0,
) -> Response:
    """List pets, page by page."""
    query = PetQuery(species=species, status=status, sort=sort, limit=limit, offset=offset)
    return respond(pet_page(await pets.find(query), limit, offset))


@router.put("/{pet_id}", response_model=PetOut)
@answers(PetNotFound, if_match=Need.REQUIRED, etag=True)
async def replace_pet(pet_id: PetId, body: PetIn, pets: Service, request: Request) -> Response:
    """Replace a pet: a field left out falls to its default."""
    pet = await pets.change(pet_id, if_match(request), dict(body))
    return respond(pet_out(pet), version=pet.version)


@router.patch("/{pet_id}", response_model=PetOut)
@answers(PetNotFound, if_match=Need.REQUIRED, etag=True)
async def update_pet(pet_id: PetId, body: PetPatch, pets: Service, request: Request) -> Response:
    """Change some fields of a pet: a field left out stays as it is, `age_years: null` clears the age."""
    pet = await pets.change(pet_id, if_match(request), dict(body))
    return respond(pet_out(pet), version=pet.version)


@router.delete("/{pet_id}", status_code=204)
@answers(PetNotFound, if_match=Need.OPTIONAL)
async def delete_pet(pet_id: PetId, pets: Service, request: Request) -> Response:
    """Remove a pet."""
    await pets.delete(pet_id, if_match(request))
    return no_content()
