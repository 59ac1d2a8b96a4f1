"""What callers send and get, as pydantic models."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class OrderCreate(BaseModel):
    """What a caller sends: there is nothing to say of a draft."""


class OrderConfirm(BaseModel):
    """What makes a draft a confirmed order."""

    total_cents: Annotated[int, Field(alias="totalCents", ge=0, le=2**53 - 1)]


class OrderOut(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)

    id: UUID
    tenant_id: str
    status: Literal["draft", "confirmed", "closed"]
    total_cents: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    confirmed_at: datetime | None
    closed_at: datetime | None


class OrderPage(BaseModel):
    """A page of orders."""

    items: list[OrderOut]
    next_cursor: Annotated[str | None, Field(serialization_alias="nextCursor")]


class PetOut(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    species: str
    age_years: int | None
    status: Literal["available", "pending", "sold"]
    version: int


class TaskOut(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    description: str | None
    status: Literal["new", "in_progress", "completed"]
    priority: int
    assignee: str | None
    due_date: date | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    version: int


class ConfigurationOut(BaseModel):
    """A configuration, as it is sent."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    application_id: str
    name: str
    comments: str | None
    config: dict[str, Any]


class TaskPage(BaseModel):
    """A page of tasks."""

    items: list[TaskOut]
    total: int
    limit: int
    offset: int
