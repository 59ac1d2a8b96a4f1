"""Orders on the wire: what callers send, what they get."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from mainstay.kernel.http.parameters import StrictModel
from mainstay.kernel.http.schemas import Version
from mainstay.services.orders.domain import TOTAL_MAX, Status

AN_ORDER = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"
_TIME = "2026-11-21T09:30:00.123456Z"

Total = Annotated[int, Field(ge=0, le=TOTAL_MAX, description="In cents.", examples=[5000])]


class Nothing(StrictModel):
    """What there is to say of a draft, and when an order is closed."""


class OrderConfirmation(StrictModel):
    """What makes a draft a confirmed order."""

    totalCents: Total  # noqa: N815 - as callers send it


class OrderOut(TypedDict):
    """An order in its current version, which the ETag header repeats."""

    id: Annotated[UUID, Field(description="The order's id.", examples=[AN_ORDER])]
    tenantId: Annotated[str, Field(max_length=64, description="Whose it is.", examples=["tenant-1"])]
    status: Annotated[Status, Field(description="Where it stands.", examples=["draft"])]
    totalCents: Annotated[Total | None, Field(description="In cents; null in a draft.", examples=[None])]
    version: Version
    createdAt: Annotated[datetime, Field(description="When the draft was made, in UTC.", examples=[_TIME])]
    updatedAt: Annotated[datetime, Field(description="When it was changed last, in UTC.", examples=[_TIME])]
    confirmedAt: Annotated[
        datetime | None, Field(description="When it was confirmed, in UTC; null in a draft.", examples=[None])
    ]
    closedAt: Annotated[datetime | None, Field(description="When it was closed, in UTC; null before.", examples=[None])]
