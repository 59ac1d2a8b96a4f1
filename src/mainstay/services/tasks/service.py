"""What a caller can do with tasks."""

from collections.abc import Mapping
from typing import Any

from mainstay.kernel.core.clock import now
from mainstay.kernel.core.etag import TagList
from mainstay.kernel.core.unit import Unit
from mainstay.services.tasks.domain import Task, TaskDeleted, events_of_change, events_of_new
from mainstay.services.tasks.repository import TaskRepository


class TaskService:
    """The writes; a read has no rule and goes from the route to the repository."""

    def __init__(self, tasks: TaskRepository, unit: Unit) -> None:
        self._tasks = tasks
        self._unit = unit

    async def create(self, fields: Mapping[str, Any]) -> Task:
        """Add a task. The commit raises DuplicateTask where the team has one of this title."""
        task = Task.create(await self._tasks.next_id(), fields, now())
        self._tasks.add(task)
        self._unit.emit(*events_of_new(task))
        return task

    async def update(self, task_id: int, if_match: TagList, fields: Mapping[str, Any]) -> Task:
        """Change some or all fields of a task. Raises TaskNotFound and PreconditionFailed, the commit DuplicateTask."""
        task = await self._tasks.get(task_id)
        if_match.check(task.version)
        changed = task.change(fields, now())
        self._tasks.save(changed)
        self._unit.emit(*events_of_change(task, changed))
        return changed

    async def delete(self, task_id: int, if_match: TagList) -> None:
        """Remove a task. Raises TaskNotFound and PreconditionFailed."""
        task = await self._tasks.get(task_id)
        if_match.check(task.version)
        self._tasks.remove(task)
        self._unit.emit(TaskDeleted.of(task.change({}, now())))
