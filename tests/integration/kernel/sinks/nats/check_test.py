"""What the doctor asks of NATS: nothing is published, and nothing is made by it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import nats
import pytest

from mainstay.kernel.core.sink import CheckedSink, Unusable
from mainstay.kernel.sinks.nats import NatsSink

KINDS = ["order", "pet"]


async def check(url: str, stream: str = "MAINSTAY") -> str:
    async with NatsSink([url], "shop", stream) as sink:
        assert isinstance(sink, CheckedSink)
        return (await sink.check(KINDS)).found


@pytest.mark.parametrize(
    ("subjects", "found"),
    [([], "MAINSTAY is made"), (["shop.>"], "taken by the stream THERE"), (["other.>"], "MAINSTAY is made")],
)
async def test_what_takes_the_events_is_named(
    own_nats: Any, nats_url: Callable[..., str], subjects: list[str], found: str
) -> None:
    client = await nats.connect(nats_url(own_nats))
    if subjects:
        await client.jetstream().add_stream(name="THERE", subjects=subjects)
    assert found in await check(nats_url(own_nats))
    streams = await client.jetstream().streams_info()
    assert [(stream.config.name, stream.state.messages) for stream in streams] == [("THERE", 0)] * bool(subjects)
    await client.close()


@pytest.mark.parametrize(("name", "subjects"), [("MAINSTAY", "other.>"), ("THERE", "shop.order.>")])
async def test_a_stream_that_takes_not_all_is_said(
    own_nats: Any, nats_url: Callable[..., str], name: str, subjects: str
) -> None:
    client = await nats.connect(nats_url(own_nats))
    await client.jetstream().add_stream(name=name, subjects=[subjects])
    with pytest.raises(Unusable, match=r"no stream takes .*shop\.pet\.created") as raised:
        await check(nats_url(own_nats))
    assert f"shop.> to the stream {name}" in raised.value.advice
    await client.close()


async def test_a_server_without_jetstream_is_said(
    program: Callable[[str, str], str],
    broker: Callable[..., AbstractContextManager[Any]],
    tmp_path: Path,
    nats_url: Callable[..., str],
) -> None:
    found = program("nats-server", "nats-server")
    with (
        broker(lambda port: [found, "-a", "127.0.0.1", "-p", str(port)], tmp_path) as server,
        pytest.raises(Unusable) as raised,
    ):
        await check(nats_url(server))
    assert "JetStream" in raised.value.advice


async def test_a_wrong_password_is_said_and_not_shown(
    nats_command: Callable[..., Any],
    broker: Callable[..., AbstractContextManager[Any]],
    tmp_path: Path,
    nats_url: Callable[..., str],
) -> None:
    with broker(nats_command(tmp_path, "--user", "ada", "--pass", "right"), tmp_path) as server:
        await check(nats_url(server, "ada:right@"))
        with pytest.raises(Unusable) as raised:
            await check(nats_url(server, "ada:hunter2@"))
    assert "NATS_URL" in raised.value.advice
    assert "hunter2" not in str(raised.value)
