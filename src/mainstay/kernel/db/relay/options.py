"""How a relay works."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """What a deployment, a test or a measurement may want otherwise."""

    max_attempts: int = 12
    """After so many refusals an event is given up for the sink."""
    keep_events: timedelta = timedelta(days=7)
    keep_keys: timedelta = timedelta(hours=72)
    batch: int = 1000
    """Events in one statement; what a crash may send again is at most two of these for each sink."""
    poll: float = 1.0
    """Seconds after which it looks by itself: for events whose wake-up was lost, and for attempts that are due."""
