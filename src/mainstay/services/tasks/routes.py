"""Tasks over HTTP."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from mainstay.kernel.http.conditional import if_match
from mainstay.kernel.http.contract import Need, answers
from mainstay.kernel.http.parameters import COMMA_SEPARATED, PLAIN_DIGITS, Offset, PlainDate, RowId, Text
from mainstay.kernel.http.rendering import no_content, respond
from mainstay.kernel.http.unit import UnitRoute
from mainstay.services.tasks.dependencies import Service, Tasks
from mainstay.services.tasks.domain import (
    PRIORITY_MAX,
    PRIORITY_MIN,
    DuplicateTask,
    EmptyUpdate,
    ReadOnlyField,
    Status,
    TaskNotFound,
)
from mainstay.services.tasks.repository import OrderBy, OrderDir, TaskQuery
from mainstay.services.tasks.schemas import (
    EMPTY_REFUSED,
    READ_ONLY_REFUSED,
    SearchText,
    TaskIn,
    TaskOut,
    TaskPage,
    TaskPatch,
    task_out,
    task_page,
)

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=UnitRoute)

TaskId = Annotated[RowId, Path(description="The task's number.", examples=[1])]
Whole = Annotated[TaskIn, READ_ONLY_REFUSED, Body()]
Some = Annotated[TaskPatch, READ_ONLY_REFUSED, EMPTY_REFUSED, Body()]


@router.post("", status_code=201, response_model=TaskOut)
@answers(DuplicateTask, ReadOnlyField, idempotency=Need.OPTIONAL, etag=True)
async def create_task(body: Whole, tasks: Service) -> Response:
    """Add a task."""
    task = await tasks.create(dict(body))
    return respond(task_out(task), status=201, version=task.version, location=f"/v1/tasks/{task.id}")


@router.get("/{task_id}", response_model=TaskOut)
@answers(TaskNotFound, etag=True)
async def read_task(task_id: TaskId, tasks: Tasks) -> Response:
    """Read one task."""
    task = await tasks.get(task_id)
    return respond(task_out(task), version=task.version)


@router.get("", response_model=TaskPage)
@answers()
async def list_tasks(
    tasks: Tasks,
    status: Annotated[
        Sequence[Status], Query(description="Any of these; repeated, or between commas."), COMMA_SEPARATED
    ] = (),
    assignee: Annotated[Text | None, Query(description="Equal.", examples=["ada"])] = None,
    priority_min: Annotated[
        int | None,
        Query(ge=PRIORITY_MIN, le=PRIORITY_MAX, description="This priority or a higher one.", examples=[4]),
        PLAIN_DIGITS,
    ] = None,
    due_before: Annotated[
        PlainDate | None, Query(description="Due on an earlier day.", examples=["2026-12-01"])
    ] = None,
    q: Annotated[SearchText, Query(description="Words, each of them in title or description.")] = "",
    order_by: Annotated[OrderBy, Query(description="Nulls last; ties by created_at, then id.")] = "priority",
    order_dir: Annotated[OrderDir | None, Query(description="desc for priority and the times, else asc.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Tasks on the page, at most."), PLAIN_DIGITS] = 20,
    offset: Annotated[Offset, Query(description="Tasks to pass over.")] = 0,
) -> Response:
    """List tasks, page by page."""
    query = TaskQuery(
        statuses=sorted(set(status)),
        assignee=assignee,
        priority_min=priority_min,
        due_before=due_before,
        words=q.split(),
        order_by=order_by,
        order_dir=order_dir,
        limit=limit,
        offset=offset,
    )
    return respond(task_page(await tasks.find(query), limit, offset))


@router.put("/{task_id}", response_model=TaskOut)
@answers(TaskNotFound, DuplicateTask, ReadOnlyField, if_match=Need.OPTIONAL, etag=True)
async def replace_task(task_id: TaskId, body: Whole, tasks: Service, request: Request) -> Response:
    """Replace a task: a field left out falls to its default."""
    task = await tasks.update(task_id, if_match(request), dict(body))
    return respond(task_out(task), version=task.version)


@router.patch("/{task_id}", response_model=TaskOut)
@answers(TaskNotFound, DuplicateTask, ReadOnlyField, EmptyUpdate, if_match=Need.OPTIONAL, etag=True)
async def update_task(task_id: TaskId, body: Some, tasks: Service, request: Request) -> Response:
    """Change some fields of a task: a field left out stays as it is, null clears."""
    task = await tasks.update(task_id, if_match(request), body)
    return respond(task_out(task), version=task.version)


@router.delete("/{task_id}", status_code=204)
@answers(TaskNotFound, if_match=Need.OPTIONAL)
async def delete_task(task_id: TaskId, tasks: Service, request: Request) -> Response:
    """Remove a task."""
    await tasks.delete(task_id, if_match(request))
    return no_content()
