"""Hostile inputs: of each kind one, for every place of an operation that it fits."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from tests.hostile import kinds
from tests.hostile.calls import FORM, JSON, Call, Json, Operation
from tests.hostile.kinds import LIMIT, LONG, SAMPLE, TEXTS, Body, Raw, Text, Value

INVALID = frozenset({400, 422})
MALFORMED = frozenset({400})
NOT_FOUND = frozenset({400, 404, 422})
TOO_LARGE = frozenset({413})
TOO_LONG = frozenset({431})
UNSUPPORTED = frozenset({415})
TAKEN = frozenset({200, 201, 204})
SINGLE = {"Host": b"mainstay", "X-Tenant-Id": b"tenant-1", "Idempotency-Key": b"a", "Authorization": b"Bearer a"}
"""Headers that may stand once."""

Change = Callable[[Call, str], Call]
"""Puts the input, with a mark, into a call."""
Expected = frozenset[int] | None


@dataclass(frozen=True)
class Input:
    """One input in one place of an operation."""

    operation: Operation
    place: str
    """`body`, `field`, `query`, `path` or `header`."""
    name: str
    """Of the field, parameter or header."""
    kind: str
    change: Change
    expected: Expected = None
    """The statuses that may answer it; None where any documented one may, because the input may be legal."""
    text: Text | None = None
    """What a field is set to: it is kept as it is."""

    @property
    def types(self) -> str:
        """The JSON types of the values that belong there, where that is told."""
        told = self.operation.parameters(self.place) if self.place != "field" else self.operation.fields
        return " ".join(sorted(_types(self.operation, told.get(self.name, {}))))

    def __str__(self) -> str:
        return f"{self.operation.name}: {self.place} {self.name}: {self.kind}"


def inputs(operation: Operation) -> Iterator[Input]:
    """All for one operation."""
    if operation.media_type is None:
        yield Input(operation, "body", "", "where none belongs", _body(lambda _, mark: mark.encode()))
    else:
        yield from _bodies(operation)
        yield from _form(operation) if operation.media_type == FORM else _json(operation)
    yield from _queries(operation)
    yield from _paths(operation)
    yield from _headers(operation)


# Changes


def _body(make: Body, *, chunked: bool = False) -> Change:
    return lambda call, mark: replace(call, body=make(call.content or b"", mark), chunked=chunked)


def _field(name: str, make: Value) -> Change:
    return lambda call, mark: replace(call, fields={**(call.fields or {}), name: make(mark)})


def _raw_field(name: str, make: Raw) -> Change:
    """In place of the field: what `json` would not write."""

    def body(call: Call, mark: str) -> bytes:
        others = {key: value for key, value in (call.fields or {}).items() if key != name}
        return _object([*others.items()], b"%b: %b" % (json.dumps(name).encode(), make(mark)))

    return lambda call, mark: replace(call, body=body(call, mark))


def _field_twice(name: str) -> Change:
    def body(call: Call) -> bytes:
        fields = {name: "a", **(call.fields or {})}
        return _object([*fields.items()], b"%b: %b" % (json.dumps(name).encode(), json.dumps(fields[name]).encode()))

    return lambda call, _: replace(call, body=body(call))


def _object(members: list[tuple[str, Any]], more: bytes) -> bytes:
    written = [f"{json.dumps(name)}: {json.dumps(value)}".encode() for name, value in members]
    return b"{%b}" % b", ".join([*written, more])


def _query(make: Text) -> Change:
    return lambda call, mark: replace(call, query=make(mark))


def _parameter(name: str, make: Text) -> Change:
    return _query(lambda mark: f"{name}={make(mark)}")


def _part(name: str, make: Text) -> Change:
    return lambda call, mark: replace(call, values={**call.values, name: make(mark)})


def _header(name: str, make: Raw, times: int = 1) -> Change:
    def change(call: Call, mark: str) -> Call:
        return replace(call, headers=(*call.without(name).headers, *[(name, make(mark))] * times))

    return change


def _always(value: bytes) -> Raw:
    return lambda _: value


def _escaped(text: Text) -> Text:
    """In an address, which may not be as long as a body."""
    return lambda mark: quote(text(mark)[:20_000], safe="")


def _long(mark: str) -> str:
    return mark + "x" * LONG


# Places


def _bodies(operation: Operation) -> Iterator[Input]:
    """Whatever the media type."""

    def large(_: bytes, mark: str) -> bytes:
        return (mark.encode() * LIMIT)[: LIMIT + 1]

    yield Input(operation, "body", "", "too large", _body(large), TOO_LARGE)
    yield Input(operation, "body", "", "too large, in chunks", _body(large, chunked=True), TOO_LARGE)
    yield Input(operation, "body", "", "empty", _body(lambda _, __: b""))
    yield Input(operation, "body", "", "coded", _header("Content-Encoding", _always(b"gzip")), UNSUPPORTED)
    for label in kinds.MEDIA_TYPES:
        change = _header("Content-Type", _always(label.encode()))
        yield Input(operation, "body", "", f"as {label}", change, UNSUPPORTED)


def _json(operation: Operation) -> Iterator[Input]:
    for kind, body in kinds.BODIES.items():
        yield Input(operation, "body", "", kind, _body(body), INVALID)
    for kind, raw in kinds.RAW.items():
        yield Input(operation, "body", "", f"unknown field: {kind}", _raw_field("unknown", raw), INVALID)
    for label in (b"application/vnd.api+json", b"application/json; charset=latin-1"):
        yield Input(operation, "body", "", f"as {label!r}", _header("Content-Type", _always(label)), TAKEN)
    yield Input(operation, "body", "", "as nothing", lambda call, _: call.without("Content-Type"), TAKEN)
    for name, schema in operation.fields.items():
        yield Input(operation, "field", name, "twice", _field_twice(name), INVALID)
        for kind, raw in kinds.RAW.items():
            yield Input(operation, "field", name, kind, _raw_field(name, raw), INVALID)
        for kind, value in kinds.VALUES.items():
            legal = _is_valid(operation, schema, value(SAMPLE))
            expected = None if legal else INVALID
            yield Input(operation, "field", name, kind, _field(name, value), expected, TEXTS.get(kind))


def _form(operation: Operation) -> Iterator[Input]:
    for kind, body in kinds.FORMS.items():
        yield Input(operation, "body", "", kind, _body(body), INVALID)
    yield Input(operation, "body", "", "JSON", _header("Content-Type", _always(JSON.encode())), UNSUPPORTED)
    for name in operation.fields:
        for kind, escape in kinds.ESCAPES.items():
            yield Input(operation, "field", name, kind, _escape_in_form(name, escape), INVALID)
        for kind, text in TEXTS.items():
            yield Input(operation, "field", name, kind, _field(name, text))


def _escape_in_form(name: str, escape: Text) -> Change:
    def change(call: Call, mark: str) -> Call:
        others = replace(call, fields={key: value for key, value in (call.fields or {}).items() if key != name})
        return replace(call, body=b"%b&%b" % (others.content or b"", f"{name}={escape(mark)}".encode()))

    return change


def _queries(operation: Operation) -> Iterator[Input]:
    yield Input(operation, "query", "", "unknown", _query(lambda mark: f"%3C{mark}%3E=1"), INVALID)
    yield Input(operation, "query", "", "unknown and nothing more", _query(lambda mark: f"{mark}%20"), INVALID)
    yield Input(operation, "query", "", "very long", _query(_long), TOO_LONG)
    for kind, escape in kinds.ESCAPES.items():
        yield Input(operation, "query", "", f"unknown: {kind}", _query(escape), INVALID)
    for name, schema in operation.parameters("query").items():
        for kind, escape in kinds.ESCAPES.items():
            yield Input(operation, "query", name, kind, _parameter(name, escape), INVALID)
        for kind, text in TEXTS.items():
            expected = None if _may_be(operation, schema, text(SAMPLE)) else INVALID
            yield Input(operation, "query", name, kind, _parameter(name, _escaped(text)), expected)
        for kind, number in kinds.same(kinds.NO_INTEGERS).items():
            expected = None if _may_be(operation, schema, number(SAMPLE)) else INVALID
            yield Input(operation, "query", name, kind, _parameter(name, number), expected)
        if "array" not in _types(operation, schema):
            yield Input(operation, "query", name, "repeated", _query(_twice(name)), INVALID)
        yield Input(operation, "query", f"{name}[]", "unknown", _parameter(f"{name}[]", _odd_escapes), INVALID)


def _twice(name: str) -> Text:
    return lambda mark: f"{name}={mark}&{name}={mark}"


def _odd_escapes(mark: str) -> str:
    return f"%{mark}%zz"


def _paths(operation: Operation) -> Iterator[Input]:
    values = {
        **kinds.ESCAPES,
        **{kind: _escaped(text) for kind, text in TEXTS.items()},
        **kinds.same([*kinds.NO_INTEGERS, "0", "-1", *kinds.TRAVERSALS]),
        "nothing": lambda _: "",
    }
    for name in operation.parameters("path"):
        for kind, value in values.items():
            yield Input(operation, "path", name, kind, _part(name, value), NOT_FOUND)
        yield Input(operation, "path", name, "very long", _part(name, _long), TOO_LONG)


def _headers(operation: Operation) -> Iterator[Input]:
    for name, value in SINGLE.items():
        yield Input(operation, "header", name, "repeated", _header(name, _always(value), times=2), MALFORMED)
    for name in {**operation.parameters("header"), "Authorization": {}, "Host": {}, "X-Request-ID": {}}:
        for kind, text in TEXTS.items():
            yield Input(operation, "header", name, kind, _header(name, _one_line(text)))
        for kind, raw in kinds.NO_HEADERS.items():
            yield Input(operation, "header", name, kind, _header(name, raw), MALFORMED)
        for kind, raw in kinds.ODD_HEADERS.items():
            yield Input(operation, "header", name, kind, _header(name, raw))
        yield Input(operation, "header", name, "very long", _header(name, lambda mark: _long(mark).encode()), TOO_LONG)


def _one_line(text: Text) -> Raw:
    return lambda mark: text(mark).replace("\r\n", " ").encode()[:20_000]


# What the document says of a value


def _types(operation: Operation, schema: Json) -> set[str]:
    """The JSON types that a schema names."""
    found = operation.resolved(schema)
    below = (kind for part in found.get("anyOf", ()) for kind in _types(operation, part))
    return {found.get("type", ""), *below} - {""}


def _is_valid(operation: Operation, schema: Json, value: Any) -> bool:
    return jsonschema_rs.is_valid({**schema, "components": operation.document["components"]}, value)


def _may_be(operation: Operation, schema: Json, text: str) -> bool:
    """Whether a parameter may have this text, which is no integer. Lists are left to the program."""
    found = _types(operation, schema)
    return "array" in found or ("string" in found and _is_valid(operation, schema, text))
