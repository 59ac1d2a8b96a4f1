import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats
import pytest

from mainstay.kernel.core.sink import Away, Message
from mainstay.kernel.ops.logging import configure_logging
from mainstay.kernel.sinks import nats as nats_sink
from mainstay.kernel.sinks.nats import NatsSink

MakeMessage = Callable[..., Message]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short time-outs, so that the tests of what happens after them are."""
    monkeypatch.setattr(nats_sink, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(nats_sink, "CONNECT_SECONDS", 0.5)


@pytest.fixture
def url(own_nats: Any, nats_url: Callable[..., str]) -> str:
    return nats_url(own_nats)


def types(outcomes: Any) -> list[type]:
    return [type(outcome) for outcome in outcomes]


async def ready(sink: NatsSink, message: MakeMessage) -> None:
    """The first message finds no stream, the second one makes it."""
    assert types(await sink.publish([message()])) == [Away]
    assert await sink.publish([message()]) == [None]


async def test_one_that_is_away_at_the_start_and_comes_later_is_found_by_the_same_sink(
    own_nats: Any, url: str, message: MakeMessage
) -> None:
    own_nats.kill()
    async with NatsSink([url], "late", "LATE") as sink:
        for _ in range(2):
            assert types(await sink.publish([message(), message()])) == [Away, Away]
        own_nats.start()
        await ready(sink, message)


@pytest.mark.usefixtures("impatient")
async def test_one_that_is_killed_loses_nothing_it_took_and_is_found_again(
    own_nats: Any, url: str, message: MakeMessage
) -> None:
    taken = message()
    async with NatsSink([url], "killed", "KILLED") as sink:
        await ready(sink, message)
        assert await sink.publish([taken]) == [None]
        own_nats.kill()
        for _ in range(2):
            assert types(await sink.publish([message()])) == [Away]
        own_nats.start()
        assert await sink.publish([message()]) == [None]
        assert await sink.publish([taken]) == [None]  # known, also after the restart
    client = await nats.connect(url)
    assert (await client.jetstream().stream_info("KILLED")).state.messages == 3
    await client.close()


async def test_another_server_of_the_cluster_is_found(
    own_nats: Any, url: str, shared_nats: Any, nats_url: Callable[..., str], message: MakeMessage
) -> None:
    own_nats.kill()
    async with NatsSink([url, nats_url(shared_nats)], "cluster", "CLUSTER") as sink:
        await ready(sink, message)


@pytest.mark.usefixtures("impatient")
async def test_no_answer_in_time_is_away(own_nats: Any, url: str, message: MakeMessage) -> None:
    async with NatsSink([url], "slow", "SLOW") as sink:
        await ready(sink, message)
        own_nats.freeze()
        started = time.monotonic()
        for _ in range(2):
            assert types(await sink.publish([message(), message()])) == [Away, Away]
        assert time.monotonic() - started < 4
        own_nats.thaw()
        assert await sink.publish([message()]) == [None]


@pytest.mark.usefixtures("impatient")
async def test_a_wave_that_fills_every_buffer_ends_in_time(
    own_nats: Any, url: str, message: MakeMessage, eventually: Callable[..., Any]
) -> None:
    def open_files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    before = open_files()
    async with NatsSink([url], "large", "LARGE") as sink:
        await ready(sink, message)
        own_nats.freeze()
        started = time.monotonic()
        outcomes = await sink.publish([message(body=bytes(500_000)) for _ in range(40)])
        assert types(outcomes) == [Away] * 40
    assert time.monotonic() - started < 4
    own_nats.thaw()

    async def all_is_closed() -> bool:
        return open_files() <= before

    await eventually(all_is_closed)  # what was not sent yet goes out before


async def test_a_cancelled_wave_leaves_neither_a_task_nor_a_connection(
    own_nats: Any, url: str, message: MakeMessage, cancelled: Callable[..., Any]
) -> None:
    before = asyncio.all_tasks()
    turns = iter(range(20))

    async def a_while_later() -> bool:
        return next(turns) == 19

    async with NatsSink([url], "cancelled", "CANCELLED") as sink:
        await ready(sink, message)
        own = asyncio.all_tasks()
        own_nats.freeze()
        await cancelled(sink.publish([message() for _ in range(10)]), a_while_later)
        assert asyncio.all_tasks() == own
        own_nats.thaw()
        assert await sink.publish([message()]) == [None]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.usefixtures("impatient")
async def test_one_cancelled_while_it_connects_connects_again(
    own_nats: Any, url: str, message: MakeMessage, cancelled: Callable[..., Any]
) -> None:
    before = asyncio.all_tasks()
    turns = iter(range(20))

    async def a_while_later() -> bool:
        return next(turns) == 19

    async with NatsSink([url], "cancelled", "CANCELLED") as sink:
        own_nats.freeze()
        await cancelled(sink.publish([message()]), a_while_later)
        own_nats.thaw()
        await ready(sink, message)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.usefixtures("restore_logging")
@pytest.mark.parametrize("user", ["hunter2@", "somebody:hunter2@"])
async def test_a_wrong_password_is_away_and_shown_nowhere(
    nats_command: Callable[..., Any],
    nats_url: Callable[..., str],
    broker: Callable[..., Any],
    tmp_path: Path,
    message: MakeMessage,
    user: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("DEBUG", json=True)
    with broker(nats_command(tmp_path, "--user", "somebody", "--pass", "another"), tmp_path) as server:
        async with NatsSink([nats_url(server, user)], "secret", "SECRET") as sink:
            (away,) = await sink.publish([message()])
        assert isinstance(away, Away)
        async with NatsSink([nats_url(server, "somebody:another@")], "secret", "SECRET") as sink:
            await ready(sink, message)
    logged = capsys.readouterr()
    for secret in ("hunter2", "another"):
        assert secret not in f"{away!r} {away} {away.__cause__} {away.__context__}" + logged.out + logged.err
