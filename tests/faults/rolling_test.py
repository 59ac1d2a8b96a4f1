"""New processes in the place of the old ones, while callers with kept connections go on calling."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.callers import calling

CALLERS, RESTARTS = 16, 20


@pytest.mark.long  # the short form: tests/integration/kernel/server/process_test.py
@pytest.mark.timeout(300)
async def test_a_rolling_restart_loses_no_request(
    serve: Callable[..., Any], record_property: Callable[[str, object], None]
) -> None:
    server = serve("--workers", "2", DRAIN_SECONDS="1")
    await listening(server, 2)
    async with calling(server.url, {"/pets": CALLERS // 2, "/healthz": CALLERS // 2}) as calls:
        for restart in range(1, RESTARTS + 1):
            before = workers(server.process.pid)
            server.process.send_signal(signal.SIGHUP)
            await listening(server, 2 + 2 * restart)
            async with asyncio.timeout(30):
                while workers(server.process.pid) & before:
                    await asyncio.sleep(0.02)
    assert set(calls.statuses()) == {200}
    record_property("requests", sum(calls.statuses().values()))
    assert server.stop() == 0


async def listening(server: Any, times: int) -> None:
    """Wait until so many processes have said that they listen."""
    async with asyncio.timeout(30):
        while server.log.count("listening on") < times:
            await asyncio.sleep(0.02)


def workers(pid: int) -> set[int]:
    """The processes that it has started to serve; multiprocessing has one more, which looks after what they leave."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()}
