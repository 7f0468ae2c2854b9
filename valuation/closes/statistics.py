"""The closing line value of many edges: counts, means and their errors, by class of edge.

Edges of one event win and lose together, so the standard error of a mean is clustered by event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from betting.db.sql import fetch_all
from valuation.clusters import clustered_error
from valuation.models import DOUBTFUL

MAX_EDGES = 100_000
"""The newest edges of a choice that are counted."""

MAX_GROUPS = 200

ENOUGH = 30
"""With fewer edges, a class is not judged."""

CURVE_POINTS = 120

_COLUMNS = {
    ("opened", "consensus"): "c.opened_clv",
    ("best", "consensus"): "c.best_clv",
    ("opened", "anchor"): "c.anchor_opened_clv",
    ("best", "anchor"): "c.anchor_best_clv",
}
"""Price and judge → the column of the CLV."""

PRICES = ("opened", "best")
JUDGES = ("consensus", "anchor")

_EV_BANDS = (0.01, 0.02, 0.03, 0.05, 0.10)
_EV_LABELS = ("below 1 %", "1–2 %", "2–3 %", "3–5 %", "5–10 %", "10 % and more")
_HOUR_BANDS = (1.0, 3.0, 6.0, 24.0)
_HOUR_LABELS = ("less than 1 h", "1–3 h", "3–6 h", "6–24 h", "24 h and more")
_AGE_BANDS = (10.0, 60.0, 600.0, 3600.0)
_AGE_LABELS = ("less than 10 s", "10–60 s", "1–10 min", "10–60 min", "1 h and more")


@dataclass(frozen=True, slots=True)
class _Grouping:
    """A way to class edges.

    Attributes:
        key: the SQL of the class; a number for bands.
        title: the SQL of what people call it.
        labels: of bands.
    """

    key: str
    title: str
    labels: Sequence[str] = ()


def _bands(column: str, limits: Sequence[float], labels: Sequence[str]) -> _Grouping:
    of_row = f"width_bucket({column}, ARRAY{list(limits)}::float8[])"
    return _Grouping(of_row, "''", labels)


GROUPINGS: Final = {
    "bookmaker": _Grouping("b.key", "b.title"),
    "sport": _Grouping("s.key", "s.title"),
    "kind": _Grouping("m.kind", "m.kind"),
    "ev": _bands("c.opened_ev", _EV_BANDS, _EV_LABELS),
    "hours": _bands("c.ahead_seconds / 3600", _HOUR_BANDS, _HOUR_LABELS),
    "age": _bands("c.open_seconds", _AGE_BANDS, _AGE_LABELS),
}
"""Name → the classes: by opening EV, by hours from the opening to the start, by how long it was
open."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The edges to count.

    Attributes:
        since: those whose close was taken from then on.
        price: one of `PRICES`: the price they are taken at.
        judge: one of `JUDGES`: whose close judges.
        bookmaker, sport, kind: keys; empty for all.
        min_ev: the least expected value when they opened.
        doubtful: whether those that are probably mistakes are counted as well.
    """

    since: datetime
    price: str = "opened"
    judge: str = "consensus"
    bookmaker: str = ""
    sport: str = ""
    kind: str = ""
    min_ev: float = -1.0
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class ClvSummary:
    """The closing line value of a class of edges.

    Attributes:
        key: the class; empty for all edges.
        title: what people call it.
        count: its edges.
        events: the events that they are of.
        mean: the mean CLV.
        standard_error: of the mean, clustered by event; None with fewer than two events.
        beats_close: the share of edges with a CLV above 0.
        claimed_ev: the mean expected value when they opened.
    """

    key: str
    title: str
    count: int
    events: int
    mean: float
    standard_error: float | None
    beats_close: float
    claimed_ev: float

    @property
    def is_losing(self) -> bool:
        """Return True if enough edges have a mean below zero by two standard errors."""
        error = self.standard_error
        return self.count >= ENOUGH and error is not None and self.mean < -2 * error


def summaries(choice: Choice, grouping: str = "") -> list[ClvSummary]:
    """Return the classes of the chosen edges, the largest first; bands in their order.

    Args:
        choice: the edges.
        grouping: one of `GROUPINGS`; empty for all of them together, one or none.
    """
    group = GROUPINGS.get(grouping, _Grouping("''", "''"))
    order = "key" if group.labels else "count DESC, key"
    statement = _SUMMARIES.format(
        edges=_edges(choice), key=group.key, title=group.title, order=order
    )
    rows = fetch_all(statement, {**asdict(choice), **_LIMITS})
    return [_summary(group, *row) for row in rows]


def _summary(
    group: _Grouping,
    key: str,
    title: str,
    counts: tuple[int, int, int],
    sums: tuple[float, float],
    products: tuple[float, float, float],
) -> ClvSummary:
    count, events, beating = counts
    total, claimed = sums
    name = group.labels[int(key)] if group.labels else title
    return ClvSummary(
        key=name if group.labels else key,
        title=name,
        count=count,
        events=events,
        mean=total / count,
        standard_error=clustered_error(count, events, total, products),
        beats_close=beating / count,
        claimed_ev=claimed / count,
    )


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The CLV of all edges up to a start, in units staked."""

    at: datetime
    total: float
    claimed: float


def cumulated(choice: Choice) -> list[CurvePoint]:
    """Return the cumulated CLV of the chosen edges by start, and the EV that they claimed."""
    rows = fetch_all(
        _CURVE.format(edges=_edges(choice)),
        {**asdict(choice), **_LIMITS, "points": CURVE_POINTS},
    )
    return [CurvePoint(*row) for row in rows]


def _edges(choice: Choice) -> str:
    return _EDGES.format(clv=_COLUMNS[choice.price, choice.judge])


_LIMITS = {"max_edges": MAX_EDGES, "max_groups": MAX_GROUPS, "doubts": DOUBTFUL}

# The statements are made of the names above alone; what a user chooses is a parameter.
_EDGES = """
    FROM valuation_edgeclosing c
    JOIN valuation_edge e ON e.id = c.edge_id
    JOIN betting_quote q ON q.id = e.quote_id
    JOIN betting_bookmaker b ON b.id = q.bookmaker_id
    JOIN betting_market m ON m.id = c.market_id
    JOIN betting_event ev ON ev.id = m.event_id
    JOIN betting_sport s ON s.id = ev.sport_id
    CROSS JOIN LATERAL (SELECT {clv} AS clv) AS v
    WHERE c.taken_at >= %(since)s AND v.clv IS NOT NULL
      AND %(bookmaker)s IN ('', b.key) AND %(sport)s IN ('', s.key) AND %(kind)s IN ('', m.kind)
      AND c.opened_ev >= %(min_ev)s AND (%(doubtful)s OR NOT e.warnings && %(doubts)s::varchar[])
    ORDER BY c.taken_at DESC, c.id DESC LIMIT %(max_edges)s
"""

_SUMMARIES = """
WITH edge AS MATERIALIZED (
    SELECT ({key})::text AS key, {title}::text AS title, m.event_id, v.clv, c.opened_ev {edges}
),
by_event AS (
    SELECT key, max(title) AS title, event_id, count(*) AS n, sum(clv) AS sum,
           count(*) FILTER (WHERE clv > 0) AS beating, sum(opened_ev) AS claimed
    FROM edge GROUP BY key, event_id
)
SELECT key, title, ROW (count, events, beating), ROW (sum, claimed), ROW (squares, mixed, sizes)
FROM (
    SELECT key, max(title) AS title, sum(n)::bigint AS count, count(*) AS events,
           sum(beating)::bigint AS beating, sum(sum) AS sum, sum(claimed) AS claimed,
           sum(sum * sum) AS squares, sum(sum * n) AS mixed, sum(n * n)::float8 AS sizes
    FROM by_event GROUP BY key
) AS g
ORDER BY {order} LIMIT %(max_groups)s
"""

_CURVE = """
WITH edge AS MATERIALIZED (
    SELECT c.id, c.closes_at, v.clv, c.opened_ev {edges}
),
part AS (
    SELECT number, max(closes_at) AS at, sum(clv) AS sum, sum(opened_ev) AS claimed
    FROM (
        SELECT *, ntile(%(points)s) OVER (ORDER BY closes_at, id) AS number FROM edge
    ) AS e
    GROUP BY number
)
SELECT at, sum(sum) OVER (ORDER BY number), sum(claimed) OVER (ORDER BY number)
FROM part ORDER BY number
"""
