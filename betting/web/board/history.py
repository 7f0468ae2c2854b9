"""The history of an outcome's prices, for the chart: each bookmaker's, and the fair price.

The fair price is not stored over time. It is computed here from the line history by the same
valuation and today's settings: each sample of the window is valued as a market of its own, all of
them in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from betting.config import get_config
from betting.db.price_groups import GROUP
from betting.db.sql import fetch_all
from betting.db.weights import FAMILY, WEIGHT
from betting.models import Clock, Market, Outcome, Side
from valuation.arrays import FloatArray
from valuation.board import Board, value

SAMPLES = 240
"""The points of time at which a window is sampled: a chart shows hardly more."""

MAJOR_MOVES = 100

WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "all": timedelta(days=3_650)}

Points = list[tuple[float, float | None]]
"""Times in seconds since 1970, each with the odds from then on; None where there were none."""


@dataclass(frozen=True, slots=True)
class History:
    """The odds of an outcome over time.

    Attributes:
        books: by bookmaker's title, its back prices.
        fair: the fair odds.
        major_moves: the times of its major moves.
        until: the end of the window.
    """

    books: dict[str, Points]
    fair: Points
    major_moves: Sequence[float]
    until: float


@dataclass(frozen=True, slots=True)
class _Series:
    """The prices of one quote at each sample, NaN where it had none."""

    outcome_id: int
    bookmaker_id: int
    title: str
    is_lay: bool
    weight: float
    commission: float
    group_id: int
    prices: FloatArray


def history(outcome: Outcome, window: str, now: datetime) -> History:
    """Return the history of an outcome's odds, in three statements.

    Args:
        outcome: with its market.
        window: a key of `WINDOWS`.
        now: the end of the window, unless the market is of a recording: its time ends with the
            market's last change.
    """
    until = _end(outcome.market, now)
    times, series = _samples(outcome, until - WINDOWS[window], until)
    own = [each for each in series if each.outcome_id == outcome.pk and not each.is_lay]
    return History(
        books={each.title: _points(times, each.prices) for each in own},
        fair=_points(times, _fair_odds(series, outcome.pk, times.size)),
        major_moves=_major_moves(outcome, until - WINDOWS[window]),
        until=until.timestamp(),
    )


def _end(market: Market, now: datetime) -> datetime:
    is_recorded = market.quotes.filter(feed__provider__clock=Clock.RECORDED).exists()
    return market.changed_at if is_recorded and market.changed_at else now


def _samples(
    outcome: Outcome, since: datetime, until: datetime
) -> tuple[FloatArray, list[_Series]]:
    """Return the times of the samples, and each quote of the outcome's line at them."""
    bounds = {"market": outcome.market_id, "line": outcome.line, "since": since, "until": until}
    rows = fetch_all(_SAMPLES, {**bounds, "samples": SAMPLES})
    if not rows:
        return np.empty(0), []
    start, width = rows[0][0].timestamp(), rows[0][1]
    times = start + width * np.arange(SAMPLES + 1)
    return times, [_series(row) for row in rows]


def _series(row: tuple[Any, ...]) -> _Series:
    """Return a quote's prices, each carried on until the next change."""
    places, prices = row[-2:]
    index = np.zeros(SAMPLES + 1, dtype=np.int64)
    index[np.array(places)] = np.arange(1, len(places) + 1)
    known = np.array([np.nan, *prices], dtype=np.float64)
    outcome_id, bookmaker_id, title, side, weight, commission, group_id = row[2:-2]
    return _Series(
        outcome_id=outcome_id,
        bookmaker_id=bookmaker_id,
        title=title,
        is_lay=side == Side.LAY,
        weight=weight,
        commission=np.nan if commission is None else commission,
        group_id=group_id,
        prices=known[np.maximum.accumulate(index)],
    )


def _fair_odds(series: Sequence[_Series], outcome_id: int, samples: int) -> FloatArray:
    """Return the fair odds of an outcome at each sample, NaN where there were none."""
    fair = np.full(samples, np.nan)
    if not series:
        return fair
    prices = np.stack([each.prices for each in series])
    row, sample = np.nonzero(~np.isnan(prices))
    board = Board(
        market_id=sample,
        outcome_id=np.array([each.outcome_id for each in series])[row],
        line=np.full(row.size, np.nan),
        bookmaker_id=np.array([each.bookmaker_id for each in series])[row],
        is_lay=np.array([each.is_lay for each in series])[row],
        price=prices[row, sample],
        weight=np.array([each.weight for each in series])[row],
        commission=np.array([each.commission for each in series])[row],
        is_stale=np.zeros(row.size, dtype=np.bool_),
        group_id=np.array([each.group_id for each in series])[row],
    )
    found = value(board, get_config().valuation).fair
    is_own = found.outcome_id == outcome_id
    fair[found.market_id[is_own]] = 1 / found.probability[is_own]
    return fair


def _points(times: FloatArray, odds: FloatArray) -> Points:
    """Return the samples at which the odds change, and the last one."""
    if not times.size:
        return []
    is_same = (odds[1:] == odds[:-1]) | (np.isnan(odds[1:]) & np.isnan(odds[:-1]))
    kept = np.flatnonzero(np.append(True, ~is_same) | (np.arange(times.size) == times.size - 1))
    return [
        (round(float(times[at]), 3), None if np.isnan(odds[at]) else round(float(odds[at]), 4))
        for at in kept
    ]


def _major_moves(outcome: Outcome, since: datetime) -> list[float]:
    rows = fetch_all(_MAJOR, {"outcome": outcome.pk, "since": since, "limit": MAJOR_MOVES})
    return [at.timestamp() for (at,) in rows]


_SAMPLES = f"""
WITH m AS MATERIALIZED (
    SELECT m.kind, {FAMILY} AS family
    FROM betting_market m
    JOIN betting_event e ON e.id = m.event_id
    JOIN betting_sport s ON s.id = e.sport_id
    WHERE m.id = %(market)s
),
quote AS MATERIALIZED (
    SELECT q.id, q.outcome_id, q.bookmaker_id, q.side
    FROM betting_outcome o JOIN betting_quote q ON q.outcome_id = o.id
    WHERE o.market_id = %(market)s
      AND o.line IS NOT DISTINCT FROM %(line)s::float8
),
-- A window begins no earlier than the first change.
bounds AS MATERIALIZED (
    SELECT since, extract(epoch FROM %(until)s::timestamptz - since)::float8 / %(samples)s AS width
    FROM (
        SELECT greatest(%(since)s::timestamptz, min(first.received_at)) AS since
        FROM quote CROSS JOIN LATERAL (
            SELECT received_at FROM betting_linechange
            WHERE quote_id = quote.id ORDER BY id LIMIT 1
        ) AS first
    ) AS s
    WHERE since < %(until)s::timestamptz
),
-- The last change up to each sample; what a window begins with is that of sample 0.
sampled AS (
    SELECT DISTINCT ON (c.quote_id, place) c.quote_id, place, c.new_price
    FROM bounds CROSS JOIN quote JOIN betting_linechange c ON c.quote_id = quote.id
    CROSS JOIN LATERAL (
        -- Less a rounding error: one at the window's end is no sample beyond it.
        SELECT greatest(
            0, ceil(extract(epoch FROM c.received_at - bounds.since) / bounds.width - 1e-6)
        )::int AS place
    ) AS p
    WHERE c.received_at <= %(until)s::timestamptz
    ORDER BY c.quote_id, place, c.id DESC
)
SELECT bounds.since, bounds.width, quote.outcome_id, quote.bookmaker_id, b.title, quote.side,
       {WEIGHT} AS weight, b.commission, {GROUP},
       array_agg(place ORDER BY place), array_agg(new_price ORDER BY place)
FROM bounds CROSS JOIN m CROSS JOIN quote
JOIN sampled ON sampled.quote_id = quote.id
JOIN betting_bookmaker b ON b.id = quote.bookmaker_id
GROUP BY bounds.since, bounds.width, quote.outcome_id, quote.bookmaker_id, b.title, quote.side,
         b.id, m.family, m.kind
ORDER BY weight DESC, b.title
"""  # noqa: S608 - the texts of `betting.db.weights`

_MAJOR = """
SELECT c.received_at
FROM betting_quote q JOIN betting_linechange c ON c.quote_id = q.id
WHERE q.outcome_id = %(outcome)s AND c.classification = 'major' AND c.received_at >= %(since)s
ORDER BY c.received_at DESC LIMIT %(limit)s
"""
