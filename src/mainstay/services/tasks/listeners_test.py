from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from mainstay.services.tasks import listeners
from mainstay.services.tasks.domain import Task, TaskCompleted, TaskCreated, TaskDeleted, TaskEvent, TaskStatusChanged
from mainstay.services.tasks.listeners import log

AT = datetime(2026, 1, 2, tzinfo=UTC)
TASK = Task(7, "secret plan", "secret reason", "completed", 5, "ada", None, AT, AT, AT, 3)


Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """What is logged, however logging was set up by what ran before."""
    capture = LogCapture()
    monkeypatch.setattr(listeners, "logger", structlog.wrap_logger(None, [capture], structlog.BoundLogger))
    return capture.entries


@pytest.mark.parametrize("kind", [TaskCreated, TaskStatusChanged, TaskCompleted, TaskDeleted])
async def test_an_event_is_one_line_that_says_what_happened_to_which_task(kind: type[TaskEvent], lines: Lines) -> None:
    event = kind.of(TASK)
    await log(event)
    told = {"event": kind.type, "task": "7", "version": 3, "event_id": str(event.id), "log_level": "info"}
    assert lines == [told]


@pytest.mark.parametrize("text", ["secret plan", "secret reason", "ada"])
async def test_what_the_task_says_is_not_written_down(text: str, lines: Lines) -> None:
    await log(TaskCreated.of(TASK))
    assert len(lines) == 1
    assert text not in str(lines)
