"""What a task is and what may happen to it. Pure: no SQL, no HTTP."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, Self, get_args

from mainstay.kernel.core.errors import Conflict, Invalid, NotFound
from mainstay.kernel.core.events import Event

Status = Literal["new", "in_progress", "completed"]
STATUSES: tuple[Status, ...] = get_args(Status)
COMPLETED: Status = "completed"

TITLE_MAX = 200
"""Characters, without the white space around them."""
DESCRIPTION_MAX = 4000
ASSIGNEE_MAX = 100
PRIORITY_MIN, PRIORITY_MAX, PRIORITY_DEFAULT = 1, 5, 3
"""5 is what has to be done first."""

READ_ONLY = ("id", "title_key", "created_at", "updated_at", "completed_at", "version")
"""What a caller may want to send back, having read it, and may not set."""


class TaskNotFound(NotFound):
    """There is no task with this id."""


class DuplicateTask(Conflict):
    """The team has this task already; `details.existing_id` is its number."""

    message = "There is a task with this title already; upper and lower case and the space around it do not count."


class ReadOnlyField(Invalid):
    """The caller sent what the service itself sets."""

    message = "A field was sent that only the service sets; leave out what details.errors names."


class EmptyUpdate(Invalid):
    """A change that names nothing to change."""

    message = "Name at least one field to change."


@dataclass(frozen=True, slots=True)
class Task:
    """One task in one version. Every change makes the next version and leaves this one as it is."""

    id: int
    title: str
    description: str | None
    status: Status
    priority: int
    assignee: str | None
    due_date: date | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    version: int

    @classmethod
    def create(cls, task_id: int, fields: Mapping[str, Any], at: datetime) -> Self:
        """The first version of a task."""
        completed_at = at if fields["status"] == COMPLETED else None
        return cls(id=task_id, created_at=at, updated_at=at, completed_at=completed_at, version=1, **fields)

    def change(self, fields: Mapping[str, Any], at: datetime) -> Self:
        """The next version, with the given fields changed. Any status may follow any."""
        changed = replace(self, version=self.version + 1, updated_at=at, **fields)
        if (changed.status == COMPLETED) == (self.status == COMPLETED):
            return changed
        return replace(changed, completed_at=at if changed.status == COMPLETED else None)

    @property
    def title_key(self) -> str:
        """What titles are compared by: a team has one task of a key."""
        return self.title.strip().casefold()

    @property
    def search_text(self) -> str:
        """What the words of a search are looked for in, they too in `search_key`'s form."""
        return search_key(f"{self.title}\n{self.description or ''}")


def search_key(text: str) -> str:
    """Text in the form in which upper and lower case are alike, in every storage."""
    return text.casefold()


class TaskEvent(Event):
    """Something happened to a task. The payload is the whole task after it, and what the event adds."""

    @classmethod
    def of(cls, task: Task, **more: object) -> Self:
        """The event for this version of the task."""
        data = {name: getattr(task, name) for name in Task.__slots__} | more
        return cls(aggregate_id=str(task.id), aggregate_version=task.version, data=data)


class TaskCreated(TaskEvent):
    """A task was added."""


class TaskUpdated(TaskEvent):
    """A task was written; `changed` names the fields that are other than before."""


class TaskStatusChanged(TaskEvent):
    """A task went from one status to another."""


class TaskCompleted(TaskEvent):
    """A task is done."""


class TaskDeleted(TaskEvent):
    """A task was removed. The payload is what it was, the version one more than its last."""


_CHANGEABLE = ("title", "description", "status", "priority", "assignee", "due_date")


def events_of_new(task: Task) -> Iterator[TaskEvent]:
    """What there is to tell of a new task; it may come completed."""
    yield TaskCreated.of(task)
    if task.status == COMPLETED:
        yield TaskCompleted.of(task)


def events_of_change(before: Task, after: Task) -> Iterator[TaskEvent]:
    """What there is to tell of a change, the general before the particular."""
    yield TaskUpdated.of(after, changed=[name for name in _CHANGEABLE if getattr(before, name) != getattr(after, name)])
    if before.status != after.status:
        yield TaskStatusChanged.of(after, **{"from": before.status, "to": after.status})
        if after.status == COMPLETED:
            yield TaskCompleted.of(after)
