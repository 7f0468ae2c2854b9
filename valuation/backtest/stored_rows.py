"""The stored history of some events as a sample: rows in, columns out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new, number, positions
from valuation.backtest.sample import Bookmakers, Sample
from valuation.closes.rebuild import PriceHistory, standing
from valuation.results.grading import DRAW, Bet, Score, grade, paid_parts


@dataclass(frozen=True, slots=True)
class ClosedEvent:
    """An event whose closing prices were taken.

    Attributes:
        id: its number.
        start: when it began.
        score: its result; None while there is none.
    """

    id: int
    start: datetime
    score: Score | None


@dataclass(frozen=True, slots=True)
class StoredOutcomes:
    """The outcomes of some events; columns of shape (o,).

    Attributes:
        id, event_id, market_id: numbers.
        point: the point of the line, NaN without one.
        role: its `covering.Role`.
        own_point: the point as the feed has it, NaN without one.
        kind, period, participant: of the market.
        name: of the outcome.
    """

    id: IntArray
    event_id: IntArray
    market_id: IntArray
    point: FloatArray
    role: IntArray
    own_point: FloatArray
    kind: Sequence[str]
    period: Sequence[str]
    participant: Sequence[str]
    name: Sequence[str]


@dataclass(frozen=True, slots=True)
class StoredQuotes:
    """The quotes of these outcomes; columns of shape (q,).

    Attributes:
        id, outcome_id, bookmaker_id: numbers.
        is_lay: whether the price is for laying the outcome.
        close: the closing price, NaN where there is none.
    """

    id: IntArray
    outcome_id: IntArray
    bookmaker_id: IntArray
    is_lay: BoolArray
    close: FloatArray


@dataclass(frozen=True, slots=True)
class StoredBookmakers:
    """All bookmakers in the order of their keys.

    Attributes:
        id: the number of each, shape (b,).
        terms: their terms.
    """

    id: IntArray
    terms: Bookmakers


def sample_of(
    events: Sequence[ClosedEvent],
    early: PriceHistory,
    outcomes: StoredOutcomes,
    quotes: StoredQuotes,
    bookmakers: StoredBookmakers,
) -> Sample:
    """Lay the stored history of some events out as a sample.

    Events are left out that have no closing price, or of which nobody had seen a price at the
    moment that was asked for.

    Args:
        events: in the order of time.
        early: their prices so long before the start.
        outcomes: at least those of the quotes.
        quotes: of the events; those that are not among them are left out.
        bookmakers: at least those of the quotes.
    """
    price, is_stale = standing(early)
    is_kept = np.isfinite(price) & ~is_stale & np.isin(early.quote_id, quotes.id)
    place = positions(quotes.id, early.quote_id[is_kept])
    columns = np.full((2, quotes.id.size), np.nan)
    columns[:, place] = price[is_kept], early.weight[is_kept]

    # Outcomes line by line.
    line = np.where(np.isnan(outcomes.point), np.inf, outcomes.point)
    order = np.lexsort((outcomes.id, line, outcomes.market_id))
    market, line = outcomes.market_id[order], line[order]
    outcome = positions(outcomes.id[order], quotes.outcome_id)
    event_of = outcomes.event_id[order][outcome]
    priced = set(event_of[place].tolist()) & set(event_of[np.isfinite(quotes.close)].tolist())
    wanted = [event for event in events if event.id in priced]
    number_of = {event.id: at for at, event in enumerate(wanted)}
    event = np.array([number_of.get(of, -1) for of in outcomes.event_id[order].tolist()], np.int64)
    back, paid = _grades(outcomes, {event.id: event.score for event in wanted})

    is_in = (event[outcome] >= 0) & (np.isfinite(columns[0]) | np.isfinite(quotes.close))
    # What is left of the outcomes is numbered anew.
    has_event = event >= 0
    renumbered = np.cumsum(has_event) - 1
    return Sample(
        bookmakers=bookmakers.terms,
        events=len(wanted),
        periods=tuple(dict.fromkeys(f"{event.start:%Y-%m}" for event in wanted)),
        event=event[has_event],
        market=market[has_event],
        line_number=number((is_new(market) | is_new(line))[has_event]),
        point=outcomes.point[order][has_event],
        role=outcomes.role[order][has_event],
        back=back[order][has_event],
        paid=paid[order][has_event],
        outcome=renumbered[outcome[is_in]],
        bookmaker=positions(bookmakers.id, quotes.bookmaker_id[is_in]),
        is_lay=quotes.is_lay[is_in],
        weight=np.nan_to_num(columns[1, is_in]),
        early=columns[0, is_in],
        close=quotes.close[is_in],
    )


def _grades(
    outcomes: StoredOutcomes, scores: Mapping[int, Score | None]
) -> tuple[FloatArray, FloatArray]:
    """Return the parts of a stake on each outcome that came back and were paid, NaN if unknown."""
    found = np.full((2, outcomes.id.size), np.nan)
    markets = outcomes.market_id.tolist()
    with_draw = {
        market for market, name in zip(markets, outcomes.name, strict=True)
        if name.casefold() == DRAW
    }  # fmt: skip
    rows = zip(
        outcomes.event_id.tolist(),
        markets,
        outcomes.kind,
        outcomes.period,
        outcomes.participant,
        outcomes.name,
        outcomes.own_point.tolist(),
        strict=True,
    )
    for at, (event, market, kind, period, participant, name, point) in enumerate(rows):
        score = scores.get(event)
        if score is None:
            continue
        own = None if np.isnan(point) else point
        bet = Bet(kind, period, participant, name, own, has_draw=market in with_draw)
        of = grade(bet, score)
        if of is not None:
            found[:, at] = paid_parts(of)
    return found[0], found[1]
