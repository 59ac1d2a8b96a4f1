"""Callers who take their time: they are waited for as long as was said, and nobody waits because of them."""

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.kernel.server.conftest import Running

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
SLOW = 400


def test_a_head_that_does_not_end_is_answered_408(hasty: "Running") -> None:
    caller = hasty.caller()
    caller.ask(HEAD).assert_refusal(408, "request_timeout")
    assert caller.rest() == b""


def test_the_second_request_has_its_own_time(hasty: "Running") -> None:
    caller = hasty.caller()
    assert caller.get().status == 200
    caller.ask(HEAD).assert_refusal(408, "request_timeout")


def test_dripping_buys_no_time(hasty: "Running") -> None:
    caller = hasty.caller().send(HEAD)
    started = time.monotonic()
    caller.drip(b"X: y\r\n")
    assert time.monotonic() - started < 3.0
    assert b"408 Request Timeout" in caller.rest()


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n"])
def test_a_connection_without_a_request_is_closed_without_a_word(hasty: "Running", data: bytes) -> None:
    assert hasty.caller().send(data).rest() == b""


def test_an_idle_connection_is_closed_without_a_word(hasty: "Running") -> None:
    caller = hasty.caller()
    assert caller.get().status == 200
    assert caller.rest() == b""


def test_dripping_blanks_keeps_no_connection(hasty: "Running") -> None:
    caller = hasty.caller()
    caller.get()
    caller.drip(b"\r\n")
    assert caller.rest() == b""


def test_a_body_may_take_longer_than_a_head(hasty: "Running") -> None:
    caller = hasty.caller().send(POST)
    for piece in (b"abc", b"def"):
        hasty.caller().rest()  # the time for a head has passed
        caller.send(piece)
    assert caller.ask(b"ghij").json()["body"] == "abcdefghij"


def test_an_answer_may_take_longer_than_a_head(hasty: "Running") -> None:
    caller = hasty.holding()
    for _ in range(2):
        hasty.caller().rest()
    hasty.release()
    assert caller.answer().status == 200


def test_a_body_that_nobody_waits_for_keeps_no_connection(hasty: "Running") -> None:
    caller = hasty.caller()
    assert caller.ask(POST.replace(b"/", b"/early", 1)).status == 200
    assert caller.rest() == b""


def test_slow_senders_leave_the_others_served(hasty: "Running") -> None:
    slow = [hasty.caller().send(HEAD) for _ in range(SLOW)]
    caller = hasty.caller()
    worst = 0.0
    while hasty.connections() > 1:
        started = time.monotonic()
        assert caller.get().status == 200
        worst = max(worst, time.monotonic() - started)
    assert worst < 1.0
    assert all(b" 408 " in each.rest() for each in slow)
