import base64
import hashlib
import hmac
import string
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.kernel.core.cursor import Cursors, InvalidCursor
from mainstay.kernel.core.errors import Malformed

KEY, OTHER = b"k" * 32, b"o" * 32
CURSORS = Cursors(KEY)
SCOPE = ("orders", "tenant-1", ["draft"], None, datetime(2026, 11, 21, tzinfo=UTC))
POSITION = (datetime(2026, 11, 21, 9, 30, 0, 123456, UTC), UUID("019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"))
READ = ["2026-11-21 09:30:00.123456+00:00", "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a"]
CURSOR = CURSORS.make(POSITION, SCOPE)

JSON = st.none() | st.booleans() | st.integers() | st.text()


def values(*position: Any) -> list[Any]:
    return list(position)


def refused(cursor: str, *, scope: Any = SCOPE, by: Cursors = CURSORS) -> None:
    with pytest.raises(InvalidCursor):
        by.read(cursor, scope, values)


def test_a_position_comes_back_as_text() -> None:
    assert CURSORS.read(CURSOR, SCOPE, values) == READ


@given(st.lists(JSON), st.lists(JSON))
def test_any_position_of_json_comes_back_from_the_same_scope(position: list[Any], scope: list[Any]) -> None:
    assert CURSORS.read(CURSORS.make(position, scope), scope, values) == position


def test_a_cursor_can_stand_in_an_address_as_it_is() -> None:
    cursors = [CURSORS.make([number], SCOPE) for number in range(200)]
    assert set("".join(cursors)) <= {*string.ascii_letters, *string.digits, *"-_"}
    assert {"-", "_"} <= set("".join(cursors))  # of 200, so that the two letters of this alphabet are seen to be used


@pytest.mark.parametrize("index", range(len(CURSOR)))
def test_a_cursor_with_one_other_letter_is_refused(index: int) -> None:
    for letter in set(string.printable) - {CURSOR[index]}:
        refused(CURSOR[:index] + letter + CURSOR[index + 1 :])


def test_a_cursor_has_one_spelling() -> None:
    """Base64 reads both of its alphabets, and in the last letter bits that mean nothing."""
    for number in range(200):
        cursor = CURSORS.make([number], SCOPE)
        for other in ({*cursor.replace("-", "+").replace("_", "/").split()} | {cursor + "=", cursor + "=="}) - {cursor}:
            refused(other)
        for letter in set(string.ascii_letters + string.digits + "-_") - {cursor[-1]}:
            refused(cursor[:-1] + letter)


@pytest.mark.parametrize("length", range(len(CURSOR)))
def test_a_part_of_a_cursor_is_refused(length: int) -> None:
    refused(CURSOR[:length])
    refused(CURSOR[len(CURSOR) - length :])


@pytest.mark.parametrize("more", ["A", "AA", "AAAA", "=", "==", " ", "\n", "\0", "é", CURSOR])
def test_more_than_a_cursor_is_refused(more: str) -> None:
    refused(CURSOR + more)
    refused(more + CURSOR)


@given(st.text() | st.text(st.characters(codec="ascii")) | st.text(string.ascii_letters + string.digits + "-_"))
@example("\ud800")
@example("é")
@example("=")
@example("====")
@example("A" * 100_000)
@example("null")
def test_any_other_text_is_refused(text: str) -> None:
    refused(text)


@given(st.binary())
@example(b"[]")
@example(b"\0" * 16 + b"[]")
@example(b"\0" * 16 + b"[" * 100_000)
def test_any_bytes_that_are_not_signed_are_refused(sent: bytes) -> None:
    refused(base64.urlsafe_b64encode(sent).rstrip(b"=").decode())


@pytest.mark.parametrize(
    "scope",
    [
        (*SCOPE[:0], "pets", *SCOPE[1:]),
        ("orders", "tenant-2", *SCOPE[2:]),
        ("orders", "tenant-1", [], *SCOPE[3:]),
        ("orders", "tenant-1", ["draft", "closed"], *SCOPE[3:]),
        ("orders", "tenant-1", "draft", *SCOPE[3:]),
        (*SCOPE[:3], SCOPE[4], SCOPE[3]),
        (*SCOPE[:4], datetime(2026, 11, 21, 0, 0, 0, 1, UTC)),
        (*SCOPE[:3], "None", SCOPE[4]),
        SCOPE[:-1],
        (*SCOPE, None),
        (),
    ],
)
def test_a_cursor_of_another_list_is_refused(scope: Any) -> None:
    refused(CURSOR, scope=scope)
    assert CURSORS.read(CURSORS.make(POSITION, scope), scope, values) == READ


@pytest.mark.parametrize(("scope", "position"), [(["a"], ["b"]), (["a", "b"], []), ([], ["a", "b"]), (["a,b"], [])])
def test_what_belongs_to_the_scope_cannot_be_moved_into_the_position(scope: list[str], position: list[str]) -> None:
    cursor = CURSORS.make(position, scope)
    others: list[list[str]] = [["a"], ["a", "b"], [], ["a,b"], ["b"]]
    for other in others:
        if other != scope:
            refused(cursor, scope=other)


@pytest.mark.parametrize("position", [("x",), (), ("x", "y"), (7,), (None,)])
def test_a_cursor_of_a_release_that_had_other_columns_is_refused(position: tuple[Any, ...]) -> None:
    cursor = CURSORS.make(position, SCOPE)
    with pytest.raises(InvalidCursor):
        CURSORS.read(cursor, SCOPE, UUID)


def test_another_key_refuses() -> None:
    refused(CURSOR, by=Cursors(OTHER))
    refused(CURSOR, by=Cursors(KEY + b"k"))
    refused(CURSOR, by=Cursors(KEY[:-1]))


def test_what_the_previous_key_has_signed_is_still_read() -> None:
    assert Cursors(OTHER, KEY).read(CURSOR, SCOPE, values) == READ
    refused(CURSOR[:-1], by=Cursors(OTHER, KEY))
    refused(CURSOR, by=Cursors(OTHER, b"p" * 32))


def test_the_first_key_signs() -> None:
    cursor = Cursors(OTHER, KEY).make(POSITION, SCOPE)
    assert cursor == Cursors(OTHER).make(POSITION, SCOPE)
    refused(cursor)


def test_the_key_itself_signs_nothing() -> None:
    """The program's secret has more uses: what one of them signs must never pass for another's."""
    payload, scope = b'["a"]', b'["orders"]'
    mac = hmac.digest(KEY, scope + b"\0" + payload, hashlib.sha256)[:16]
    refused(base64.urlsafe_b64encode(mac + payload).rstrip(b"=").decode(), scope=["orders"])


def test_it_is_an_error_that_says_what_to_do() -> None:
    assert (InvalidCursor.code, InvalidCursor.kind) == ("invalid_cursor", Malformed.kind)
    assert "begin again without one" in str(InvalidCursor())
