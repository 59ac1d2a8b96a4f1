"""The kinds of hostile input, as texts, JSON values, bodies and parts of an address. Each bears the mark if it can."""

import base64
from collections.abc import Callable, Iterable
from typing import Any

LIMIT = 200_000
"""Bytes that a body may have in these tests."""
LONG = 100_000
"""More than an address or a header may have."""

MARK = "zq{:06d}hostile"
"""What each input bears, with a number of its own."""
SAMPLE = MARK.format(0)

Text = Callable[[str], str]
"""A text with this mark."""
Raw = Callable[[str], bytes]
"""Likewise bytes."""
Value = Callable[[str], Any]
"""Likewise a JSON value."""
Body = Callable[[bytes, str], bytes]
"""A body, made of one that is right and a mark."""

TEXTS: dict[str, Text] = {
    "SQL": lambda mark: f"'; DROP TABLE pets; -- {mark}",
    "format string": lambda mark: f"%s%n%x{{0.__class__}}{mark}",
    "template": lambda mark: f"{{{{7*7}}}}${{7*7}}<%= 7*7 %>{mark}",
    "script": lambda mark: f"<script>alert('{mark}')</script>",
    "shell": lambda mark: f"$(id) `id` | id; {mark}",
    "traversal": lambda mark: f"../../../../etc/passwd{mark}",
    "signs of a pattern": lambda mark: f"%_\\{mark}%",
    "emoji": lambda mark: f"\U0001f469\u200d\U0001f469\u200d\U0001f467 {mark}",
    "right to left": lambda mark: f"\u202e{mark}\u202c \u05e9\u05dc\u05d5\u05dd",
    "zero width": lambda mark: f"a\u200b\ufeff{mark}\u2060b",
    "combining": lambda mark: f"Z\u0351\u036b\u0343\u0363{mark}e\u0301\u0301\u0301",
    "no characters": lambda mark: f"{mark}\ufffe\U0010ffff",
    "control characters": lambda mark: f"a\x01\x1b[31m{mark}\x7fb",
    "lines": lambda mark: f"{mark}\r\nX-Evil: 1\r\n\r\n{mark}",
    "separators": lambda mark: f"{mark}\u2028\u2029\x85{mark}",
    "long": lambda mark: mark + "x" * LONG,
}
"""Texts that may be what somebody means: taken or refused, and where taken kept as they are."""

NUMBERS = (
    "9223372036854775808",
    "-9223372036854775809",
    "9" * 5_000,
    "1e400",
    "1e-400",
    "NaN",
    "Infinity",
    "-Infinity",
)
"""No JSON, or no number of 64 bits."""
NO_INTEGERS = ("true", "7.0", "+7", "%207", "0x7", "1_0", "1e1", "%D9%A3", "007", *NUMBERS)
"""What an address may not hold for an integer."""


def title(number: str) -> str:
    """What the kind is called."""
    return number if len(number) < 30 else f"{len(number)} digits"


def same(values: Iterable[str]) -> dict[str, Text]:
    """Kinds that bear no mark, under their own names."""
    return {title(value): _always(value) for value in values}


def _always(value: str) -> Text:
    return lambda _: value


def _literal(value: str) -> Raw:
    return lambda _: value.encode()


RAW: dict[str, Raw] = {
    "NUL": lambda mark: b'"\\u0000%b"' % mark.encode(),
    "half a pair": lambda mark: b'"%b\\ud800"' % mark.encode(),
    "the other half": lambda mark: b'"\\udc00%b"' % mark.encode(),
    "bad UTF-8": lambda mark: b'"%b\xff\xc0\xaf"' % mark.encode(),
    "surrogate in UTF-8": lambda mark: b'"%b\xed\xa0\x80"' % mark.encode(),
    "nested 65 deep": lambda mark: b"[" * 65 + b'"%b"' % mark.encode() + b"]" * 65,
    "nested 10,000 deep": lambda mark: b'{"a":' * 10_000 + b'"%b"' % mark.encode() + b"}" * 10_000,
    "raw control characters": lambda mark: b'"%b\x01\n"' % mark.encode(),
    "a key twice": lambda mark: b'{"%b": 1, "%b": 2}' % (mark.encode(), mark.encode()),
    **{title(number): _literal(number) for number in NUMBERS},
}
"""JSON values that no field takes."""

VALUES: dict[str, Value] = {
    "null": lambda _: None,
    "true": lambda _: True,
    "one": lambda _: 1,
    "a number as text": lambda _: "7",
    "a fraction": lambda _: 7.5,
    "a list": lambda mark: [mark],
    "an object": lambda mark: {"a": mark},
    "an empty text": lambda _: "",
    "the last integer": lambda _: 2**63 - 1,
    "the first integer": lambda _: -(2**63),
    **TEXTS,
}
"""JSON values that are right or wrong as the field's schema says."""

BODIES: dict[str, Body] = {
    "null": lambda _, __: b"null",
    "list": lambda _, mark: b'["%b"]' % mark.encode(),
    "list of the object": lambda body, _: b"[%b]" % body,
    "text": lambda _, mark: b'"%b"' % mark.encode(),
    "number": lambda _, __: b"7",
    "true": lambda _, __: b"true",
    "blank": lambda _, __: b" ",
    "cut off": lambda body, _: body[:-1],
    "twice": lambda body, _: body * 2,
    "byte order mark": lambda body, _: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body, _: body.decode().encode("utf-16"),
    "NUL bytes": lambda body, _: body + b"\0",
    "no JSON": lambda _, mark: mark.encode(),
    "packed": lambda body, _: base64.b64encode(body),
    "unknown field": lambda body, mark: _with_member(body, b'"<%b>": 1' % mark.encode()),
    "prototype": lambda body, mark: _with_member(body, b'"__proto__": {"%b": 1}' % mark.encode()),
    "nested 10,000 deep and open": lambda _, __: b'{"a":' * 10_000,
}
"""Bodies that no operation with a JSON body takes."""

FORMS: dict[str, Body] = {
    "bad UTF-8": lambda body, mark: body + f"&{mark}=%ff".encode(),
    "NUL": lambda body, mark: body + f"&{mark}=%00".encode(),
    "raw bytes": lambda body, _: body + b"&a=\xff",
    "surrogate": lambda body, mark: body + f"&{mark}=%ed%a0%80".encode(),
    "many fields": lambda body, _: body + b"&a=1" * 200,
    "a field twice": lambda body, _: body + b"&a=1&a=1",
}
"""Likewise of a form."""

ESCAPES: dict[str, Text] = {
    "NUL": lambda mark: f"{mark}%00",
    "bad UTF-8": lambda mark: f"{mark}%ff",
    "overlong UTF-8": lambda mark: f"{mark}%c0%af",
    "surrogate": lambda mark: f"{mark}%ed%a0%80",
}
"""What no address and no form may hold."""
TRAVERSALS = ("%2e%2e", "%2e%2e%2f%2e%2e%2f", "..", ".", "%2f", "%5c..%5c", "..;", "%252e%252e")

NO_HEADERS: dict[str, Raw] = {
    "NUL": lambda mark: b"%b\0" % mark.encode(),
    "carriage return": lambda mark: b"%b\rX-Evil: 1" % mark.encode(),
    "rubout": lambda mark: b"%b\x7f" % mark.encode(),
    "folded": lambda mark: b"%b\r\n %b" % (mark.encode(), mark.encode()),
}
"""What no header may hold: it is no HTTP."""
ODD_HEADERS: dict[str, Raw] = {
    "bytes over 127": lambda mark: mark.encode() + bytes(range(0x80, 0x100)),
    "only bytes over 127": lambda _: b"\xff\xfe",
    "empty": lambda _: b"",
    "commas": lambda _: b",,,,",
    "quotes": lambda mark: b'"%b' % mark.encode(),
}
MEDIA_TYPES = (
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=a",
    "text/json",
    "application/jsonx",
    "*/*",
    "application/json, application/json",
)
"""Of no body that is taken."""


def _with_member(body: bytes, member: bytes) -> bytes:
    return b"{%b}" % b", ".join(filter(None, [member, body.strip()[1:-1]]))
