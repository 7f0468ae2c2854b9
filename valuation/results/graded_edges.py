"""Edges of events with a result: what they claimed and what they paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from betting.db.sessions import sessions_alias
from betting.models import FeeModel, Outcome, Side
from valuation.arrays import FloatArray, IntArray
from valuation.backtest.estimates import Estimate, estimate
from valuation.backtest.scores import Tenth, calibration
from valuation.edges import bet_odds, effective_commission, expected_value
from valuation.models import DOUBTFUL, IN_PLAY, Edge
from valuation.results.grading import (
    DRAW,
    Bet,
    Grade,
    Score,
    grade,
    profit,
    settled_grade,
    settled_profit,
)

GROUPS: Mapping[str, str] = {
    "bookmaker": "quote__bookmaker__key",
    "sport": "market__event__sport__key",
    "kind": "market__kind",
}
"""What edges can be listed by → where an edge has it."""


@dataclass(frozen=True, slots=True)
class GradedEdges:
    """Edges with a grade, at the price and the probability at which they opened; shape (k,).

    Attributes:
        event: the event of each.
        group: what it is listed by.
        ev: the claimed EV by these; with the pushes that the close expects, where it has one.
        probability: of winning, given that the stake is not returned.
        grade: of its outcome.
        profit: per unit staked; of a lay bet per unit of liability.
        is_lay: whether the bet is against the outcome.
    """

    event: IntArray
    group: Sequence[str]
    ev: FloatArray
    probability: FloatArray
    grade: Sequence[Grade]
    profit: FloatArray
    is_lay: Sequence[bool]


def graded_edges(by: str) -> GradedEdges:
    """Grade the edges of events with a result that opened before the start and are not doubtful.

    What an exchange's contract paid decides an edge at this exchange, and others where no score is
    known.

    Args:
        by: a key of `GROUPS`.
    """
    rows = []
    for row in _rows(by).using(sessions_alias()).iterator(chunk_size=2_000):
        *bet, group, event, lay, price, probability, claimed, rate, fee = row[:-8]
        bookmaker, source, value, result = row[-8:-4]
        is_settled = source is not None and _settles(
            is_own=source == bookmaker, value=value, result=result
        )
        if is_settled:
            found: Grade | None = settled_grade(value)
        else:
            found = None if result is None else grade(Bet(*bet), Score(*row[-4:]))
        if found is None or rate is None:
            continue
        is_lay = lay == Side.LAY
        at = np.array(price), np.array(rate), np.array(is_lay), np.array(fee == FeeModel.CONTRACT)
        odds = float(bet_odds(at[0], effective_commission(*at), at[2]))
        chance = 1 - probability if is_lay else probability
        if claimed is None:
            claimed = float(expected_value(np.array(chance), np.array(odds)))
        if is_settled:
            paid = settled_profit(value, odds, is_lay=is_lay)
        else:
            paid = profit(found, odds, is_lay=is_lay)
        rows.append((event, group, found, is_lay, claimed, chance, paid))
    figures = np.array([row[4:] for row in rows], dtype=np.float64).reshape(-1, 3)
    return GradedEdges(
        event=np.array([row[0] for row in rows], dtype=np.int64),
        group=[row[1] for row in rows],
        grade=[row[2] for row in rows],
        is_lay=[row[3] for row in rows],
        ev=figures[:, 0],
        probability=figures[:, 1],
        profit=figures[:, 2],
    )


def group_scores(edges: GradedEdges) -> list[tuple[str, Estimate, Estimate]]:
    """Return the name, the claimed EV and the profit of each group, and of all together last."""
    groups = np.array(edges.group, dtype=np.str_)
    names = [*np.unique(groups).tolist(), "all"]
    scores = []
    for name in names:
        wanted = np.ones(groups.size, dtype=np.bool_) if name == "all" else groups == name
        event = edges.event[wanted]
        claimed, paid = (estimate(each[wanted], event) for each in (edges.ev, edges.profit))
        scores.append((name, claimed, paid))
    return scores


def calibration_of(edges: GradedEdges) -> list[Tenth]:
    """Compare the edges' probabilities with how often they won, of those won or lost."""
    is_decided = np.array([each in {Grade.WON, Grade.LOST} for each in edges.grade], dtype=np.bool_)
    is_won = np.array([each is Grade.WON for each in edges.grade], dtype=np.bool_)
    is_won ^= np.array(edges.is_lay, dtype=np.bool_)
    return calibration(edges.probability[is_decided], is_won[is_decided].astype(np.float64))


def _settles(*, is_own: bool, value: float | None, result: int | None) -> bool:
    """Return True if a settlement decides an edge.

    An exchange's rules for a void or a part are its own; a bookmaker's bet that is won or lost is
    won or lost there too, but a score says it by the bookmaker's rules.
    """
    return is_own or (result is None and value in {0.0, 1.0})


def _rows(by: str) -> QuerySet[Edge, tuple[Any, ...]]:
    draws = Outcome.objects.filter(market=OuterRef("market")).annotate(lower=Lower("name"))
    # An edge that is open at the start is in play from then on.
    opened_before = (
        ~Q(warnings__contains=[IN_PLAY])
        | Q(opened_at__lt=F("market__event__commence_time"))
        | Q(closing__isnull=False)  # a recording's time is not that of `opened_at`
    )
    return (
        Edge.objects.filter(
            opened_before,
            Q(market__event__result__isnull=False) | Q(quote__outcome__settlement__isnull=False),
            market__period="full",
        )
        .exclude(warnings__overlap=DOUBTFUL)
        .annotate(has_draw=Exists(draws.filter(lower=DRAW)))
        .order_by("id")
        .values_list(
            "market__kind",
            "market__period",
            "market__participant",
            "quote__outcome__name",
            "quote__outcome__point",
            "has_draw",
            GROUPS[by],
            "market__event",
            "quote__side",
            "opened_price",
            "opened_probability",
            "closing__opened_ev",
            "quote__bookmaker__commission",
            "quote__bookmaker__fee_model",
            "quote__bookmaker__key",
            "quote__outcome__settlement__source",
            "quote__outcome__settlement__value",
            "market__event__result",
            "market__event__home",
            "market__event__away",
            "market__event__result__home_score",
            "market__event__result__away_score",
        )
    )
