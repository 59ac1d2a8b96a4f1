import subprocess
import sys
from collections.abc import Callable

import pytest
import structlog
from structlog.testing import LogCapture

from mainstay.kernel.core.sink import Message
from mainstay.kernel.ops.logging import configure_logging
from mainstay.kernel.sinks import log
from mainstay.kernel.sinks.log import LogSink

MakeMessage = Callable[..., Message]


async def test_an_event_is_one_line_in_the_order_in_which_they_came(
    message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = LogCapture()
    monkeypatch.setattr(log, "logger", structlog.wrap_logger(None, [capture], structlog.BoundLogger))
    events = [message(), message(type="order.closed", tenant="other")]
    async with LogSink() as sink:
        assert await sink.publish(events) == [None, None]
    assert capture.entries == [
        {
            "event": event.type,
            "event_id": str(event.id),
            "tenant": event.tenant,
            "aggregate_type": "order",
            "aggregate_id": event.aggregate_id,
            "occurred_at": "2026-01-02T03:04:05+00:00",
            "log_level": "info",
        }
        for event in events
    ]


async def test_the_data_is_in_no_line_whatever_the_level_is(
    message: MakeMessage, capsys: pytest.CaptureFixture[str], restore_logging: None
) -> None:
    configure_logging("DEBUG", json=True)
    async with LogSink() as sink:
        await sink.publish([message(body=b'{"data":{"note":"hunter2"}}')])
    written = capsys.readouterr().out
    assert "order.confirmed" in written
    assert "hunter2" not in written


@pytest.mark.parametrize("json", [True, False])
async def test_a_line_cannot_be_forged_by_what_a_name_holds(
    message: MakeMessage, capsys: pytest.CaptureFixture[str], restore_logging: None, json: bool
) -> None:
    configure_logging("INFO", json=json)
    async with LogSink() as sink:
        await sink.publish([message(aggregate_id="7\n2026-01-01 [error] stolen \x1b[31m", tenant="\u2028")])
    (line,) = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert "\x1b[31m" not in line


async def test_what_is_taken_is_taken_although_the_level_lets_no_line_through(
    message: MakeMessage, capsys: pytest.CaptureFixture[str], restore_logging: None
) -> None:
    configure_logging("WARNING", json=True)
    async with LogSink() as sink:
        assert await sink.publish([message()]) == [None]
        assert await sink.publish([]) == []
    assert capsys.readouterr().out == ""


def test_nothing_is_loaded_that_an_extra_brings() -> None:
    code = "import sys, mainstay.kernel.sinks.log as _; print({'nats', 'aiokafka', 'redis'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"
