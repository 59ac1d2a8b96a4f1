"""Pets on the wire: what callers send, what they get."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.http.parameters import StrictModel, Text
from mainstay.kernel.http.schemas import Partial, Version
from mainstay.services.pets.domain import AGE_MAX, TEXT_MAX, Pet, Status

Name = Annotated[
    Text, Field(min_length=1, max_length=TEXT_MAX, description="What the pet is called.", examples=["Mittens"])
]
Species = Annotated[
    Text, Field(min_length=1, max_length=TEXT_MAX, description="What kind of animal it is.", examples=["cat"])
]
Age = Annotated[int | None, Field(ge=0, le=AGE_MAX, description="Whole years; null where nobody knows.", examples=[2])]
StatusField = Annotated[Status, Field(description="Whether it can be had.", examples=["available"])]


class PetIn(StrictModel):
    """A pet to add, or what a pet is to be from now on."""

    name: Name
    species: Species
    age_years: Age = None
    status: StatusField = "available"


class PetPatch(Partial, PetIn):
    """Some fields of a pet; those left out stay as they are, and `age_years: null` clears the age."""


class PetOut(TypedDict):
    """A pet in its current version, which the ETag header repeats."""

    id: Annotated[int, Field(ge=1, description="The pet's number.", examples=[1])]
    name: Name
    species: Species
    age_years: Age
    status: StatusField
    version: Version


class Meta(TypedDict):
    """Where in the list the page is."""

    total: Annotated[int, Field(ge=0, description="Pets that the filters let through.", examples=[1])]
    limit: Annotated[int, Field(description="Pets on a page, at most.", examples=[50])]
    offset: Annotated[int, Field(description="Pets passed over.", examples=[0])]


class PetPage(TypedDict):
    """A page of pets."""

    items: Annotated[list[PetOut], Field(max_length=200, description="In the order asked for.")]
    _meta: Meta


def pet_out(pet: Pet) -> PetOut:
    """A pet as callers see it."""
    return {
        "id": pet.id,
        "name": pet.name,
        "species": pet.species,
        "age_years": pet.age_years,
        "status": pet.status,
        "version": pet.version,
    }


def pet_page(page: Page[Item], limit: int, offset: int) -> dict[str, object]:
    """A page as callers see it."""
    return {"items": page.items, "_meta": {"total": page.total, "limit": limit, "offset": offset}}
