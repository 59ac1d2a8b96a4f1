"""How much, for how long, and how often a caller may send."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mainstay.kernel.core.rates import Group, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What `StrictRequest` holds a body to, and the route class a caller."""

    max_body_bytes: int = 1_048_576
    body_timeout: float = 30.0
    """Seconds from the first look at the body to its end, an oversized one's drain included."""
    rates: Mapping[Group, Rate] = field(default_factory=dict)
    """Requests of one caller, by group; one that is not there has no limit."""
