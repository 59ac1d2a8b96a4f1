"""The limits that are settings reach the server that `mainstay serve` starts."""

import signal
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /pets HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
SHORT = "0.3"
SOON = 4.5
LATER = 9.0
"""Seconds: far more than SHORT on a busy machine, less than the defaults of 5 and 10."""


def connected(server: Any, seconds: float) -> socket.socket:
    """A connection that waits no longer than that for what comes next."""
    return socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=seconds)


def until_closed(caller: socket.socket) -> bytes:
    """What comes until the server hangs up; too late is a TimeoutError."""
    received = b""
    while data := caller.recv(65536):
        received += data
    return received


def test_the_time_for_a_head(serve: Callable[..., Any]) -> None:
    with connected(serve(HEADER_TIMEOUT=SHORT), LATER) as caller:
        caller.sendall(REQUEST)
        assert until_closed(caller).startswith(b"HTTP/1.1 408 ")


def test_the_time_between_two_requests(serve: Callable[..., Any]) -> None:
    with connected(serve(KEEP_ALIVE_TIMEOUT=SHORT), SOON) as caller:
        caller.sendall(REQUEST + b"\r\n")
        answered = until_closed(caller)
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert answered.count(b"HTTP/1.1 ") == 1


def test_the_time_for_running_requests_to_end(serve: Callable[..., Any]) -> None:
    server = serve(GRACEFUL_TIMEOUT=SHORT)
    with connected(server, LATER) as caller:
        caller.sendall(POST)
        assert caller.recv(100).startswith(b"HTTP/1.1 100 ")  # now it waits for its body
        started = time.monotonic()
        assert server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - started < LATER
