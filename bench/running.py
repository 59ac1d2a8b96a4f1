"""Mainstay on filled tables, for a block: what the parts beside the throughput begin with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench import data
from bench.measure import cores, postgres
from bench.server import Server, pin, serving
from bench.subjects import MAINSTAY


@contextmanager
def filled() -> Iterator[tuple[str, Path]]:
    """A copy of the bench's data: its URL, and a folder for logs. What runs here keeps off the server's core."""
    _, others = cores()
    pin(others)
    with postgres() as (url, folder):
        data.prepare(url, folder)
        yield data.copy(url), folder


@contextmanager
def mainstay(
    database: str, folder: Path, *arguments: str, on: set[int] | None = None, **environment: str
) -> Iterator[Server]:
    """The server, on its own core or on those that are given."""
    subject = replace(
        MAINSTAY, arguments=(*MAINSTAY.arguments, *arguments), environment={**MAINSTAY.environment, **environment}
    )
    with serving(subject, database, on or cores()[0], folder) as server:
        yield server
