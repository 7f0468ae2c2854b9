"""Closing prices against what happened."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from django.core.management import call_command

from betting.models import Bookmaker
from tests.support import rows
from valuation.devig import devig
from valuation.models import Result
from valuation.policy import ValuationPolicy
from valuation.results.calibrated import CONSENSUS, calibrations, closed_lines

pytestmark = pytest.mark.django_db

METHOD = ValuationPolicy().method


def closed_match(fair: float, home_score: int, away_score: int, odds: tuple[float, ...]) -> None:
    """A match with a result, whose winner has a close; the last bookmaker lists one side only."""
    event = rows.make_event()
    market = rows.make_market(event)
    home, away = (rows.make_outcome(market, name) for name in (event.home, event.away))
    rows.make_closing_price(home, probability=fair)
    rows.make_closing_price(away, probability=1 - fair)
    feed = rows.make_feed()
    for key, outcome, price in (
        ("sharp", home, odds[0]), ("sharp", away, odds[1]), ("soft", home, 1.9),
    ):  # fmt: skip
        book, _ = Bookmaker.objects.get_or_create(key=key, defaults={"title": key})
        rows.make_closing_quote(rows.make_quote(outcome, feed, price, bookmaker=book))
    Result.objects.create(
        event=event, status="final", home_score=home_score, away_score=away_score, source="a test"
    )


def test_the_consensus_and_each_bookmaker_with_whole_lines_are_judged_by_the_result() -> None:
    closed_match(0.75, 2, 1, (1.5, 2.6))
    closed_match(0.75, 0, 1, (1.5, 2.6))
    found = dict(calibrations(closed_lines(), "bookmaker", METHOD))
    assert set(found) == {CONSENSUS, "sharp"}
    consensus = found[CONSENSUS]
    assert consensus.matches == 2
    assert consensus.log_loss == pytest.approx(0.8370, abs=1e-4)
    assert consensus.brier == pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2)
    assert consensus.calibration_error == pytest.approx(0.25)
    p = float(devig(np.array([[1.5, 2.6]]), METHOD).probabilities[0, 0])
    assert found["sharp"].brier == pytest.approx((2 * (1 - p) ** 2 + 2 * p**2) / 2)


def test_a_line_whose_stakes_come_back_says_nothing() -> None:
    closed_match(0.6, 1, 1, (1.5, 2.6))
    assert closed_lines() == []


@pytest.mark.parametrize("by", ["sport", "kind", "method"])
def test_closes_are_judged_by_sport_kind_and_method(by: str) -> None:
    closed_match(0.75, 2, 1, (1.5, 2.6))
    out = StringIO()
    call_command("results", "calibration", "--by", by, stdout=out)
    said = out.getvalue()
    assert {"sport": "sport_", "kind": "h2h", "method": "shin"}[by] in said
    assert "calibration error" in said
    assert "fair probability" in said
