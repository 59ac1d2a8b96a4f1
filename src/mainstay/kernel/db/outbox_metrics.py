"""The outbox in figures, as the database knows them: right with a relay in whatever process."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from mainstay.kernel.core.errors import Unavailable
from mainstay.kernel.db.engine import Database
from mainstay.kernel.db.relay.session import LOCK_KEY

logger = logging.getLogger(__name__)

_KEPT_SECONDS = 1.0
"""So long the last figures do, for whoever asks more often than Prometheus. Shorter than its shortest interval: with
several workers, a counter that one of them has kept for longer would seem to go back, which means a restart."""

_PATIENCE_SECONDS = 0.5
"""A scrape has its own time-out, and the other figures are worth having when these cannot be had."""

_UNSEEN_MAX = 100_000
"""Not counted further: those behind a relay are told by their positions, whatever their number."""

# Each part goes by an index, but for `left_behind`, which reads what sinks have refused.
_FIGURES = f"""
WITH log AS (SELECT coalesce(max(position), 0) AS top FROM outbox),
unseen AS (
    SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE position IS NULL LIMIT {_UNSEEN_MAX}) AS counted) AS events,
        (SELECT created_at FROM outbox WHERE position IS NULL ORDER BY seq LIMIT 1) AS oldest,
        (SELECT count(*) FROM pg_locks
         WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND (classid::bigint << 32) + objid::bigint = {LOCK_KEY}
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS relays
),
left_behind AS (
    SELECT sink, count(*) FILTER (WHERE dead_at IS NULL) AS live, count(dead_at) AS dead,
        min(position) FILTER (WHERE dead_at IS NULL) AS first
    FROM outbox_deliveries GROUP BY sink
)
SELECT u.events, u.relays, s.sink, greatest(l.top - s.position, 0) + u.events + coalesce(b.live, 0),
    greatest(extract(epoch FROM now() - least(
        u.oldest,
        (SELECT created_at FROM outbox WHERE position > s.position ORDER BY position LIMIT 1),
        (SELECT created_at FROM outbox WHERE position = b.first)
    )), 0)::float8,
    coalesce(b.dead, 0), s.published, s.failed, s.dead, s.lag_seconds
FROM log l CROSS JOIN unseen u LEFT JOIN outbox_sinks s ON s.is_served LEFT JOIN left_behind b USING (sink)
"""  # noqa: S608 - of the constants above


class OutboxMetrics:
    """Looks at the outbox for a scrape."""

    def __init__(self, database: Database, *, kept: float = _KEPT_SECONDS) -> None:
        self._database = database
        self._kept = kept
        self._until = 0.0
        self._found: Sequence[Metric] = ()

    async def look(self) -> Sequence[Metric]:
        """The figures; none where the database does not tell them in time."""
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + self._kept
            self._found = await self._look()
        return self._found

    async def _look(self) -> Sequence[Metric]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.connection() as connection:
                return _metrics(await connection.driver.fetch(_FIGURES))
        except (TimeoutError, Unavailable, asyncpg.PostgresError) as error:  # away, busy, or not migrated
            logger.warning("metrics: nothing is known of the outbox: %s", str(error) or type(error).__name__)
            return ()


def _metrics(rows: Sequence[Sequence[Any]]) -> Sequence[Metric]:
    unseen = GaugeMetricFamily(
        "outbox_unseen_events", f"Events that no relay has seen yet, counted up to {_UNSEEN_MAX}."
    )
    relays = GaugeMetricFamily("outbox_relays", "Relays at work, in whatever process: 1, or 0 where events wait.")
    sinks = _SinkFamilies()
    unseen.add_metric((), rows[0][0])
    relays.add_metric((), rows[0][1])
    for _, _, sink, backlog, oldest, dead_now, *counts, lag in rows:
        if sink is not None:
            sinks.add(sink, (backlog, oldest, dead_now), counts, lag)
    return unseen, relays, *sinks.families


class _SinkFamilies:
    """What there is for each sink."""

    def __init__(self) -> None:
        self._gauges = (
            _gauge("backlog_events", "Events that the sink has yet to take, and that are not given up."),
            _gauge("oldest_event_age_seconds", "Age of the oldest event that the sink has yet to take; 0 without one."),
            _gauge("dead_events", "Events given up, which `mainstay outbox retry` sends again."),
        )
        self._counters = (
            _counter("published", "Events that the sink has taken."),
            _counter("failed", "Attempts that the sink has refused."),
            _counter("dead", "Events given up after too many attempts."),
        )
        self._lag = SummaryMetricFamily(
            "outbox_publish_lag_seconds", "From an event to the moment at which the sink had taken it.", labels=["sink"]
        )

    @property
    def families(self) -> Sequence[Metric]:
        """All of them."""
        return (*self._gauges, *self._counters, self._lag)

    def add(self, sink: str, now: Sequence[float], counts: Sequence[int], lag: float) -> None:
        """Take a sink's figures: how it stands, and what was counted; each in the order above."""
        for gauge, value in zip(self._gauges, now, strict=True):
            gauge.add_metric([sink], value)
        for counter, count in zip(self._counters, counts, strict=True):
            counter.add_metric([sink], count)
        self._lag.add_metric([sink], count_value=counts[0], sum_value=lag)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"outbox_{name}", text, labels=["sink"])


def _counter(name: str, text: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"outbox_{name}", text, labels=["sink"])
