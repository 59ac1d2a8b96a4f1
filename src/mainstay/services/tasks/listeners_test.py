from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from mainstay.services.tasks.domain import Task, TaskCompleted, TaskCreated, TaskDeleted, TaskEvent, TaskStatusChanged
from mainstay.services.tasks.listeners import log

AT = datetime(2026, 1, 2, tzinfo=UTC)
TASK = Task(7, "secret plan", "secret reason", "completed", 5, "ada", None, AT, AT, AT, 3)


@pytest.mark.parametrize("kind", [TaskCreated, TaskStatusChanged, TaskCompleted, TaskDeleted])
async def test_an_event_is_one_line_that_says_what_happened_to_which_task(kind: type[TaskEvent]) -> None:
    event = kind.of(TASK)
    with capture_logs() as lines:
        await log(event)
    told = {"event": kind.type, "task": "7", "version": 3, "event_id": str(event.id), "log_level": "info"}
    assert lines == [told]


@pytest.mark.parametrize("text", ["secret plan", "secret reason", "ada"])
async def test_what_the_task_says_is_not_written_down(text: str) -> None:
    with capture_logs() as lines:
        await log(TaskCreated.of(TASK))
    assert text not in str(lines)
