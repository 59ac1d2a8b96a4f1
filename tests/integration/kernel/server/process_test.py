"""The server as a process, and as several: exit codes, signals, workers, reload, a port that is taken."""

import contextlib
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainstay.kernel.core.errors import StartupError
from mainstay.kernel.http.server import ServerLimits, _listen, _url, serve

if TYPE_CHECKING:
    from tests.integration.kernel.server.conftest import Process

    Run = Callable[..., Process]

LONG = 15.0  # a drain that no test sees the end of


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_the_exit_code_after_a_signal_is_0(run: "Run", sig: int) -> None:
    process = run()
    assert process.caller().get().status == 200
    process.signal(sig)
    assert process.exit_code() == 0
    assert "echo:shutdown" in process.log


def test_a_signal_ends_a_start_that_does_not_end(run: "Run") -> None:
    process = run(ready=0, app="echo_application:never_starts")
    process.until_logged("Waiting for application startup")
    process.signal()
    assert process.exit_code() == 0


def test_an_application_that_cannot_start_ends_the_process(run: "Run") -> None:
    assert run(ready=0, app="echo_application:cannot_start").exit_code() == 3


def test_a_third_signal_ends_what_still_runs(run: "Run") -> None:
    process = run(drain=LONG)
    process.caller().send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    process.until_logged("asked for /hold")
    process.signal()
    process.until(lambda: process.caller().get().json()["stopping"])
    process.signal()
    process.until_logged("Waiting for connections to close")
    process.signal()
    assert process.exit_code() == 0


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with _listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=rf"^Port {port} is taken: .* APP_PORT or --port\.$"):
            serve("echo_application:Echo", host="127.0.0.1", port=port, limits=ServerLimits())


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_told_in_one_line(host: str) -> None:
    with pytest.raises(StartupError, match=rf"^Cannot listen on {host}, port 0: .*\.$"):
        serve("echo_application:Echo", host=host, port=0, limits=ServerLimits())


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_can_be_listened_on() -> None:
    with _listen("::1", 0) as sock:
        assert _url(sock) == f"http://[::1]:{sock.getsockname()[1]}"


def test_workers_share_the_port_and_stop_together(run: "Run") -> None:
    process = run(ready=2, workers=2, drain=LONG)
    pids = process.pids()
    assert len(pids) == 2
    process.signal()
    process.until(lambda: process.caller().get().headers.get("connection") == "close")
    process.signal()
    assert process.exit_code() == 0
    assert process.log.count("echo:shutdown") == 2
    assert not any(is_alive(pid) for pid in pids)


def test_a_worker_that_dies_is_replaced(run: "Run") -> None:
    process = run(ready=2, workers=2)
    with pytest.raises(ConnectionError):
        process.caller().get(b"/crash")
    process.until_logged("ended with 9")
    assert process.caller().get().status == 200
    process.until_logged("listening on", 3)
    process.signal(signal.SIGINT)
    assert process.exit_code() == 0


def test_workers_do_not_outlive_their_parent(run: "Run") -> None:
    process = run(ready=2, workers=2)
    process.kill()
    process.until_logged("echo:shutdown", 2)


def test_workers_that_cannot_start_end_their_parent(run: "Run") -> None:
    assert run(ready=0, workers=2, app="echo_application:cannot_start").exit_code() == 3


def test_at_a_hangup_new_workers_take_the_places_and_no_request_is_lost(run: "Run") -> None:
    process = run(ready=2, workers=2, drain=0.2)
    before = process.pids()
    answers: Counter[int] = Counter()
    enough = threading.Event()

    def call() -> None:
        caller = process.caller()
        while not enough.is_set():
            answer = caller.get()  # raises where the connection is lost
            answers[answer.status] += 1
            if answer.headers.get("connection") == "close":
                caller = process.caller()

    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(call) for _ in range(4)]
        try:
            process.signal(signal.SIGHUP)
            process.until(lambda: not any(is_alive(pid) for pid in before))
        finally:
            enough.set()  # also where it fails: the block waits for those who call
    assert [done.exception() for done in calls] == [None] * 4
    assert set(answers) == {200}
    after = process.pids()
    assert len(after) == 2
    assert not after & before
    process.signal()
    assert process.exit_code() == 0


def test_successors_that_cannot_start_leave_those_before_them_at_work(run: "Run", tmp_path: Path) -> None:
    code = tmp_path / "released.py"
    code.write_text("from echo_application import create_app\n")
    process = run(ready=2, workers=2, app="released:create_app")
    before = process.pids()
    code.write_text("from echo_application import cannot_start as create_app\n")
    process.signal(signal.SIGHUP)
    process.until_logged("ended with 3 before it served")
    assert process.pids() == before
    code.write_text("from echo_application import create_app\n")
    process.signal(signal.SIGHUP)
    process.until(lambda: not any(is_alive(pid) for pid in before))
    assert len(process.pids()) == 2
    process.signal()
    assert process.exit_code() == 0


def test_a_worker_that_dies_during_a_restart_is_replaced_too(run: "Run") -> None:
    process = run(ready=2, workers=2)
    before = process.pids()
    process.signal(signal.SIGHUP)
    for pid in before:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.until(lambda: len(process.pids_that_answer() - before) == 2)
    process.signal()
    assert process.exit_code() == 0


def test_a_hangup_while_it_stops_starts_nothing(run: "Run") -> None:
    process = run(ready=2, workers=2, drain=LONG)
    process.signal()
    process.until(lambda: process.caller().get().json()["stopping"])
    process.signal(signal.SIGHUP)
    process.signal()
    assert process.exit_code() == 0
    assert process.log.count("listening on") == 2


def test_a_worker_that_cannot_be_replaced_leaves_the_other_at_work(run: "Run", tmp_path: Path) -> None:
    code = tmp_path / "released.py"
    code.write_text("from echo_application import create_app\n")
    process = run(ready=2, workers=2, app="released:create_app")
    code.write_text("from echo_application import cannot_start as create_app\n")
    with pytest.raises(ConnectionError):
        process.caller().get(b"/crash")
    process.until_logged("ended with 3, another takes its place")
    assert process.caller().get().status == 200
    code.write_text("from echo_application import create_app\n")
    process.until_logged("listening on", 3)
    process.signal()
    assert process.exit_code() == 0


def test_a_change_of_the_code_starts_it_again(run: "Run", tmp_path: Path) -> None:
    code = tmp_path / "changing.py"
    code.write_text("from echo_application import create_app\n")
    process = run(reload=True, app="changing:create_app", drain=LONG)
    first = process.caller().get().json()["pid"]

    def is_another() -> bool:
        code.write_text(code.read_text() + "\n")  # again and again: the watcher may not be there yet
        return bool(process.caller().get().json()["pid"] != first)

    process.until(is_another)
    process.signal()
    assert process.exit_code() == 0
