"""Learnt weights become those of the bookmakers, where they were learnt."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from betting.models import Bookmaker, BookmakerWeight
from valuation.backtest.learning import LearningError, Learnt
from valuation.revaluation import change_weights

FAMILY, KIND = "soccer", "h2h"
"""What football-data.co.uk has prices of: weights that are learnt there say nothing of others."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A weight that was written.

    Attributes:
        key: the bookmaker.
        before: its weight until now.
        now: its weight from now on.
    """

    key: str
    before: float
    now: float


def adopt(learnt: Learnt, evidence: str) -> list[Adopted]:
    """Write learnt weights, and have the markets of those bookmakers valued again.

    Their mean becomes 1, the weight of a bookmaker of which nothing is known. Bookmakers that no
    feed has named are left out.

    Args:
        learnt: the weights.
        evidence: kept beside each weight; what it rests on.

    Raises:
        LearningError: out of sample, the weights are no better than equal ones.
    """
    fit = learnt.out_of_sample
    if fit.learnt >= fit.equal:
        raise LearningError(
            "These weights are no better than equal ones on seasons they are not of."
        )
    adopted = []
    with transaction.atomic():
        for bookmaker in Bookmaker.objects.filter(key__in=learnt.weights).order_by("key"):
            now = round(learnt.weights[bookmaker.key] * len(learnt.weights), 3)
            row = bookmaker.weights.filter(family=FAMILY, kind=KIND).first()
            before = bookmaker.weight if row is None else row.weight
            row = row or BookmakerWeight(bookmaker=bookmaker, family=FAMILY, kind=KIND)
            row.weight, row.evidence = now, evidence
            change_weights(bookmaker, row.save)
            adopted.append(Adopted(bookmaker.key, before, now))
    return adopted
