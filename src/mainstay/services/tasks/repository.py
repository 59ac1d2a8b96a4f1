"""Where tasks are kept, whatever keeps them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mainstay.kernel.core.page import Item, Page
from mainstay.services.tasks.domain import Status, Task

OrderBy = Literal["priority", "created_at", "updated_at", "due_date", "title", "status", "id"]
OrderDir = Literal["asc", "desc"]

ITEM_FIELDS = Task.__slots__
"""What a list shows of a task: all of it."""

_NEWEST_FIRST = ("priority", "created_at", "updated_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Which tasks, in which order; nulls come last, ties go by the time of creation, then by id."""

    statuses: Sequence[Status] = ()
    """Any of these; none given means any at all."""
    assignee: str | None = None
    priority_min: int | None = None
    due_before: date | None = None
    words: Sequence[str] = ()
    """Each of them, somewhere in title or description, upper and lower case alike."""
    order_by: OrderBy = "priority"
    order_dir: OrderDir | None = None
    """Left out: what is most urgent or newest first, else ascending."""
    limit: int
    offset: int

    @property
    def descending(self) -> bool:
        """The direction that is asked for, or that belongs to the order."""
        return (self.order_dir or ("desc" if self.order_by in _NEWEST_FIRST else "asc")) == "desc"


class TaskRepository(ABC):
    """Reads at once; a write is handed to the unit of work, which commits it with its events.

    The commit raises DuplicateTask where another task has the title.
    """

    @abstractmethod
    async def next_id(self) -> int:
        """An id that no task has, had or will be given again."""

    @abstractmethod
    async def get(self, task_id: int) -> Task:
        """The task. Raises TaskNotFound."""

    @abstractmethod
    async def find(self, query: TaskQuery) -> Page[Item]:
        """A page of the tasks that the query names, and how many those are in all."""

    @abstractmethod
    def add(self, task: Task) -> None:
        """Write the first version of a task."""

    @abstractmethod
    def save(self, task: Task) -> None:
        """Write the next version of a task; the commit raises LostRace where the stored one is not the one before."""

    @abstractmethod
    def remove(self, task: Task) -> None:
        """Remove a task; the commit raises LostRace where the stored version is another."""
