import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from mainstay.kernel.core.context import RequestContext, request_context
from mainstay.kernel.ops.access_log import AccessLog
from mainstay.kernel.ops.logging import configure_logging

SECRET = "hunter2"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What was logged since the last call, read as JSON."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def in_request() -> Iterator[None]:
    token = request_context.set(RequestContext("r-1"))
    yield
    request_context.reset(token)


@pytest.mark.usefixtures("in_request")
async def test_every_logger_writes_lines_of_one_shape(lines: Lines) -> None:
    configure_logging("INFO", json=True)
    structlog.get_logger("ours").info("one", pets=1)
    logging.getLogger("library").info("number %d", 2)
    AccessLog(json=True).line("GET", "/pets/{pet_id}", 200, 0.0012, "r-1")
    await asyncio.sleep(0)
    ours, library, access = lines()
    assert ours | {"event": "one", "pets": 1, "level": "info", "logger": "ours", "request_id": "r-1"} == ours
    assert library | {"event": "number 2", "level": "info", "logger": "library", "request_id": "r-1"} == library
    wanted = {"event": "request", "level": "info", "logger": "mainstay.access", "request_id": "r-1"}
    assert access | wanted | {"method": "GET", "route": "/pets/{pet_id}", "status": 200, "ms": 1.2} == access
    for line in (ours, library, access):
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize("json", [True, False])
async def test_the_line_of_a_request_names_who_called_and_the_tenant_if_there_is_one(
    capsys: pytest.CaptureFixture[str], json: bool
) -> None:
    configure_logging("INFO", json=json)
    AccessLog(json=json).line("GET", "/orders", 200, 0.0, "r-1", user="u-1", tenant="tenant-1")
    AccessLog(json=json).line("GET", "/pets", 200, 0.0, "r-1")
    await asyncio.sleep(0)
    of_a_tenant, of_none = capsys.readouterr().out.splitlines()
    assert '"tenant":"tenant-1"' in of_a_tenant if json else "tenant=tenant-1" in of_a_tenant
    assert '"user":"u-1"' in of_a_tenant if json else "user=u-1" in of_a_tenant
    assert "tenant" not in of_none
    assert "user" not in of_none


def test_a_line_outside_a_request_has_no_request_id(lines: Lines) -> None:
    configure_logging("INFO", json=True)
    logging.getLogger("library").warning("alone")
    assert "request_id" not in lines()[0]


@pytest.mark.parametrize(
    ("level", "passed"),
    [("DEBUG", 5), ("INFO", 4), ("WARNING", 3), ("ERROR", 2), ("CRITICAL", 1)],
)
async def test_what_is_below_the_level_is_left_out(level: str, passed: int, lines: Lines) -> None:
    configure_logging(level, json=True)
    for write in (logging.debug, logging.info, logging.warning, logging.error, logging.critical):
        write("one")
    assert len(lines()) == passed
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(structlog.get_logger("ours"), name)("one")
    assert len(lines()) == passed
    AccessLog(json=True).line("GET", "/pets", 200, 0.0, "r")
    await asyncio.sleep(0)
    assert len(lines()) == (passed >= 4)


def test_the_server_does_not_say_again_what_the_access_line_says(lines: Lines) -> None:
    configure_logging("DEBUG", json=True)
    logging.getLogger("uvicorn.access").info("GET /pets?token=secret")
    assert lines() == []


def test_configuring_again_does_not_double_the_lines(lines: Lines) -> None:
    configure_logging("INFO", json=True)
    configure_logging("INFO", json=True)
    logging.getLogger("library").info("one")
    assert len(lines()) == 1


def fail(password: str) -> None:
    del password
    raise ValueError("on purpose")


@pytest.mark.parametrize("name", ["library", "ours"])
def test_an_exception_comes_with_its_trace_on_the_same_line(name: str, lines: Lines) -> None:
    configure_logging("INFO", json=True)
    logger = logging.getLogger(name) if name == "library" else structlog.get_logger(name)
    try:
        fail(SECRET)
    except ValueError:
        logger.exception("broken")
    (line,) = lines()
    assert line["event"] == "broken"
    assert line["exception"].startswith("Traceback")
    assert "ValueError: on purpose" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_the_console_shows_the_trace_without_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """They hold bodies, tokens and the database's password."""
    configure_logging("DEBUG", json=False)
    try:
        fail(SECRET)
    except ValueError:
        logging.getLogger("library").exception("broken")
    out = capsys.readouterr().out
    assert "ValueError: on purpose" in out
    assert "in fail" in out
    assert SECRET not in out


@pytest.mark.usefixtures("in_request")
def test_the_console_shows_the_same_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", json=False)
    structlog.get_logger("ours").info("one", pets=1)
    logging.getLogger("library").info("number %d", 2)
    AccessLog(json=False).line("GET", "/pets/{pet_id}", 404, 0.0012, "r-1")
    ours, library, access = capsys.readouterr().out.splitlines()
    assert "one" in ours and "pets=1" in ours and "request_id=r-1" in ours  # noqa: PT018 - one line, three parts
    assert "number 2" in library and "request_id=r-1" in library  # noqa: PT018 - the same
    for part in ("request_id=r-1", "method=GET", "route=/pets/{pet_id}", "status=404", "ms=1.2"):
        assert part in access


@pytest.mark.parametrize(
    "value",
    ["\ud800", 2**70, {1: 2}, object(), b"\xff", float("nan"), {"a", "b"}, ValueError("x")],
    ids=["surrogate", "integer", "key", "object", "bytes", "nan", "set", "error"],
)
def test_no_value_is_too_odd_to_be_logged(value: object, lines: Lines) -> None:
    configure_logging("INFO", json=True)
    structlog.get_logger("ours").info("odd", value=value)
    (line,) = lines()
    assert line["event"] == "odd"
    assert "value" in line


def test_a_message_cannot_make_a_line_of_its_own(lines: Lines) -> None:
    configure_logging("INFO", json=True)
    logging.getLogger("library").info('a\n{"event": "forged"}\r\nb\x1b[2J')
    (line,) = lines()
    assert line["event"] == 'a\n{"event": "forged"}\r\nb\x1b[2J'


async def test_a_request_is_answered_when_nobody_reads_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        """Standard output after its reader has ended."""

        buffer = property(lambda self: self)

        def write(self, _: bytes) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    configure_logging("INFO", json=True)
    monkeypatch.setattr("sys.stdout", Gone())
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    AccessLog(json=True).line("GET", "/pets", 200, 0.0, "r")
    await asyncio.sleep(0)
    assert failures == []


async def test_the_lines_of_one_turn_of_the_loop_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    output = SimpleNamespace(buffer=SimpleNamespace(write=writes.append, flush=lambda: writes.append(b"flush")))
    configure_logging("INFO", json=True)
    monkeypatch.setattr("sys.stdout", output)
    log = AccessLog(json=True)
    for turn in (["r-1", "r-2", "r-3"], ["r-4"]):
        for request_id in turn:
            log.line("GET", "/pets", 200, 0.0, request_id)
        assert writes == []
        await asyncio.sleep(0)
        written, flush = writes
        assert [json.loads(line)["request_id"] for line in written.splitlines()] == turn
        assert flush == b"flush"
        writes.clear()
