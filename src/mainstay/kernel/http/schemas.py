"""What the bodies of the services have in common: parts of a resource, resources in versions, pages of them."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from types import GenericAlias
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import PydanticUndefined

from mainstay.kernel.http.parameters import NextCursor, StrictModel, Text

AN_ID = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
A_TIME = "2026-11-21T09:30:00.123456Z"

Version = Annotated[int, Field(ge=1, description="One more with each change.", examples=[1])]
CreatedAt = Annotated[datetime, Field(description="When it was made, in UTC.", examples=[A_TIME])]
UpdatedAt = Annotated[datetime, Field(description="When it was changed last, in UTC.", examples=[A_TIME])]

Line = Annotated[Text, Field(min_length=1, max_length=200)]
"""A name, a title, a number with letters: something, and not much."""
LongText = Annotated[Text, Field(max_length=10_000)]
"""What people write down."""


class Partial(StrictModel):
    """A body with some fields of another: `class PetPatch(Partial, PetIn)`. `dict(body)` has those that were sent."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Let every field be left out, also one that has no default."""
        for field in cls.__pydantic_fields__.values():
            field.default, field.default_factory = PydanticUndefined, _left_out  # a factory's value is not documented
        cls.model_rebuild(force=True)

    def __iter__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]  # pydantic's is a Generator
        """The fields that were sent, with their values."""
        return ((name, getattr(self, name)) for name in self.model_fields_set)


def _left_out() -> None:
    return None


class Versioned(BaseModel):
    """What an answer says of a resource beside its fields. Documents it; answers are rendered from the entity."""

    model_config = ConfigDict(extra="ignore", json_schema_serialization_defaults_required=True)

    id: Annotated[UUID, Field(description="Its id.", examples=[AN_ID])]
    version: Version
    created_at: CreatedAt
    updated_at: UpdatedAt


class TenantVersioned(Versioned):
    """The same of a tenant's resource."""

    tenant_id: Annotated[str, Field(max_length=64, description="Whose it is.", examples=["tenant-1"])]


@cache
def page_of(item: type[Any]) -> type[BaseModel]:
    """A page of a list of such items, by cursor, for the documentation; that of InvoiceOut is called InvoicePage."""
    items: Any = GenericAlias(list, (item,))
    described = Field(max_length=100, description="Newest first.")
    return create_model(
        f"{item.__name__.removesuffix('Out')}Page",
        __doc__="A page of the list, the newest first.",
        items=(Annotated[items, described], ...),
        nextCursor=(NextCursor, ...),
    )
