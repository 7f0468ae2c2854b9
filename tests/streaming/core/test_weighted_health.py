"""The weighted score: the worst check of each consequence counts, silence more than a full disk."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.health import Check, Status
from streaming.core.health import check as graded
from streaming.core.weighted_health import (
    CHECKS,
    WEIGHTS,
    Consequence,
    badness,
    consequence_of,
    weighted,
)
from streaming.health.checks import CHECKS as JUDGES

LIMITS = (5.0, 30.0)
NAMES = [name for names in CHECKS.values() for name in sorted(names)]

checks = st.builds(
    lambda name, figure: graded(name, figure, LIMITS, "", ""),
    st.sampled_from(NAMES),
    st.none() | st.floats(0, 60),
)
wholes = st.lists(checks, min_size=1, max_size=24, unique_by=lambda each: each.name)


def of(name: str, figure: float | None) -> Check:
    return graded(name, figure, LIMITS, "", "")


def worst_of(whole: list[Check], consequence: Consequence) -> float:
    group = [each for each in whole if consequence_of(each.name) is consequence]
    return max((badness(each) for each in group), default=0.0)


@given(wholes)
def test_a_score_is_between_0_and_100_and_100_only_if_all_pass(whole: list[Check]) -> None:
    found = weighted(whole)

    assert 0 <= found.score <= 100
    assert (found.score == 100) == all(each.status is Status.PASS for each in whole)
    assert (found.consequence is None) == (found.score == 100)


@given(wholes, st.data())
def test_a_check_that_gets_worse_does_not_raise_the_score(
    whole: list[Check], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    worse = data.draw(checks.filter(lambda each: badness(each) >= badness(whole[place])))
    after = [*whole]
    after[place] = replace(worse, name=whole[place].name)

    assert weighted(after).score <= weighted(whole).score


@given(wholes)
def test_the_worst_of_each_group_counts_and_the_others_of_it_do_not(whole: list[Check]) -> None:
    costs = [WEIGHTS[each] * worst_of(whole, each) for each in Consequence]

    left = math.prod(1 - cost for cost in costs)
    assert weighted(whole).score == pytest.approx(100 * left, abs=1.001)
    assert weighted(whole).score <= 100 * (1 - max(costs)) + 1e-6


@given(wholes)
def test_what_decides_is_the_group_that_costs_most(whole: list[Check]) -> None:
    found = weighted(whole)
    costs = {each: WEIGHTS[each] * worst_of(whole, each) for each in Consequence}

    if found.consequence is None:
        assert not any(costs.values())
        return
    assert costs[found.consequence] == max(costs.values())
    (deciding,) = (each for each in whole if each.name == found.check)
    assert badness(deciding) == worst_of(whole, found.consequence)
    assert found.reason.startswith(found.consequence.value)


@given(st.floats(0, 60), st.floats(0, 60))
def test_a_figure_that_is_worse_is_at_least_as_bad(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert badness(of("queue_age", low)) <= badness(of("queue_age", high))


@given(st.floats(30, 60))
def test_silence_costs_more_than_lateness_and_lateness_more_than_a_disk(figure: float) -> None:
    scores = [weighted([of(name, figure)]).score for name in ("beat", "queue_age", "disk")]

    assert scores == sorted(scores)
    assert len(set(scores)) == 3


def test_what_is_not_known_is_worse_than_a_warning_and_better_than_a_failure() -> None:
    warning, unknown, failing = (weighted([of("beat", age)]).score for age in (29.9, None, 30.0))

    assert warning >= unknown > failing


def test_a_warning_that_a_start_explains_is_the_mildest() -> None:
    starting = replace(of("beat", 40.0), status=Status.WARN, is_starting=True)

    assert badness(starting) == badness(of("beat", 5.0))


def test_two_consequences_cost_more_than_one_of_them() -> None:
    late, silent = of("queue_age", 40.0), of("beat", 40.0)

    assert weighted([late, silent]).score < weighted([silent, of("queue_age", 0.0)]).score


def test_nothing_at_all_scores_nothing() -> None:
    assert weighted([]).score == 0


def test_every_check_has_one_consequence() -> None:
    assert sorted(NAMES) == sorted(judge.__name__ for judge in JUDGES)
    assert list(WEIGHTS.values()) == sorted(WEIGHTS.values(), reverse=True)
