"""`mainstay outbox` and `mainstay relay`, as an operator types them."""

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from mainstay.cli import app
from mainstay.kernel.core.sink import Gone, Refused
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.relay import Relay
from tests.integration.kernel.relay.recording import ListSink, Log, version

Once = Callable[..., Any]


class Mainstay(Protocol):
    """Runs a command in a thread, as it has an event loop of its own."""

    async def __call__(self, *arguments: str, code: int = 0, **environment: str) -> list[str]:
        """Its lines on standard output, or on standard error where it fails."""


@pytest.fixture
def mainstay(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mainstay]:
    """In this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(arguments: tuple[str, ...], environment: dict[str, str]) -> Any:
        given = {"APP_ENV": "test", "DATABASE_URL": database_url, "COLUMNS": "200", **environment}
        return CliRunner().invoke(app, arguments, env=given)

    async def mainstay(*arguments: str, code: int = 0, **environment: str) -> list[str]:
        result = await asyncio.to_thread(run, arguments, environment)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        assert "hunter2" not in result.output
        lines: list[str] = (result.stderr if code else result.stdout).splitlines()
        return lines

    yield mainstay
    root.handlers[:], root.level = handlers, level


async def leave_one_of_each(log: Log, relay_once: Once) -> None:
    """A dead event of `a`; of `b` one that waits and one that is held."""
    await log.append("a", 1)
    await relay_once(ListSink(answer=lambda _: Refused("bad\nform")), max_attempts=1)
    await log.append("b", 2, 3)
    await relay_once(ListSink(answer=lambda _: Refused("busy")))


async def event_id(log: Log, number: int) -> str:
    return str(await log.session.fetchval("SELECT id FROM outbox WHERE aggregateversion = $1", number))


# stats and list


@pytest.mark.usefixtures("patience")
async def test_stats_say_how_each_sink_stands(log: Log, relay_once: Once, mainstay: Mainstay) -> None:
    await leave_one_of_each(log, relay_once)
    await log.append("c", 4, 5)
    await relay_once(ListSink("other"))
    await log.append("d", 6)
    head, *table = await mainstay("outbox", "stats")
    assert re.fullmatch(r"6 events, the oldest of \S+ \S+ UTC; 1 not yet seen by a relay", head)
    assert [line.split() for line in table] == [
        ["sink", "position", "behind", "waiting", "held", "dead", "state"],
        ["list", "3", "3", "1", "1", "1", "enabled"],
        ["other", "5", "1", "0", "0", "0", "enabled"],
    ]


async def test_stats_show_a_disabled_sink(log: Log, relay_once: Once, mainstay: Mainstay) -> None:
    await log.append("a", 1)
    await relay_once(ListSink("webhook", lambda _: Gone("410 Gone")))
    *_, line = await mainstay("outbox", "stats")
    assert re.fullmatch(r"webhook +0 +1 +0 +0 +0 +disabled since \S+ \S+ UTC: 410 Gone", line)


async def test_an_empty_outbox_has_its_stats(mainstay: Mainstay) -> None:
    assert (await mainstay("outbox", "stats"))[0] == "0 events; 0 not yet seen by a relay"
    assert len(await mainstay("outbox", "list")) == 1


@pytest.mark.usefixtures("patience")
async def test_the_list_shows_what_was_not_taken(log: Log, relay_once: Once, mainstay: Mainstay) -> None:
    await leave_one_of_each(log, relay_once)
    heading, *lines = await mainstay("outbox", "list")
    assert heading.split() == ["event", "sink", "state", "attempts", "type", "aggregate", "last", "error"]
    ids = [await event_id(log, number) for number in (1, 2, 3)]
    assert [line.split() for line in lines] == [
        [ids[0], "list", "dead", "1", "pet.bumped", "pet/a", "bad", "form"],
        [ids[1], "list", "waiting", "1", "pet.bumped", "pet/b", "busy"],
        [ids[2], "list", "held", "0", "pet.bumped", "pet/b"],
    ]
    assert len(await mainstay("outbox", "list", "--sink", "other")) == 1
    assert "--limit" in (await mainstay("outbox", "list", "--limit", "2"))[-1]


# retry


async def test_a_dead_event_is_tried_again(log: Log, relay_once: Once, mainstay: Mainstay) -> None:
    await leave_one_of_each(log, relay_once)
    assert await mainstay("outbox", "retry", await event_id(log, 1)) == ["1 is tried again."]
    assert (await log.deliveries())[0] == ("a", 1, "waiting", 0)
    sink = ListSink()
    await relay_once(sink)
    assert ("a", 1) in sink.seen


@pytest.mark.usefixtures("patience")
async def test_all_are_tried_again(log: Log, relay_once: Once, mainstay: Mainstay) -> None:
    await leave_one_of_each(log, relay_once)
    assert await mainstay("outbox", "retry", "--all") == ["2 are tried again."]
    sink = ListSink()
    await relay_once(sink)
    assert sink.seen == [("a", 1), ("b", 2), ("b", 3)]
    assert await log.deliveries() == []


@pytest.mark.usefixtures("patience")
async def test_one_that_is_revived_goes_before_those_that_came_after_it(
    log: Log, relay_once: Once, mainstay: Mainstay
) -> None:
    await log.append("a", 1)
    await relay_once(ListSink(answer=lambda _: Refused("no")), max_attempts=1)
    await log.append("a", 2, 3)
    await relay_once(ListSink(answer=lambda _: Refused("no")))
    await mainstay("outbox", "retry", "--all", "--sink", "list")
    assert [state for *_, state, _ in await log.deliveries()] == ["waiting", "held", "held"]
    sink = ListSink(answer=lambda m: Refused("no") if version(m) == 2 else None)
    await relay_once(sink)
    assert sink.versions("a") == [1]
    assert [row[1:3] for row in await log.deliveries()] == [(2, "waiting"), (3, "held")]


async def test_a_disabled_sink_is_enabled_again(log: Log, relay_once: Once, mainstay: Mainstay) -> None:
    await log.append("a", 1)
    await relay_once(ListSink(answer=lambda _: Gone("410")))
    assert await mainstay("outbox", "retry", "--sink", "list") == ["list is enabled."]
    sink = ListSink()
    await relay_once(sink)
    assert sink.versions("a") == [1]


async def test_a_running_relay_notices_that_its_sink_is_enabled(
    database_url: str, log: Log, mainstay: Mainstay, eventually: Callable[..., Any]
) -> None:
    """And until then sends it nothing."""
    sink, other = ListSink(answer=lambda _: Gone("410")), ListSink("other")

    async def refused() -> bool:
        return bool(sink.tried)

    async def passed_by() -> bool:
        return other.versions("a") == [1, 2, 3]

    async def taken() -> bool:
        return sink.versions("a") == [1, 2, 3]

    await log.append("a", 1)
    async with Relay(database_url, [sink, other], RelayOptions(poll=0.02)).running():
        await eventually(refused)
        for number in (2, 3):
            await log.append("a", number)
        await eventually(passed_by)
        assert len(sink.tried) == 1
        sink.answer = lambda _: None
        await mainstay("outbox", "retry", "--sink", "list")
        await eventually(taken)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "--all"),
        (("--sink", "nowhere"), 2, "a relay has had: list"),
        (("not-an-id",), 2, "UUID"),
        ((str(uuid4()),), 1, "neither dead nor waiting"),
        ((str(uuid4()), "--all"), 2, "not both"),
    ],
    ids=["nothing", "unknown sink", "no id", "unknown event", "both"],
)
async def test_what_cannot_be_tried_again_is_said(
    log: Log, relay_once: Once, mainstay: Mainstay, arguments: tuple[str, ...], code: int, said: str
) -> None:
    await leave_one_of_each(log, relay_once)
    before = await log.deliveries()
    assert said in " ".join(await mainstay("outbox", "retry", *arguments, code=code))
    assert await log.deliveries() == before


# purge, relay, and what goes wrong


async def test_purge_says_what_it_deleted(log: Log, relay_once: Once, mainstay: Mainstay) -> None:
    await log.append("a", 1, 2)
    await log.session.execute("UPDATE outbox SET created_at = now() - interval '2 days' WHERE aggregateversion = 1")
    await relay_once()
    assert await mainstay("outbox", "purge") == ["Deleted 0 events and 0 idempotency keys."]
    said = await mainstay("outbox", "purge", OUTBOX_RETENTION_DAYS="1")
    assert said == ["Deleted 1 events and 0 idempotency keys."]


@pytest.mark.parametrize("command", ["stats", "list", "purge"])
async def test_a_database_that_is_away_or_empty_is_said_plainly(
    command: str, mainstay: Mainstay, empty_database_url: str
) -> None:
    (line,) = await mainstay("outbox", command, code=2, DATABASE_URL="postgresql://user:hunter2@127.0.0.1:1/nowhere")
    assert "DATABASE_URL" in line
    (line,) = await mainstay("outbox", command, code=2, DATABASE_URL=empty_database_url)
    assert "mainstay migrate up" in line


async def test_a_sink_for_which_something_is_missing_is_said(mainstay: Mainstay) -> None:
    (line,) = await mainstay("relay", code=2, SINKS="kafka")
    assert "SINKS" in line
    assert "kafka" in line


async def test_a_relay_without_an_outbox_is_refused(mainstay: Mainstay) -> None:
    given = {"SERVICES": "pets", "PETS_STORAGE": "memory", "DATABASE_URL": ""}
    (line,) = await mainstay("relay", code=2, **given)
    assert "PostgreSQL" in line


@pytest.fixture
def relay_process(database_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`mainstay relay` as a user starts it."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "mainstay", "relay"],
        cwd=tmp_path,
        env={**inherited, "APP_ENV": "test", "DATABASE_URL": database_url, "SINKS": "none"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_relay_process_works_until_it_is_told_to_stop(
    relay_process: subprocess.Popen[bytes], session: asyncpg.Connection, eventually: Callable[..., Any], how: int
) -> None:
    await Log(session).append("a", 1)

    async def seen() -> bool:
        return bool(await session.fetchval("SELECT position FROM outbox"))

    await eventually(seen, 20)
    relay_process.send_signal(how)
    assert await asyncio.to_thread(relay_process.wait, 10) == 0
    assert relay_process.stderr is not None
    assert relay_process.stderr.read() == b""
