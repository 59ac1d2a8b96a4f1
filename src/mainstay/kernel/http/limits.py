"""How much, and for how long, a caller may send."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What `StrictRequest` holds a body to."""

    max_body_bytes: int = 1_048_576
    body_timeout: float = 30.0
    """Seconds from the first look at the body to its end, an oversized one's drain included."""
