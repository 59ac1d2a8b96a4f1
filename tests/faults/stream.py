"""What a Redis has been given of orders, as one who reads it from its beginning sees it."""

import asyncio
from typing import Any

import asyncpg
import orjson
from redis.asyncio import Redis

from tests.faults.customers import Version, assert_in_order

STREAM = "mainstay:order"


class Stream:
    """Reads on from where it was."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._last = "0"
        self.events: dict[str, str] = {}
        """By their ids, as they came first."""
        self.duplicates = 0

    async def read(self) -> None:
        """Take in what is new. What comes again is the same, to the byte."""
        entries: Any = await self._redis.xrange(STREAM, min=f"({self._last}")
        for self._last, entry in entries:
            self.duplicates += entry["id"] in self.events
            assert self.events.setdefault(entry["id"], entry["event"]) == entry["event"]

    async def assert_all_in_order(self, database_url: str, seconds: float = 20) -> None:
        """In time all is there that was committed, and nothing else; of each order one version after another."""
        session = await asyncpg.connect(database_url)
        committed = {row[0] for row in await session.fetch("SELECT id::text FROM outbox")}
        await session.close()
        async with asyncio.timeout(seconds):
            while not committed <= self.events.keys():
                await asyncio.sleep(0.01)
                await self.read()
        assert committed == self.events.keys()
        events = {event_id: orjson.loads(event) for event_id, event in self.events.items()}
        assert [event["id"] for event in events.values()] == list(events)
        assert_in_order(
            Version(event["tenantid"], event["subject"], event["aggregateversion"]) for event in events.values()
        )
