"""What is asked of every subject: the rows of the results."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request."""

    name: str
    """Of the function in requests.lua that makes the requests."""
    title: str
    writes: bool = False
    """Whether each request leaves an event in the outbox."""
    targets: Mapping[str, float] = field(default_factory=dict)
    """What Mainstay has to reach: its throughput as a multiple of the named subject's."""


SCENARIOS = (
    Scenario("get", "GET one pet", targets={"ceiling": 0.5, "template": 2.1}),
    Scenario("list", "GET a list of 50 pets, one filter", targets={"ceiling": 0.55}),
    Scenario("tasks", "GET a list of 50 tasks, two filters", targets={"ceiling": 0.55}),
    Scenario("config", "GET one configuration", targets={"ceiling": 0.5}),
    Scenario("unchanged", "GET one configuration with If-None-Match: 304", targets={"ceiling": 0.5}),
    # Those that write come last, and the one that makes the table grow at the very end.
    Scenario("patch", "PATCH with If-Match: read, decide, compare-and-set, event", writes=True),
    Scenario("post", "POST with Idempotency-Key and event", writes=True),
)
