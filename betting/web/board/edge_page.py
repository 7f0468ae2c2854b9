"""One edge: the bet, and what each bookmaker's own prices make of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from betting.admin_base import formatting
from betting.config import get_config
from betting.db.freshness import trusted_quotes
from betting.models import Quote, Side
from betting.web.board.filters import Choices
from betting.words import fair_odds, odds, signed_percent
from valuation.arrays import FloatArray
from valuation.devig import devig
from valuation.edges import bet_odds, expected_value
from valuation.fees import commission_of
from valuation.models import EdgeClosing


@dataclass(frozen=True, slots=True)
class Opinion:
    """The opinion of one bookmaker's prices on the bet.

    Attributes:
        chance: of the bet to win, without the bookmaker's margin.
        ev: of the bet at its price, if that chance were right.
    """

    book: str
    price: str
    chance: str
    ev: str
    is_positive: bool
    is_own: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """An edge as it opened, and the best that it has been."""

    price: str
    fair: str
    ev: str
    peak_ev: str


def opening(edge: Any, choices: Choices) -> Opening:
    """Return an edge's price, fair price and expected value when it opened."""
    chance = edge.opened_probability
    _, evs = _worth(edge.quote, edge.opened_price, np.array([chance]))
    evs *= _at_risk(edge)
    return Opening(
        price=odds(edge.opened_price, choices.odds_format),
        fair=fair_odds(1 / chance, choices.odds_format),
        ev=signed_percent(float(evs[0])),
        peak_ev=signed_percent(edge.peak_ev),
    )


@dataclass(frozen=True, slots=True)
class Closed:
    """The worth of an edge at the close, in words.

    Attributes:
        clv: closing line value at the price at which it opened.
        note: the same at its best price, and by an anchor where there is one.
        is_positive: whether it beat the close.
    """

    clv: str
    note: str
    is_positive: bool


def at_the_close(edge: Any) -> Closed | None:
    """Return an edge's closing line value; None before the start, or without a close."""
    closing = EdgeClosing.objects.filter(edge=edge).select_related("anchor").first()
    if closing is None:
        return None
    note = f"at its best price {signed_percent(closing.best_clv)}"
    if closing.anchor is not None:
        note += f"; by {closing.anchor.title} {signed_percent(closing.anchor_opened_clv)}"
    return Closed(signed_percent(closing.opened_clv), note, closing.opened_clv > 0)


def opinions(edge: Any, choices: Choices) -> list[Opinion]:
    """Return what each bookmaker that prices the whole line says, the one most in favour first.

    Args:
        edge: with its quote, outcome and bookmaker.
        choices: how odds are written.
    """
    outcome, own = edge.quote.outcome, edge.quote.bookmaker
    books = _whole_lines(edge)
    if outcome.pk not in next(iter(books.values()), {}):
        return []
    outcomes = sorted(next(iter(books.values())))
    place = outcomes.index(outcome.pk)
    table = np.array([[line[each] for each in outcomes] for line in books.values()])
    chances = devig(table, get_config().valuation.method).probabilities[:, place]
    winning, evs = _worth(edge.quote, edge.price, chances)
    evs *= _at_risk(edge)
    found = sorted(zip(books, table[:, place], winning, evs, strict=True), key=lambda row: -row[3])
    return [
        Opinion(
            book=title,
            price=odds(float(price), choices.odds_format),
            chance=formatting.percent(float(chance), 1),
            ev=signed_percent(float(ev)),
            is_positive=bool(ev > 0),
            is_own=title == own.title,
        )
        for title, price, chance, ev in found
    ]


def _worth(quote: Quote, price: float, chances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a bet's chance to win, and its expected value, by some chances of its outcome.

    Args:
        quote: with its bookmaker; says if the outcome is backed or laid.
        price: decimal odds of the bet.
        chances: of the outcome, shape (n,).
    """
    is_lay = quote.side == Side.LAY
    winning = 1 - chances if is_lay else chances
    shape = chances.shape
    commission = np.full(shape, commission_of(quote.bookmaker, price, quote.side) or 0.0)
    odds_net = bet_odds(np.full(shape, price), commission, np.full(shape, is_lay))
    return winning, expected_value(winning, odds_net)


def _at_risk(edge: Any) -> float:
    """Return the part of the stake that no push is expected to return: the edge's EV counts it."""
    _, (per_unit_at_risk,) = _worth(edge.quote, edge.price, np.array([edge.probability]))
    return min(edge.ev / per_unit_at_risk, 1.0) if edge.ev > 0 < per_unit_at_risk else 1.0


def _whole_lines(edge: Any) -> dict[str, dict[int, float]]:
    """Return the back prices of the edge's line by bookmaker and outcome.

    Only of the bookmakers that price as many outcomes of it as any does.
    """
    fresh = (
        trusted_quotes()
        .filter(market=edge.market_id, outcome__line=edge.quote.outcome.line, side=Side.BACK)
        .values_list("bookmaker__title", "outcome_id", "price")
    )
    prices: dict[str, dict[int, float]] = defaultdict(dict)
    for title, outcome_id, price in fresh:
        prices[title][outcome_id] = price
    size = max(map(len, prices.values()), default=0)
    whole = {title: line for title, line in prices.items() if len(line) == size >= 2}
    outcomes = next(iter(whole.values()), {}).keys()
    return {title: line for title, line in whole.items() if line.keys() == outcomes}
