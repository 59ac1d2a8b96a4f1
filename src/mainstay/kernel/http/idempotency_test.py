import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mainstay.kernel.core.errors import InvalidHeader
from mainstay.kernel.http.idempotency import fingerprint, parse_key
from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(INT64_MIN, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda members: st.lists(members) | st.dictionaries(st.text(st.characters(codec="utf-8")), members),
    max_leaves=10,
)


@given(PRINTABLE)
@example("\\")
@example('a"')
@example("k" * 255)
def test_the_quoted_spelling_is_the_same_key(key: str) -> None:
    assume(not key.startswith('"'))
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_key(f'"{quoted}"') == parse_key(key) == key


@given(st.text())
@example('"\\"')
@example("é")
def test_any_text_gives_a_key_or_invalid_header(header: str) -> None:
    try:
        key = parse_key(header)
    except InvalidHeader:
        return
    assert 1 <= len(key) <= 255
    assert key.isascii()
    assert key.isprintable()


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"a"', "a"),
        (r'"a\"b\\c"', r'a"b\c'),
        (r"a\b", r"a\b"),
        ('a"b', 'a"b'),
        ("a, b", "a, b"),
        ("k" * 255, "k" * 255),
        (f'"{"k" * 255}"', "k" * 255),
    ],
)
def test_reads(header: str, key: str) -> None:
    assert parse_key(header) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        '""',
        '"',
        '"a',
        '"a"b',
        '"a" "b"',
        r'"a\"',
        r'"a\b"',
        "k" * 256,
        f'"{"k" * 256}"',
        "ä",
        "a\x7f",
        "a\tb",
        "a\0",
        "a\n",
        '"a";x=1',
    ],
)
def test_refuses(header: str) -> None:
    with pytest.raises(InvalidHeader):
        parse_key(header)


@given(VALUES)
def test_spelling_and_order_do_not_change_the_fingerprint(value: Any) -> None:
    shuffled = json.loads(json.dumps(value, indent=2), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert fingerprint(shuffled) == fingerprint(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": [1]}),
        ({"a": None}, {}),
        ({"a": "x"}, {"a": "x "}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": 2**53}, {"a": 2**53 + 1}),
        ({"a": INT64_MAX}, {"a": INT64_MIN}),
        (None, {}),
    ],
)
def test_another_body_has_another_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)
