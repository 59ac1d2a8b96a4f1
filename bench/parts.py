"""The parts beside the throughput, each with its command: `python -m bench.NAME`."""

from collections.abc import Mapping
from typing import Protocol

from bench import growth, latency, memory, relay, sign_in, start, workers
from bench.finding import Finding


class Find(Protocol):
    """Measures a part."""

    def __call__(self, *, long: bool) -> list[Finding]:
        """`long`: with all the time that a figure to be believed takes."""


PARTS: Mapping[str, Find] = {
    "start": start.find,
    "latency": latency.find,
    "workers": workers.find,
    "memory": memory.find,
    "relay": relay.find,
    "sign_in": sign_in.find,
    "growth": growth.find,
}
