"""A relay as a process of its own, which publishes into a file: `relay_process.py URL FILE [N]`.

A line is in the file at once, whatever becomes of the process. With N, the process hangs after its Nth publish, before
it has noted that in the database.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import orjson

from mainstay.kernel.core.sink import Message, Outcome
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.relay import Relay


class FileSink:
    """Writes who published what: process, aggregate, version, id."""

    name = "file"

    def __init__(self, path: Path, hang_at: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._left = hang_at

    async def __aenter__(self) -> Self:
        """It is open already."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """The end of the process closes it."""

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        """See Sink."""
        for message in messages:
            version = orjson.loads(message.body)["aggregateversion"]
            os.write(self._file, f"{os.getpid()} {message.aggregate_id} {version} {message.id}\n".encode())
        self._left -= 1
        if self._left == 0:
            os.write(self._file, f"{os.getpid()} hangs\n".encode())
            await asyncio.Event().wait()
        return [None] * len(messages)


def main(url: str, path: str, hang_at: str = "0") -> None:
    """Relay until killed."""
    sink = FileSink(Path(path), int(hang_at))
    asyncio.run(Relay(url, [sink], RelayOptions(batch=20, poll=0.02)).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
