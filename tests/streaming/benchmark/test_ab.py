"""A/B: what off and on are, and what both sides have to end in."""

from __future__ import annotations

import pytest

from betting.config import load
from streaming.benchmark.ab import OFF, ON, Comparison
from streaming.benchmark.ab_trial import Trial, fair_prices
from tests.support.baselines import a_baseline
from tests.support.rows import make_fair_price, make_market, make_outcome


def test_the_naive_pipeline_is_a_configuration_that_is_valid_and_hardens_nothing() -> None:
    off = load(OFF)
    assert not any((off.coalesce.enabled, off.circuits_enabled, off.dead_letters_enabled))
    assert load(ON) == load({})


def test_runs_of_a_recording_have_to_end_in_the_same_fair_prices_and_simulations_do_not() -> None:
    off, on = (Trial(a_baseline(), {"home": price}) for price in (0.5, 0.6))
    comparison = Comparison([off], [on])
    *_, prices = comparison.verdicts(is_repeatable=True)
    assert (prices.name, prices.is_met) == ("fair prices that differ", False)
    assert "fair prices" not in comparison.verdicts(is_repeatable=False)[-1].name


@pytest.mark.django_db
def test_fair_prices_are_named_so_that_another_database_has_the_same_names() -> None:
    outcome = make_outcome(make_market(kind="totals"), "Over", point=8.5, line=8.5)
    make_fair_price(outcome, 0.25)
    make_fair_price(make_outcome(outcome.market, "Under"), None)
    ((name, probability),) = fair_prices().items()
    assert name.split("|")[1:] == ["totals", "full", "", "Over", "8.5"]
    assert probability == 0.25
    assert str(outcome.pk) not in name.split("|")
