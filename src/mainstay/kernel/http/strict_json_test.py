import json
import math
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.kernel.http.strict_json import INT64_MAX, INT64_MIN, MAX_DEPTH, StrictJsonError, loads

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(INT64_MIN, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda members: st.lists(members) | st.dictionaries(TEXTS, members),
    max_leaves=20,
)
TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"',
    "\\",
    "\\u",
    "d83d",
    "0000",
    "1",
    "-",
    "e",
    ".",
    "9" * 20,
    "NaN",
    "true",
    "é",
    "\n",
]


@given(VALUES, st.booleans())
def test_reads_what_json_writes(value: Any, escaped: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary())
@example(b"\xef\xbb\xbf{}")
@example(b'{"\xff": 1}')
def test_any_bytes_give_a_value_or_our_error(text: bytes) -> None:
    assert_as_json_or_refused(text)


@given(st.lists(st.sampled_from(TOKENS), max_size=12))
def test_any_text_of_json_tokens_gives_the_value_that_json_gives_or_our_error(tokens: list[str]) -> None:
    assert_as_json_or_refused("".join(tokens).encode())


def assert_as_json_or_refused(text: bytes) -> None:
    try:
        value = loads(text)
    except StrictJsonError as error:
        assert error.type.startswith("json_")  # noqa: PT017 - that it is raised is one of two right outcomes
    else:
        assert value == json.loads(text.decode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b" \t\r\n{} \n", {}),
        (rb'"\ud83d\ude00"', "\N{GRINNING FACE}"),
        ("\N{GRINNING FACE}".join('""').encode(), "\N{GRINNING FACE}"),
        (rb'"\u00e9\"\\\/\b\f\n\r\t"', 'é"\\/\b\f\n\r\t'),
        (rb'"\\u0000"', r"\u0000"),
        (b'"\xef\xbb\xbf"', "\ufeff"),
        (b"-0", 0),
        (b"0", 0),
        (b"1e2", 100.0),
        (b"5e-324", 5e-324),
        (b"0E-400", 0.0),
        (b"-0.0e999999", 0.0),
        (b"9223372036854775807", INT64_MAX),
        (b"-9223372036854775808", INT64_MIN),
        (b"18446744073709551616.0", 2.0**64),
        (b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}', {"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}),
        (b'{"": 0}', {"": 0}),
    ],
)
def test_reads(text: bytes, value: Any) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("json_invalid", b""),
        ("json_invalid", b" "),
        ("json_invalid", b"{"),
        ("json_invalid", b"{}{}"),
        ("json_invalid", b"{'a': 1}"),
        ("json_invalid", b'{"a": 1,}'),
        ("json_invalid", b"[1,]"),
        ("json_invalid", b"{a: 1}"),
        ("json_invalid", b"// nothing\n{}"),
        ("json_invalid", b"01"),
        ("json_invalid", b"+1"),
        ("json_invalid", b".5"),
        ("json_invalid", b"0x10"),
        ("json_invalid", b"1_000"),
        ("json_invalid", "\N{FULLWIDTH DIGIT ONE}".encode()),
        ("json_invalid", b"True"),
        ("json_invalid", b'"\n"'),
        ("json_invalid", b'"\0"'),
        ("json_invalid", b"\0{}"),
        ("json_invalid", b"{}\0"),
        ("json_invalid", rb'"\x41"'),
        ("json_invalid", rb'"\u004"'),
        ("json_invalid", rb'"\u{41}"'),
        ("json_invalid", b"\xef\xbb\xbf{}"),
        ("json_invalid", b"\xc2\xa0{}"),
        ("json_encoding", b'"\xff"'),
        ("json_encoding", b'"\xc0\xaf"'),
        ("json_encoding", b'"\xed\xa0\x80"'),
        ("json_encoding", '{"a": 1}'.encode("utf-16")),
        ("json_constant", b"NaN"),
        ("json_constant", b'{"a": Infinity}'),
        ("json_constant", b"[-Infinity]"),
        ("json_number", b"1E400"),
        ("json_number", b"-1e999999999999"),
        ("json_number", b"1E-400"),
        ("json_number", b"-0.01e-999999999999"),
        ("json_number", b"0." + b"0" * 400 + b"1"),
        ("json_integer", b"9223372036854775808"),
        ("json_integer", b"-9223372036854775809"),
        ("json_integer", b"99999999999999999999"),
        ("json_integer", b'{"a": [' + b"1" * 5000 + b"]}"),
        ("json_nul", rb'"a\u0000b"'),
        ("json_nul", rb'{"a\u0000b": 1}'),
        ("json_nul", rb'[{"a": ["\u0000"]}]'),
        ("json_surrogate", rb'"\ud83d"'),
        ("json_surrogate", rb'"\ude00\ud83d"'),
        ("json_surrogate", rb'"\ud83d\u0041"'),
        ("json_surrogate", rb'"\uD83D\\ude00"'),
        ("json_surrogate", rb'{"\udfff": 1}'),
        ("json_duplicate_key", b'{"a": 1, "a": 1}'),
        ("json_duplicate_key", rb'{"a": 1, "\u0061": 2}'),
        ("json_duplicate_key", b'[{"x": {"a": 1, "b": 2, "a": 3}}]'),
    ],
)
def test_refuses_by_name(rule: str, text: bytes) -> None:
    with pytest.raises(StrictJsonError) as raised:
        loads(text)
    assert raised.value.type == rule


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


@pytest.mark.parametrize(
    "text",
    [
        nested(MAX_DEPTH),
        nested(MAX_DEPTH, '{"a":', "}"),
        b"[" + b"[]," * 1000 + b"{}]",
        json.dumps("[{" * 1000).encode(),
        json.dumps(['"[\\"' * 100, {"}[" * 100: "\\"}]).encode(),
    ],
    ids=["arrays", "objects", "side by side", "in a string", "in strings with escapes"],
)
def test_reads_what_is_not_nested_too_deep(text: bytes) -> None:
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        nested(MAX_DEPTH + 1),
        nested(MAX_DEPTH + 1, '{"a":', "}"),
        nested(33, '[{"a":', "}]"),
        b'["\\"]", ' + nested(MAX_DEPTH) + b"]",
        b"[" * 500_000,
    ],
    ids=["arrays", "objects", "both", "behind a string with a quote", "without an end"],
)
def test_refuses_what_is_nested_too_deep(text: bytes) -> None:
    with pytest.raises(StrictJsonError, match="64 levels"):
        loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 65 + b'"' + b'\\"' * 500_000,
        b"[" * 65 + b'"a\\b' * 250_000,
        b'"' + b"a" * 1_000_000 + b'\\u0041"',
        b"1." + b"1" * 1_000_000,
        b"1" * 1_000_000,
    ],
    ids=["escaped quotes without an end", "strings without an end", "long string", "long fraction", "long integer"],
)
def test_reads_a_hostile_body_of_the_largest_size_at_once(text: bytes) -> None:
    """A parser that tries every beginning of a string takes minutes for the first of these."""
    started = time.process_time()
    with suppress(StrictJsonError):
        loads(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "text",
    [b'{"secret-value": NaN}', b'{"secret-value": 1, "secret-value": 2}', b'"secret-value', b'"secret-value\\q"'],
)
def test_does_not_say_what_was_sent(text: bytes) -> None:
    with pytest.raises(StrictJsonError) as raised:
        loads(text)
    assert "secret" not in str(raised.value)


def test_keeps_minus_zero() -> None:
    assert math.copysign(1, loads(b"-0.0")) == -1
