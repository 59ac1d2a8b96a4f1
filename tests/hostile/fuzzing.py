"""What the fuzzers share: strategies, how many examples, and what a parser may do."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SECRET = b"for-the-fuzzers-0123456789-abcdefgh"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda value: st.lists(value, max_size=3) | st.dictionaries(st.text(max_size=5), value, max_size=3),
    max_leaves=4,
)

many = settings(deadline=None)
"""For parsers that touch no file."""
in_a_folder = settings(
    max_examples=settings().max_examples // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
"""For those that do: each example overwrites the one before."""


def value_or(error: type[Exception] | tuple[type[Exception], ...], parse: Callable[..., Any], *given: Any) -> Any:
    """What the parser makes of it, None where it raises this error; any other exception fails the test."""
    try:
        return parse(*given)
    except error:
        return None
