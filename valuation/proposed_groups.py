"""Bookmakers whose prices move together, as those of one operator or supplier do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from betting.db.sql import fetch_all

WITHIN_SECONDS = 120.0
"""Two changes to the same price of the same bet within it are together: a minute or two polls."""

MAX_CHANGES = 1_000_000
"""The newest changes of all kinds that are looked at: those of 20 bookmakers take six seconds."""

MIN_CHANGES = 50
"""Of fewer changes nothing is said: two bookmakers come to the same price by chance, too."""

MIN_SHARE = 0.9
"""The least share of the changes of each that the other made as well."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bookmakers, and how often their prices moved together.

    Attributes:
        first, second: their keys.
        changes: of the one that changed less, on bets that both quote.
        share: of the changes of either, the smaller share that the other made as well.
    """

    first: str
    second: str
    changes: int
    share: float

    @property
    def moves_together(self) -> bool:
        """True if they seem to share one price."""
        return self.changes >= MIN_CHANGES and self.share >= MIN_SHARE


def pairs(days: float) -> list[Pair]:
    """Compare the price changes of all bookmakers, those that arrived in the last days.

    Of more changes than `MAX_CHANGES` the newest ones count.
    """
    found = fetch_all(_PAIRS, {"days": days, "within": WITHIN_SECONDS, "max_changes": MAX_CHANGES})
    return [Pair(*row) for row in found]


def groups(found: Iterable[Pair]) -> list[tuple[str, ...]]:
    """Return the groups that pairs make: of any two of a group a chain of pairs moves together.

    >>> alike = [Pair("a", "b", 90, 1.0), Pair("b", "c", 90, 0.95), Pair("c", "d", 90, 0.5)]
    >>> groups(alike)
    [('a', 'b', 'c')]
    """
    group_of: dict[str, set[str]] = {}
    for pair in found:
        if pair.moves_together:
            joined = group_of.get(pair.first, {pair.first}) | group_of.get(
                pair.second, {pair.second}
            )
            group_of.update(dict.fromkeys(joined, joined))
    return sorted({tuple(sorted(group)) for group in group_of.values()})


# A change of one bookmaker is matched by any change of the other to the same price.
_PAIRS = """
WITH change AS MATERIALIZED (
    SELECT c.id, q.outcome_id, q.bookmaker_id, c.new_price, c.received_at
    FROM (SELECT * FROM betting_linechange ORDER BY id DESC LIMIT %(max_changes)s) AS c
    JOIN betting_quote q ON q.id = c.quote_id
    WHERE c.kind = 'price' AND q.side = 'back'
      AND c.received_at >= statement_timestamp() - make_interval(secs => %(days)s * 86400)
),
matched AS (
    SELECT a.bookmaker_id AS one, b.bookmaker_id AS other, count(DISTINCT a.id) AS changes
    FROM change a
    JOIN change b ON b.outcome_id = a.outcome_id AND b.new_price = a.new_price
      AND b.bookmaker_id <> a.bookmaker_id
      AND b.received_at BETWEEN a.received_at - make_interval(secs => %(within)s)
                            AND a.received_at + make_interval(secs => %(within)s)
    GROUP BY a.bookmaker_id, b.bookmaker_id
),
compared AS (
    SELECT a.bookmaker_id AS one, q.bookmaker_id AS other, sum(a.changes)::bigint AS changes,
           COALESCE(max(matched.changes), 0)::float8 / sum(a.changes)::float8 AS share
    FROM (
        SELECT bookmaker_id, outcome_id, count(*) AS changes FROM change
        GROUP BY bookmaker_id, outcome_id
    ) AS a
    JOIN betting_quote q ON q.outcome_id = a.outcome_id AND q.side = 'back'
      AND q.bookmaker_id <> a.bookmaker_id
    LEFT JOIN matched ON matched.one = a.bookmaker_id AND matched.other = q.bookmaker_id
    GROUP BY a.bookmaker_id, q.bookmaker_id
)
SELECT f.key, s.key, least(x.changes, y.changes), least(x.share, y.share) AS share
FROM compared x
JOIN compared y ON y.one = x.other AND y.other = x.one
JOIN betting_bookmaker f ON f.id = x.one
JOIN betting_bookmaker s ON s.id = x.other
WHERE f.key < s.key
ORDER BY share DESC, f.key, s.key
"""
