"""The work done, as sums that only grow: the newest rows are added once and never read again.

The difference of two such sums is the work done in between, so a window of an hour costs as much as
one of a second, however long the history is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from betting.db.sql import fetch_all
from streaming.core.histogram import BUCKETS

SETTLE_SECONDS = 30.0
"""Rows are counted this long after their time: their transaction has ended then, by its limits."""

STARTUP_LATENCY = "startup_latency"
"""The name of the latencies during a start, counted once more: no check judges them."""

Totals = Mapping[str, float]
"""``name:label`` → how much, e.g. ``polls:ok`` → 12."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The work done, in total or within a window.

    Attributes:
        totals: how much of what.
    """

    totals: Totals

    def of(self, name: str, label: str = "") -> float:
        """Return how much there is of one thing."""
        return self.totals.get(f"{name}:{label}", 0)

    def by_label(self, name: str) -> dict[str, float]:
        """Return label → how much, of one thing."""
        pairs = (key.split(":", 1) for key in self.totals)
        return {label: self.of(kind, label) for kind, label in pairs if kind == name}

    def sum(self, name: str) -> float:
        """Return how much there is of one thing, under all labels."""
        return sum(self.by_label(name).values())

    def latencies(self, *triggers: str) -> list[int]:
        """Return the markets valued, by latency: a histogram of `streaming.core.histogram`."""
        return self._histogram("latency", triggers)

    def startup_latencies(self, *triggers: str) -> list[int]:
        """Return those of them that were valued while the system was starting."""
        return self._histogram(STARTUP_LATENCY, triggers)

    def _histogram(self, name: str, triggers: tuple[str, ...]) -> list[int]:
        return [
            int(sum(self.of(name, f"{trigger}.{bucket}") for trigger in triggers))
            for bucket in range(BUCKETS)
        ]

    def since(self, earlier: Counters) -> Counters:
        """Return the work done between an earlier sum and this one."""
        return Counters(
            {key: amount - earlier.totals.get(key, 0) for key, amount in self.totals.items()}
        )


def advanced(
    totals: Totals, since: datetime, until: datetime, *, is_startup: bool = False
) -> dict[str, float]:
    """Return the totals with the work done from one time to another added.

    Args:
        totals: what had been done before.
        since: the beginning.
        until: the end, exclusive.
        is_startup: True where latencies say how long a start takes, and not how fast the system is.
    """
    rows = fetch_all(_DONE, {"since": since, "until": until})
    more = Counter({f"{name}:{label}": amount for name, label, amount in rows})
    if is_startup:
        more += Counter(
            {f"{STARTUP_LATENCY}:{label}": n for name, label, n in rows if name == "latency"}
        )
    return dict(Counter(totals) + more)


_DONE = """
WITH poll AS (
    SELECT outcome, count(*) AS polls, sum(changes) AS changes, sum(quotes_seen) AS quotes
    FROM streaming_pollrun WHERE started_at >= %(since)s AND started_at < %(until)s
    GROUP BY outcome
),
run AS MATERIALIZED (
    SELECT trigger, markets, valued, edges_opened, edges_closed, latency_ms_sum, latency_counts
    FROM valuation_recomputerun WHERE finished_at >= %(since)s AND finished_at < %(until)s
),
done (name, label, amount) AS (
    SELECT 'polls', outcome, polls FROM poll
    UNION ALL SELECT 'changes', '', sum(changes) FROM poll
    UNION ALL SELECT 'quotes', '', sum(quotes) FROM poll
    UNION ALL SELECT 'recomputes', trigger, count(*) FROM run GROUP BY trigger
    UNION ALL SELECT 'asked', trigger, sum(markets) FROM run GROUP BY trigger
    UNION ALL SELECT 'valued', trigger, sum(valued) FROM run GROUP BY trigger
    UNION ALL SELECT 'latency_ms', trigger, sum(latency_ms_sum) FROM run GROUP BY trigger
    UNION ALL SELECT 'edges', 'opened', sum(edges_opened) FROM run
    UNION ALL SELECT 'edges', 'closed', sum(edges_closed) FROM run
    UNION ALL SELECT 'latency', trigger || '.' || (b.bucket - 1), sum(b.markets)
        FROM run, unnest(latency_counts) WITH ORDINALITY AS b (markets, bucket)
        GROUP BY trigger, b.bucket
    UNION ALL SELECT 'deliveries', outcome, count(*) FROM streaming_deliveryrun
        WHERE started_at >= %(since)s AND started_at < %(until)s GROUP BY outcome
    UNION ALL SELECT 'letters', kind, count(*) FROM streaming_deadletteroccurrence
        WHERE seen_at >= %(since)s AND seen_at < %(until)s GROUP BY kind
)
SELECT name, label, amount::float8 FROM done WHERE amount > 0
"""
