"""JSON as a server should read it: nothing lost, nothing guessed (RFC 8259, and the I-JSON profile, RFC 7493).

Python's own parser keeps the last of two equal keys, reads NaN, turns 1e400 into infinity and 1e-400 into 0, and lets
through integers, strings and depths that PostgreSQL or the next reader cannot take. Each of those is refused here, by
name.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_DEPTH = 64
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

_INT64_DIGITS = 19
# Also a string without an end, up to the end of the text: else each quote in it would be tried as a beginning, and
# a body of 32 KB take seconds.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_ZERO = re.compile(r"[-0.]*[1-9]")  # whatever its exponent
_NO_CHARACTER = re.compile("[\ud800-\udfff]")


class StrictJsonError(ValueError):
    """The text is not JSON, or JSON that would lose something on its way. `type` names the rule."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.type = error_type


def loads(text: bytes) -> Any:
    """The value of a JSON text. Raises StrictJsonError."""
    _check_depth(text)
    try:
        value = _DECODER.decode(text.decode())
    except UnicodeDecodeError as error:
        raise StrictJsonError("json_encoding", "The body must be UTF-8.") from error
    except json.JSONDecodeError as error:
        message = f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        raise StrictJsonError("json_invalid", message) from error
    if b"\\u" in text:  # only an escape can bring in what UTF-8 and the parser keep out
        for string in _strings(value):
            _check_string(string)
    return value


def _check_depth(text: bytes) -> None:
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for byte in _STRING.sub(b"", text).translate(None, _ALL_BUT_BRACKETS):
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > MAX_DEPTH:
            raise StrictJsonError("json_depth", f"The body is nested deeper than {MAX_DEPTH} levels.")


def _check_string(string: str) -> None:
    if "\0" in string:
        raise StrictJsonError("json_nul", "The body has a NUL character, which text here cannot hold.")
    if _NO_CHARACTER.search(string):
        raise StrictJsonError("json_surrogate", "The body has half of a surrogate pair, which is no character.")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from _strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from _strings(member)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError("json_duplicate_key", "An object in the body has the same key twice.")
    return members


def _int64(digits: str) -> int:
    # the length first: int() of a million digits takes seconds, and above 4,300 Python refuses it
    if len(digits) > _INT64_DIGITS + 1 or not INT64_MIN <= (number := int(digits)) <= INT64_MAX:
        raise StrictJsonError("json_integer", "An integer in the body does not fit into 64 bits.")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise StrictJsonError("json_number", "A number in the body is too large.")
    if not number and _NOT_ZERO.match(digits):
        raise StrictJsonError("json_number", "A number in the body is too close to zero.")
    return number


def _refuse(constant: str) -> NoReturn:
    raise StrictJsonError("json_constant", f"{constant} is not JSON.")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_int64, parse_float=_finite, parse_constant=_refuse)
