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
    Scenario("order", "GET one order", targets={"ceiling": 0.65, "template": 2.7}),
    Scenario("orders", "GET a list of 50 orders, the first page", targets={"ceiling": 0.75, "template": 3.2}),
    Scenario("pet", "GET one pet", targets={"ceiling": 0.65}),
    Scenario("task", "GET one task", targets={"ceiling": 0.65}),
    Scenario("tasks", "GET a list of 50 tasks, two filters", targets={"ceiling": 0.65}),
    Scenario("config", "GET one configuration", targets={"ceiling": 0.55}),
    Scenario("unchanged", "GET one configuration with If-None-Match: 304", targets={"ceiling": 0.65}),
    # Those that write come last, and the one that makes the table grow at the very end.
    Scenario(
        "confirm",
        "PATCH an order to confirm it: read, decide, compare-and-set, event",
        writes=True,
        targets={"ceiling": 0.6, "template": 3},
    ),
    Scenario(
        "create",
        "POST an order with Idempotency-Key and event",
        writes=True,
        targets={"ceiling": 0.65, "template": 4.5},
    ),
)
