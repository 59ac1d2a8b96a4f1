"""All applications as one array, streamed in bounded memory."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.http.types import HEADERS_KEY
from mainstay.services.configs.repository import BATCH, ConfigsRepository

if TYPE_CHECKING:
    import asyncpg
    from fastapi import FastAPI

    from tests.integration.configs.http.conftest import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

APPLICATIONS = "/api/v1/applications"
FILL = """
    INSERT INTO applications (id, name, comments)
    SELECT '01JCZ5W1XJ' || lpad(n::text, 16, '0'), 'application ' || n, CASE WHEN n % 3 = 0 THEN repeat('x', 100) END
    FROM generate_series(1, $1::int) AS n ORDER BY n DESC"""


async def applications(caller: "Caller") -> Any:
    response = await caller.get(APPLICATIONS)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    return response.json()


async def test_the_list_of_none_is_empty(caller: "Caller") -> None:
    assert await applications(caller) == []


async def test_each_is_in_the_list_as_it_is_read(caller: "Caller") -> None:
    made = [await caller.application(name, comments) for name, comments in (("b", None), ("a", "x"), ("c", None))]
    ids = [(await caller.configuration(made[1], name))["id"] for name in ("x", "y")]
    expected = [made[0], {**made[1], "configuration_ids": sorted(ids)}, made[2]]
    assert await applications(caller) == sorted(expected, key=lambda application: str(application["id"]))


@pytest.mark.parametrize("number", [BATCH - 1, BATCH, BATCH + 1, 2 * BATCH, 2 * BATCH + 1])
async def test_the_list_is_whole_and_in_order_whatever_its_length(
    caller: "Caller", database: "asyncpg.Connection", number: int
) -> None:
    await database.execute(FILL, number)
    ids = [application["id"] for application in await applications(caller)]
    assert len(ids) == number
    assert ids == sorted(ids)


async def test_head_reads_no_more_than_the_first_batch(
    caller: "Caller", database: "asyncpg.Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.execute(FILL, 3 * BATCH)
    reads = []
    sound = ConfigsRepository._fetch

    async def counted(*args: Any) -> Any:
        reads.append(args)
        return await sound(*args)

    monkeypatch.setattr(ConfigsRepository, "_fetch", counted)
    response = await caller.call("HEAD", APPLICATIONS)
    assert (response.status_code, response.content, len(reads)) == (200, b"", 1)


async def test_the_list_takes_no_parameters(caller: "Caller") -> None:
    response = await caller.get(f"{APPLICATIONS}?limit=1")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "validation_error")


def failing_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database go away after so many batches."""
    sound, left = ConfigsRepository._fetch, [None] * batches

    async def fetch(*args: Any) -> Any:
        if not left:
            raise Unavailable
        left.pop()
        return await sound(*args)

    monkeypatch.setattr(ConfigsRepository, "_fetch", fetch)


async def test_a_failure_of_the_first_batch_is_503(caller: "Caller", monkeypatch: pytest.MonkeyPatch) -> None:
    failing_after(0, monkeypatch)
    response = await caller.get(APPLICATIONS)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")


class Reader:
    """A caller that takes the answer piece by piece, each after the last was allowed."""

    def __init__(self, app: "FastAPI") -> None:
        self._app = app
        self.pieces: list[bytes] = []
        self.ended = False
        self.gone = asyncio.Event()

    async def read(self, pace: Callable[[], Any] = asyncio.Event) -> None:
        """GET the list; `pace` is awaited for each piece."""

        async def receive() -> dict[str, Any]:
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                self.pieces.append(message["body"])
                self.ended = not message.get("more_body")
                await pace()

        path = {"path": APPLICATIONS, "raw_path": APPLICATIONS.encode(), "query_string": b"", "http_version": "1.1"}
        headers = [(b"host", b"mainstay")]
        await self._app({"type": "http", "method": "GET", "headers": headers, **path, HEADERS_KEY: {}}, receive, send)


async def no_pause() -> None:
    """Take the next piece at once."""


async def test_a_later_failure_never_looks_like_a_whole_answer(
    app: "FastAPI", database: "asyncpg.Connection", monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.execute(FILL, 3 * BATCH)
    failing_after(2, monkeypatch)
    reader = Reader(app)
    with pytest.raises(Unavailable):
        await reader.read(no_pause)
    assert len(reader.pieces) == 2
    assert not reader.ended
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(b"".join(reader.pieces))


async def test_a_slow_reader_holds_no_connection(
    app: "FastAPI", database: "asyncpg.Connection", caller: "Caller"
) -> None:
    await database.execute(FILL, 3 * BATCH)
    go_on = asyncio.Event()
    readers = [Reader(app) for _ in range(20)]  # twice as many as there are connections
    reading = [asyncio.create_task(reader.read(go_on.wait)) for reader in readers]
    while not all(reader.pieces for reader in readers):
        await asyncio.sleep(0.01)
    made = await caller.application("beside them")
    assert (await caller.get(f"{APPLICATIONS}/{made['id']}")).status_code == 200
    go_on.set()
    await asyncio.gather(*reading)
    assert all(reader.ended for reader in readers)


async def test_no_more_is_read_for_a_caller_that_has_gone(app: "FastAPI", database: "asyncpg.Connection") -> None:
    await database.execute(FILL, 5 * BATCH)
    reader = Reader(app)
    reader.gone.set()
    await reader.read(no_pause)
    assert len(reader.pieces) == 1
    assert not reader.ended


async def test_rows_that_are_there_throughout_are_listed_once_while_others_come_and_go(
    app: "FastAPI", database: "asyncpg.Connection"
) -> None:
    await database.execute(FILL, 3 * BATCH)
    numbers = iter(range(10**6, 2 * 10**6))

    async def disturb() -> None:
        await database.execute("DELETE FROM applications WHERE id = (SELECT min(id) FROM applications)")
        await database.execute(
            "INSERT INTO applications (id, name) VALUES ($1::text, $1::text)", f"00{next(numbers):024}"
        )

    reader = Reader(app)
    await reader.read(disturb)
    ids = [application["id"] for application in json.loads(b"".join(reader.pieces))]
    assert len(ids) == len(set(ids)) == 3 * BATCH
    assert ids == sorted(ids)


async def peak(app: "FastAPI", rows: int) -> int:
    """Bytes that Python holds at most while so many rows are listed to a caller that keeps nothing."""
    listed = 0

    async def count() -> None:
        nonlocal listed
        listed += reader.pieces.pop().count(b'"name"')

    reader = Reader(app)
    tracemalloc.start()
    try:
        await reader.read(count)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert listed == rows
    return most


async def test_20_000_rows_take_no_more_memory_than_1_000(app: "FastAPI", database: "asyncpg.Connection") -> None:
    await database.execute(FILL, 1_000)
    few = await peak(app, 1_000)
    await database.execute("DELETE FROM applications")
    await database.execute(FILL, 20_000)
    assert await peak(app, 20_000) < 1.5 * few
