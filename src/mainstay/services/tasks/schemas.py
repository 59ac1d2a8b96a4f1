"""Tasks on the wire: what callers send, what they get."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from mainstay.kernel.core.page import Item, Page
from mainstay.kernel.http.parameters import STRICT, WHITE_SPACE, PlainDate, StrictModel, Text
from mainstay.kernel.http.schemas import Version
from mainstay.services.tasks.domain import (
    ASSIGNEE_MAX,
    DESCRIPTION_MAX,
    PRIORITY_DEFAULT,
    PRIORITY_MAX,
    PRIORITY_MIN,
    READ_ONLY,
    TITLE_MAX,
    EmptyUpdate,
    ReadOnlyField,
    Status,
    Task,
)

WORDS_MAX = 10
"""In a search: each is looked for in every task that the other filters let through."""
SEARCH_MAX = 1000
"""Characters, the space between the words included. SQLite takes patterns of up to 50,000 bytes."""

_SPACE, _INK = f"[{WHITE_SPACE}]", rf"[^{WHITE_SPACE}\u0000]"
"""Characters of a pattern."""


def _fits(title: str) -> str:
    """Length without the space around, which is kept all the same."""
    if not 1 <= len(title.strip()) <= TITLE_MAX:
        raise PydanticCustomError(
            "title_length", f"Title should have 1 to {TITLE_MAX} characters, not counting white space around it"
        )
    return title


def _refuse_read_only(body: Any) -> Any:
    """Before the rest: who sends back what was read gets to know what to leave out, not that it is unknown."""
    if isinstance(body, dict) and (sent := [name for name in READ_ONLY if name in body]):
        message = "Only the service sets this field"
        raise ReadOnlyField(
            errors=[{"loc": ["body", name], "message": message, "type": "read_only_field"} for name in sent]
        )
    return body


def _refuse_empty(body: Any) -> Any:
    if body == {}:
        raise EmptyUpdate
    return body


def _few_words(text: str) -> str:
    if len(text.split()) > WORDS_MAX:
        raise PydanticCustomError("too_many_words", f"Search for at most {WORDS_MAX} words at a time")
    return text


READ_ONLY_REFUSED = BeforeValidator(_refuse_read_only)
EMPTY_REFUSED = BeforeValidator(_refuse_empty)

Title = Annotated[
    Text,
    AfterValidator(_fits),
    Field(
        description=f"What is to be done, in 1 to {TITLE_MAX} characters. A title is there once; upper and lower case "
        "and the white space around it, which is kept, do not count.",
        examples=["Fix login bug"],
        # longer than TITLE_MAX with the space around it, so there is no maxLength
        json_schema_extra={"pattern": rf"^{_SPACE}*{_INK}([^\u0000]{{0,{TITLE_MAX - 2}}}{_INK})?{_SPACE}*$"},
    ),
]
Description = Annotated[
    Text | None, Field(max_length=DESCRIPTION_MAX, description="More words, if any.", examples=["Since Monday."])
]
StatusField = Annotated[Status, Field(description="Any status may follow any.", examples=["new"])]
Priority = Annotated[
    int, Field(ge=PRIORITY_MIN, le=PRIORITY_MAX, description="5 is what has to be done first.", examples=[3])
]
Assignee = Annotated[
    Text | None, Field(min_length=1, max_length=ASSIGNEE_MAX, description="Who does it.", examples=["ada"])
]
DueDate = Annotated[PlainDate | None, Field(description="The day by which it is done.", examples=["2026-12-01"])]
SearchText = Annotated[
    Text,
    Field(max_length=SEARCH_MAX),
    AfterValidator(_few_words),
    # Not in the Field: FastAPI drops what that says beyond pydantic's own words.
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": SEARCH_MAX,
            "pattern": rf"^{_SPACE}*({_INK}+({_SPACE}+{_INK}+){{0,{WORDS_MAX - 1}}})?{_SPACE}*$",
            "examples": ["login"],
        }
    ),
]
Created = Annotated[datetime, Field(description="When the task was added, in UTC.", examples=["2026-11-21T09:30:00Z"])]
Updated = Annotated[datetime, Field(description="When it was changed last, in UTC.", examples=["2026-11-21T09:30:00Z"])]
Completed = Annotated[
    datetime | None,
    Field(description="When it was completed, in UTC; null while it is not.", examples=["2026-11-21T17:00:00Z"]),
]


class TaskIn(StrictModel):
    """A task to add, or what a task is to be from now on: what is left out falls to its default."""

    title: Title
    description: Description = None
    status: StatusField = "new"
    priority: Priority = PRIORITY_DEFAULT
    assignee: Assignee = None
    due_date: DueDate = None


@with_config({**STRICT, "json_schema_extra": {"minProperties": 1}})
class TaskPatch(TypedDict, total=False):
    """Some fields of a task, one at least; those left out stay as they are, and null clears."""

    title: Title
    description: Description
    status: StatusField
    priority: Priority
    assignee: Assignee
    due_date: DueDate


class TaskOut(TypedDict):
    """A task in its current version, which the ETag header repeats."""

    id: Annotated[int, Field(ge=1, description="The task's number.", examples=[1])]
    title: Title
    description: Description
    status: StatusField
    priority: Priority
    assignee: Assignee
    due_date: DueDate
    created_at: Created
    updated_at: Updated
    completed_at: Completed
    version: Version


class TaskPage(TypedDict):
    """A page of tasks."""

    items: Annotated[list[TaskOut], Field(max_length=100, description="In the order asked for.")]
    total: Annotated[int, Field(ge=0, description="Tasks that the filters let through.", examples=[1])]
    limit: Annotated[int, Field(description="Tasks on a page, at most.", examples=[20])]
    offset: Annotated[int, Field(description="Tasks passed over.", examples=[0])]


def task_out(task: Task) -> TaskOut:
    """A task as callers see it."""
    return {
        "id": task.id,
        "title": task.title,
        "description": task.description,
        "status": task.status,
        "priority": task.priority,
        "assignee": task.assignee,
        "due_date": task.due_date,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "completed_at": task.completed_at,
        "version": task.version,
    }


def task_page(page: Page[Item], limit: int, offset: int) -> dict[str, object]:
    """A page as callers see it."""
    return {"items": page.items, "total": page.total, "limit": limit, "offset": offset}
