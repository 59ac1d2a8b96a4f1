"""Metrics of several worker processes as one: each keeps its values in files that the others read at a scrape.

A file belongs to a worker's place, not to its process id: who takes the place of one that was killed goes on from the
values that it has left, and there are never more files than places.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
_NAME = "mainstay-metrics-"
"""How the folders' names begin; their owner's process id follows."""


@contextmanager
def metrics_folder() -> Iterator[str]:
    """A private folder for the values, removed at the end of the block; those whose owner was killed go too.

    In memory, where there is a folder for that: a page that is being written to disk would hold up who counts in it.
    """
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(gettempdir())
    for left in memory.glob(f"{_NAME}*-*"):
        if not _is_alive(int(left.name.removeprefix(_NAME).partition("-")[0])):
            rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=f"{_NAME}{os.getpid()}-", dir=memory, ignore_cleanup_errors=True) as folder:
        yield folder


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def join(folder: str, place: int) -> None:
    """Have this process keep its values there; for a worker, before it makes any metric."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # from where alone the library takes it
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def leave(folder: str, place: int) -> None:
    """Forget what was true of a worker while it lived, such as its running requests; what it has counted stays."""
    mark_process_dead(place, folder)  # type: ignore[no-untyped-call]


def abandon(folder: str) -> None:
    """Remove the folder of an owner that is gone; who still counts in it does not notice."""
    rmtree(folder, ignore_errors=True)


def is_shared() -> bool:
    """Whether this process is one of several whose metrics are one."""
    return values.ValueClass is not values.MutexValue
