"""Closing prices against results: of the consensus, by bookmaker, sport, kind and method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import get_args

import numpy as np
from django.db.models import Exists, OuterRef
from django.db.models.functions import Lower

from betting.db.sessions import sessions_alias
from betting.models import Outcome, Side
from valuation.arrays import FloatArray
from valuation.backtest.scores import Quality, quality_of_lines
from valuation.devig import devig
from valuation.models import ClosingPrice, ClosingQuote
from valuation.policy import Method
from valuation.results.grading import DRAW, Bet, Grade, Score, grade

CONSENSUS = "consensus"
"""The name of the stored fair prices among the bookmakers."""

GROUPINGS = ("bookmaker", "sport", "kind", "method")
"""What closing prices can be judged by."""


@dataclass(frozen=True, slots=True)
class ClosedLine:
    """The outcomes of a line with a close, exactly one of which came.

    Attributes:
        sport: the key of its sport.
        kind: of its market.
        fair: the closing fair prices, as probabilities, shape (n,).
        came: the place of the outcome that came.
        books: bookmaker → its closing prices of all outcomes, decimal odds, (n,).
    """

    sport: str
    kind: str
    fair: FloatArray
    came: int
    books: Mapping[str, FloatArray]


def closed_lines() -> list[ClosedLine]:
    """Return the closed lines of events with a result, in two statements.

    Lines that a result returns stakes of, or does not decide, are left out.
    """
    quotes: dict[int, dict[str, float]] = defaultdict(dict)
    for outcome, bookmaker, price in ClosingQuote.objects.filter(
        market__event__result__isnull=False, quote__side=Side.BACK
    ).values_list("quote__outcome", "quote__bookmaker__key", "price"):
        if price is not None:
            quotes[outcome][bookmaker] = price
    draws = Outcome.objects.filter(market=OuterRef("market")).annotate(lower=Lower("name"))
    rows = (
        ClosingPrice.objects.filter(
            market__event__result__isnull=False, market__period="full", probability__isnull=False
        )
        .annotate(has_draw=Exists(draws.filter(lower=DRAW)))
        .order_by("market", "outcome__line", "outcome")
        .values_list(
            "market",
            "outcome__line",
            "outcome",
            "probability",
            "market__event__sport__key",
            "market__kind",
            "market__period",
            "market__participant",
            "outcome__name",
            "outcome__point",
            "has_draw",
            "market__event__home",
            "market__event__away",
            "market__event__result__home_score",
            "market__event__result__away_score",
        )
    )
    found = []
    for _, of_line in groupby(
        rows.using(sessions_alias()).iterator(chunk_size=2_000), key=lambda row: row[:2]
    ):
        line = list(of_line)
        grades = [grade(Bet(*row[5:11]), Score(*row[11:])) for row in line]
        if len(line) < 2 or set(grades) != {Grade.WON, Grade.LOST} or grades.count(Grade.WON) > 1:
            continue
        found.append(
            ClosedLine(
                sport=line[0][4],
                kind=line[0][5],
                fair=np.array([row[3] for row in line], dtype=np.float64),
                came=grades.index(Grade.WON),
                books=_whole([quotes[row[2]] for row in line]),
            )
        )
    return found


def _whole(prices: Sequence[Mapping[str, float]]) -> dict[str, FloatArray]:
    """Return the prices of the bookmakers that have one of each outcome."""
    everywhere = set.intersection(*(set(of) for of in prices))
    return {key: np.array([of[key] for of in prices]) for key in sorted(everywhere)}


def calibrations(lines: Sequence[ClosedLine], by: str, method: Method) -> list[tuple[str, Quality]]:
    """Judge closing prices by what happened; the name and the scores of each group.

    Args:
        lines: the closed lines.
        by: one of `GROUPINGS`. By sport and kind the consensus is judged, by method the lines of
            all bookmakers.
        method: by which the margin is taken out of bookmakers' lines, unless by method.
    """
    groups: dict[str, list[tuple[FloatArray, int]]] = defaultdict(list)
    for line in lines:
        match by:
            case "sport":
                groups[line.sport].append((line.fair, line.came))
            case "kind":
                groups[line.kind].append((line.fair, line.came))
            case "bookmaker":
                groups[CONSENSUS].append((line.fair, line.came))
                for key, prices in line.books.items():
                    groups[key] += _without_margin(prices, line.came, method)
            case _:
                for each in get_args(Method):
                    for prices in line.books.values():
                        groups[each] += _without_margin(prices, line.came, each)
    return [(name, quality_of_lines(of)) for name, of in groups.items() if of]


def _without_margin(prices: FloatArray, came: int, method: Method) -> list[tuple[FloatArray, int]]:
    """Return the line as probabilities; nothing where one is not between 0 and 1."""
    fair = devig(prices[np.newaxis], method).probabilities[0]
    return [(fair, came)] if ((fair > 0) & (fair < 1)).all() else []
