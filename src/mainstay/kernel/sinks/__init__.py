"""Where the relay publishes: a module for each kind of receiver. Its docstring says what a receiver has to know.

What holds for all: a message may come twice, with the same id; messages of one aggregate come in order, unless one of
them was refused; time-outs are the sink's own, so that one that hangs holds the relay up for seconds, not for ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mainstay.kernel.core.errors import StartupError


@contextmanager
def from_extra(name: str, who: str) -> Iterator[None]:
    """Around an import whose packages come with the extra `name`; raises StartupError where they did not.

    `who` needs them, in the words of whoever reads that.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise StartupError(f"{who} needs more packages: pip install 'mainstay[{name}]'") from error
