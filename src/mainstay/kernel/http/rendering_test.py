from datetime import UTC, datetime
from uuid import UUID

import pytest
from starlette.background import BackgroundTask
from starlette.types import Message

from mainstay.kernel.core.encoding import dumps
from mainstay.kernel.core.unit import Reply
from mainstay.kernel.http.rendering import Rendered, no_content, no_store, not_modified, replay, respond


async def sent(response: Rendered) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(dict(message))

    async def receive() -> Message:
        raise AssertionError

    await response({"type": "http"}, receive, send)
    return messages


async def test_goes_out_with_status_length_and_type() -> None:
    start, body = await sent(respond({"a": "é"}, status=201, location="/a/1"))
    assert start["status"] == 201
    assert dict(start["headers"]) == {
        b"content-type": b"application/json",
        b"cache-control": b"no-store",
        b"content-length": b"10",
        b"location": b"/a/1",
    }
    assert body["body"] == '{"a":"é"}'.encode()


@pytest.mark.parametrize(("version", "etag"), [(3, b'"3"'), ("abc", b'"abc"')])
def test_a_version_makes_the_etag_and_asks_caches_to_come_back(version: int | str, etag: bytes) -> None:
    headers = dict(respond({}, version=version).raw_headers)
    assert headers[b"ETag"] == etag
    assert headers[b"cache-control"] == b"private, no-cache"


@pytest.mark.parametrize("response", [no_content(), not_modified(respond({"a": 1}, version=3))])
def test_an_answer_that_has_no_body_says_no_length(response: Rendered) -> None:
    assert response.body == b""
    assert b"content-length" not in dict(response.raw_headers)
    assert b"content-type" not in dict(response.raw_headers)


def test_304_repeats_the_etag() -> None:
    assert dict(not_modified(respond({"a": 1}, version=3)).raw_headers)[b"ETag"] == b'"3"'


@pytest.mark.parametrize("response", [respond({"a": 1}, status=201, version=1, location="/a/1"), no_content()])
def test_a_replay_is_the_same_answer_but_for_the_mark(response: Rendered) -> None:
    again = replay(response.reply())
    assert (again.status_code, again.body) == (response.status_code, response.body)
    assert sorted(again.raw_headers) == sorted([*response.raw_headers, (b"idempotency-replayed", b"true")])
    assert again.reply() == response.reply()


def test_what_a_key_keeps_is_what_was_sent() -> None:
    assert respond({"a": 1}, status=201, version=1, location="/a/1").reply() == Reply(201, b'{"a":1}', '"1"', "/a/1")


async def test_the_background_runs_after_the_answer() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    async def send(message: Message) -> None:
        done.append(message["type"])

    response = respond({})
    response.background = BackgroundTask(work)
    await response({"type": "http"}, send, send)  # type: ignore[arg-type]  # nothing is received
    assert done == ["http.response.start", "http.response.body", "work"]


def test_times_end_in_z_and_ids_are_text() -> None:
    assert dumps([datetime(2026, 11, 21, 6, 0, 0, 5, UTC), UUID(int=1)]) == (
        b'["2026-11-21T06:00:00.000005Z","00000000-0000-0000-0000-000000000001"]'
    )


@pytest.mark.parametrize("version", [None, 3])
def test_what_no_cache_keeps_says_so_and_nothing_else(version: int | None) -> None:
    response = no_store(respond({}, version=version))
    assert [value for name, value in response.raw_headers if name == b"cache-control"] == [b"no-store"]
    assert response.etag == (None if version is None else '"3"')


def test_304_may_be_kept_where_the_answer_may() -> None:
    for response, said in (
        (respond({}, version=3), b"private, no-cache"),
        (no_store(respond({}, version=3)), b"no-store"),
    ):
        assert dict(not_modified(response).raw_headers)[b"cache-control"] == said
