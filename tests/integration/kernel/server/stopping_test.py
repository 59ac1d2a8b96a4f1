"""A server that was told to stop: who is served, who is sent away, and what is lost (nothing)."""

import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from mainstay.kernel.http.server import _close, _listen

if TYPE_CHECKING:
    from tests.integration.kernel.server.conftest import Running

CALLERS = 6


def test_a_drain_serves_on_and_sends_callers_away(draining: "Running") -> None:
    idle, busy = draining.caller(), draining.holding()
    assert "connection" not in idle.get().headers
    draining.signal()
    draining.release()
    for answer in (busy.answer(), idle.get(), draining.caller().get()):
        assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert idle.rest() == busy.rest() == b""


def test_the_application_knows_that_it_stops(draining: "Running") -> None:
    caller = draining.caller()
    assert caller.get().json()["stopping"] is False
    draining.signal()
    assert caller.get().json()["stopping"] is True


def test_the_application_is_told_at_once_so_that_nobody_waits_on(draining: "Running") -> None:
    waiting = draining.caller().send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    draining.until(lambda: "/wait" in draining.echo.paths)
    draining.signal()
    answer = waiting.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_a_drain_ends_by_itself(start: Callable[..., "Running"]) -> None:
    running = start(drain=0.3)
    running.signal()
    assert running.caller().get().status == 200
    assert running.join() < 3.0
    assert running.is_closed()


@pytest.mark.parametrize(
    "signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]]
)
def test_an_interrupt_or_a_second_signal_waits_for_running_requests_alone(
    draining: "Running", signals: list[int]
) -> None:
    idle, busy = draining.caller(), draining.holding()
    idle.get()
    for sig in signals:
        draining.signal(sig)
    draining.until(draining.is_closed)
    assert idle.rest() == b""
    draining.release()
    answer = busy.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert draining.join() < 3.0


def test_a_request_that_does_not_end_is_not_waited_for_for_ever(start: Callable[..., "Running"]) -> None:
    running = start(graceful=0.2)
    running.holding()
    running.signal()
    assert running.join() < 3.0


def test_a_rolling_restart_under_load_loses_no_request(start: Callable[..., "Running"]) -> None:
    old, new = start(drain=0.5), start()
    outcomes: Counter[str] = Counter()
    enough = threading.Event()

    def call() -> None:
        caller = old.caller()
        while not enough.is_set():
            answer = caller.get()  # raises where the connection is lost
            outcomes["answered"] += 1
            if answer.headers.get("connection") == "close":
                outcomes["moved"] += 1
                caller = new.caller()
        outcomes["content"] += 1

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    old.until(lambda: outcomes["answered"] > 100)
    old.signal()
    old.join()
    before = outcomes["answered"]
    new.until(lambda: outcomes["answered"] > before + 100)
    enough.set()
    for caller in callers:
        caller.join()
    assert outcomes["moved"] == outcomes["content"] == CALLERS


def test_who_has_connected_when_the_port_is_closed_is_taken() -> None:
    sock = _listen("127.0.0.1", 0)
    address = sock.getsockname()
    callers = [socket.create_connection(address) for _ in range(5)]
    accepted = _close(sock)
    assert {each.getpeername() for each in accepted} == {caller.getsockname() for caller in callers}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    for each in (*accepted, *callers):
        each.close()


def test_who_has_connected_when_the_port_is_closed_is_answered(
    draining: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = [draining.caller()]

    def close(sock: socket.socket) -> list[socket.socket]:
        callers.append(draining.caller())  # the loop accepts no more by now, the kernel does
        return _close(sock)

    monkeypatch.setattr("mainstay.kernel.http.server._close", close)
    monkeypatch.setattr("mainstay.kernel.http.server._LAST_CALL_SECONDS", 1.0)
    draining.signal(signal.SIGINT)
    draining.until(draining.is_closed)
    assert [caller.get().headers["connection"] for caller in callers] == ["close", "close"]
