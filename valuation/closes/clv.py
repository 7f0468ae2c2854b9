"""The closing line value of edges: what a bet on them was worth by the prices at the close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, positions
from valuation.closes.rebuild import ANCHORS, Closes, PriceHistory
from valuation.edges import bet_odds, closing_line_value, expected_value


@dataclass(frozen=True, slots=True)
class OpenedEdges:
    """Edges that opened before the start of their event; columns of shape (e,).

    Attributes:
        edge_id: the edge.
        quote_id: its quote.
        opened_price: decimal odds when it opened.
        opened_probability: of its outcome, by the others then.
        best_price: the best price that its quote had while it was open and before the start.
        ahead_seconds: from when it opened to the start.
        open_seconds: from when it opened until it closed, or to the start.
    """

    edge_id: IntArray
    quote_id: IntArray
    opened_price: FloatArray
    opened_probability: FloatArray
    best_price: FloatArray
    ahead_seconds: FloatArray
    open_seconds: FloatArray


@dataclass(frozen=True, slots=True)
class EdgeCloses:
    """Edges whose outcome has a close, judged by it; columns of shape (k,).

    Attributes:
        place: the edge's place among those asked about.
        winning: the probability that the bet wins, by the bookmakers of other groups at the close,
            or, where they are too few, by all of them.
        books: how many those are.
        by_others: whether the edge's own group is left out.
        opened_ev: expected value when it opened.
        opened_clv: closing line value at the opening price.
        best_clv: the same at the best price.
        anchor: the place in `ANCHORS` of the best one with a close that is not of the edge's own
            group; −1 where there is none.
        anchor_winning: the probability that the bet wins by that one alone; NaN as above.
        anchor_opened_clv, anchor_best_clv: CLV by that; NaN as above.
    """

    place: IntArray
    winning: FloatArray
    books: IntArray
    by_others: BoolArray
    opened_ev: FloatArray
    opened_clv: FloatArray
    best_clv: FloatArray
    anchor: IntArray
    anchor_winning: FloatArray
    anchor_opened_clv: FloatArray
    anchor_best_clv: FloatArray


def edge_closes(edges: OpenedEdges, history: PriceHistory, found: Closes) -> EdgeCloses:
    """Judge edges by the close of their outcomes.

    Where a push may return the stake, values are per unit staked, by the pushes that the close
    expects; per unit that is not returned where it does not say.

    Args:
        edges: of the history's quotes.
        history: what the closes were rebuilt from.
        found: the closes.
    """
    fair = found.fair
    quote = positions(history.quote_id, edges.quote_id)
    outcome = np.searchsorted(fair.outcome_id, history.outcome_id[quote])
    closed = np.zeros(quote.size, dtype=np.bool_)
    known = outcome < fair.outcome_id.size
    closed[known] = fair.outcome_id[outcome[known]] == history.outcome_id[quote[known]]
    closed[closed] = ~np.isnan(fair.probability[outcome[closed]])
    closed &= ~np.isnan(history.rate[quote])
    place = np.flatnonzero(closed)
    quote, outcome = quote[place], outcome[place]
    is_lay, at_risk = history.is_lay[quote], 1 - np.nan_to_num(fair.returned[outcome])

    measured = ~np.isnan(found.winning[quote])
    consensus = _winning(fair.probability[outcome], is_lay)
    winning = np.where(measured, found.winning[quote], consensus)
    anchor, anchor_probability = _anchors(
        fair.anchored[outcome], history.group_id[quote], _groups_of_anchors(history)
    )
    anchor_winning = _winning(anchor_probability, is_lay)
    opened, best = (
        bet_odds(price[place], history.kept(quote, price[place]), is_lay)
        for price in (edges.opened_price, edges.best_price)
    )
    expected = _winning(edges.opened_probability[place], is_lay)
    return EdgeCloses(
        place=place,
        winning=winning,
        books=np.where(measured, found.other_books[quote], fair.books[outcome]),
        by_others=measured | ~found.stands[quote],
        opened_ev=at_risk * expected_value(expected, opened),
        opened_clv=at_risk * closing_line_value(winning, opened),
        best_clv=at_risk * closing_line_value(winning, best),
        anchor=anchor,
        anchor_winning=anchor_winning,
        anchor_opened_clv=at_risk * closing_line_value(anchor_winning, opened),
        anchor_best_clv=at_risk * closing_line_value(anchor_winning, best),
    )


def _winning(probability: FloatArray, is_lay: BoolArray) -> FloatArray:
    """Return the probability that bets win: laying an outcome is backing its complement."""
    return np.where(is_lay, 1 - probability, probability)


def _groups_of_anchors(history: PriceHistory) -> IntArray:
    """Return the group of each anchor, −1 of one that quotes nothing."""
    found = np.full(len(ANCHORS), -1, dtype=np.int64)
    is_anchor = history.anchor >= 0
    found[history.anchor[is_anchor]] = history.group_id[is_anchor]
    return found


def _anchors(anchored: FloatArray, own: IntArray, groups: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the first anchor with a close that is not of an edge's group, and its probability.

    Args:
        anchored: by edge and anchor, shape (k, anchors).
        own: the group of the edge's bookmaker, (k,).
        groups: those of the anchors, (anchors,).
    """
    usable = ~np.isnan(anchored) & (groups != own[:, np.newaxis])
    first = usable.argmax(axis=1)
    some = usable.any(axis=1)
    probability = anchored[np.arange(first.size), first]
    return np.where(some, first, -1), np.where(some, probability, np.nan)
