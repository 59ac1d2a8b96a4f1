"""Two thousand callers who send nothing more, and one who asks. The short form is in slow_test.py."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

SLOW = 2_000
BEGUN = b"GET /pets HTTP/1.1\r\nHost: a\r\n"
WORST_SECONDS = 1.0


@pytest.mark.long
def test_two_thousand_slow_senders_leave_the_others_served(descriptors: None, serve: Callable[..., Any]) -> None:
    server = serve(HEADER_TIMEOUT="10")
    address = ("127.0.0.1", urlsplit(server.url).port or 0)
    worst, answered = 0.0, 0
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(SLOW)]
        for caller in slow:
            caller.sendall(BEGUN)
        client = stack.enter_context(httpx.Client(base_url=server.url))
        until = time.monotonic() + 12  # longer than they are given
        while time.monotonic() < until:
            asked = time.monotonic()
            assert client.get("/pets").status_code == 200
            worst, answered = max(worst, time.monotonic() - asked), answered + 1
        assert [caller for caller in slow if not caller.recv(1024).startswith(b"HTTP/1.1 408 ")] == []
    assert worst < WORST_SECONDS
    assert answered > 1_000
