"""Callers who keep their connection and note how each call went."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

PAUSE = 0.01
"""Seconds between two calls of one caller: what is asked here is what a busy program does, not one that is overrun."""


class Call(NamedTuple):
    """How a call went; the status is 0 where the connection broke."""

    at: float
    seconds: float
    status: int


@dataclass
class Calls:
    """What has been noted, by path."""

    of: dict[str, list[Call]] = field(default_factory=dict)

    def statuses(self, *paths: str, since: float = 0, until: float = float("inf")) -> dict[int, int]:
        """How many calls were answered with each status."""
        found: dict[int, int] = {}
        for call in self._calls(paths, since, until):
            found[call.status] = found.get(call.status, 0) + 1
        return found

    def p99(self, *paths: str, since: float = 0, until: float = float("inf")) -> float:
        """Seconds that 99 of 100 calls were answered within."""
        seconds = sorted(call.seconds for call in self._calls(paths, since, until))
        return seconds[len(seconds) * 99 // 100]

    def slowest(self, *paths: str, since: float = 0, until: float = float("inf")) -> float:
        """Seconds."""
        return max(call.seconds for call in self._calls(paths, since, until))

    def _calls(self, paths: Sequence[str], since: float, until: float) -> list[Call]:
        return [call for path in paths or self.of for call in self.of[path] if since <= call.at < until]


@asynccontextmanager
async def calling(url: str, callers: Mapping[str, int]) -> AsyncIterator[Calls]:
    """So many callers at each path, until the end of the block."""
    calls = Calls({path: [] for path in callers})
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for path, count in callers.items():
            for _ in range(count):
                group.create_task(_call(url, path, calls.of[path], stop))
        try:
            yield calls
        finally:
            stop.set()


async def _call(url: str, path: str, noted: list[Call], stop: asyncio.Event) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        while not stop.is_set():
            at = time.monotonic()
            try:
                status = (await client.get(path)).status_code
            except httpx.TransportError:
                status = 0
            noted.append(Call(at, time.monotonic() - at, status))
            await asyncio.sleep(PAUSE)
