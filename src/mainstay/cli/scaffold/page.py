"""JSON as docs/events.md has it: as much on a line as the line holds, nested objects on lines of their own."""

import json
from collections.abc import Iterator, Mapping

LINE = 120
"""Characters."""


def written(value: Mapping[str, object], indent: int = 2) -> str:
    """An object, in lines."""
    return "{\n" + "\n".join(_lines(value, indent)) + f"\n{' ' * (indent - 2)}}}"


def _lines(value: Mapping[str, object], indent: int) -> Iterator[str]:
    line = " " * indent
    members = [f"{json.dumps(name)}: {_member(each, indent + 2)}" for name, each in value.items()]
    for number, member in enumerate(members, start=1):
        part = member + "," * (number < len(members))
        if line.strip() and ("\n" in part or len(line) + len(part) > LINE):
            yield line.rstrip()
            line = " " * indent
        line += f"{part} "
    yield line.rstrip()


def _member(value: object, indent: int) -> str:
    return written(value, indent) if isinstance(value, Mapping) else json.dumps(value, ensure_ascii=False)
