"""Grades and burn rates: what worse input may never do."""

from __future__ import annotations

from itertools import pairwise
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.health import (
    HealthPolicy,
    Status,
    Thresholds,
    burn_rate,
    check,
    grade,
    overall,
    samples_needed,
    sustained,
)

statuses = st.sampled_from(list(Status))
amounts = st.floats(0, 1e9)
thresholds = st.tuples(amounts, amounts).map(lambda pair: (min(pair), max(pair)))


@given(amounts, amounts, thresholds)
def test_a_worse_observation_never_has_a_better_grade(
    one: float, other: float, limits: tuple[float, float]
) -> None:
    better, worse = sorted((one, other))

    assert grade(better, limits).severity <= grade(worse, limits).severity


@given(thresholds)
def test_what_is_not_known_is_neither_well_nor_failing(limits: tuple[float, float]) -> None:
    assert grade(None, limits) is grade(float("nan"), limits) is Status.UNKNOWN


@given(st.lists(statuses, min_size=1), st.data())
def test_a_check_that_gets_worse_does_not_make_the_whole_better(
    before: list[Status], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(before) - 1))
    worse = data.draw(statuses.filter(lambda each: each.severity >= before[place].severity))
    after = [*before[:place], worse, *before[place + 1 :]]

    assert overall(after).severity >= overall(before).severity


@given(st.lists(statuses))
def test_the_whole_is_well_only_where_every_check_is(all_of_them: list[Status]) -> None:
    is_all_well = bool(all_of_them) and set(all_of_them) == {Status.PASS}

    assert (overall(all_of_them) is Status.PASS) == is_all_well


def test_of_what_was_never_started_nothing_is_known() -> None:
    assert overall([]) is overall([Status.UNKNOWN] * 3) is Status.UNKNOWN


@given(st.floats(0.0001, 1.0))
def test_one_miss_among_the_samples_needed_is_no_more_than_the_part_allowed(part: float) -> None:
    needed = samples_needed(part)

    assert 1 / needed <= part * (1 + 1e-5)
    assert needed == 1 or 1 / (needed - 1) > part * (1 - 1e-5)


def test_a_p99_and_a_rate_of_one_percent_need_a_hundred_samples() -> None:
    assert samples_needed(1 - 0.99) == samples_needed(0.01) == 100
    assert samples_needed(0.0) == 1


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 1000), st.floats(0, 0.999))
def test_more_late_valuations_never_burn_less(
    late: int, more: int, total: int, objective: float
) -> None:
    assert burn_rate(late, total, objective) <= burn_rate(late + more, total, objective)


def test_missing_the_objective_by_exactly_what_is_allowed_burns_at_one() -> None:
    assert burn_rate(1, 100, 0.99) == pytest.approx(1.0)
    assert burn_rate(100, 100, 0.99) == pytest.approx(100.0)
    assert burn_rate(0, 0, 0.99) == 0.0


@given(amounts, amounts)
def test_a_hiccup_and_a_past_outage_alone_are_no_sustained_burn(short: float, long: float) -> None:
    assert sustained((short, 0.0)) == sustained((0.0, long)) == 0.0
    assert sustained((short, long)) == min(short, long)


def test_a_check_leads_to_its_section_of_the_runbook() -> None:
    found = check("stale_markets", 7.0, (5.0, 30.0), "s", "3 markets wait")

    assert found.status is Status.WARN
    assert found.runbook == "docs/runbook.md#unvalued-markets"


def test_every_threshold_of_the_default_policy_warns_before_it_fails() -> None:
    policy, kinds = HealthPolicy(), get_type_hints(HealthPolicy)
    pairs = {name: getattr(policy, name) for name, kind in kinds.items() if kind == Thresholds}

    assert pairs
    assert {name for name, (warn, fail) in pairs.items() if not 0 < warn < fail} == set()


def test_the_order_of_the_statuses_is_from_best_to_worst() -> None:
    order = [Status.PASS, Status.WARN, Status.UNKNOWN, Status.FAIL]

    assert all(one.severity < other.severity for one, other in pairwise(order))
