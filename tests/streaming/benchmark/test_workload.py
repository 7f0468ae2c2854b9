"""The work of a benchmark: the same for all, ordinary where it says so, and decided by its seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streaming.benchmark.contenders.plain_consensus import fair_prices
from streaming.benchmark.contenders.values import value_boards
from streaming.benchmark.workload import (
    BOOKS,
    digest,
    major_change,
    opening_prices,
    ordinary_burst,
    single_change,
)
from streaming.core.movement import MovementPolicy
from valuation.policy import ValuationPolicy

MARKETS = 4
SEEDS = st.integers(0, 2**32)
STEPS = st.integers(1, 1_000)


@given(SEEDS, STEPS, STEPS)
def test_no_change_of_a_burst_is_a_major_move_whatever_came_before(
    seed: int, first: int, second: int
) -> None:
    opening = opening_prices(MARKETS, seed)
    policy = MovementPolicy()
    now = opening
    for step in (first, second):
        burst = ordinary_burst(opening, now, range(MARKETS), seed, step)
        before = now[burst.market, burst.book, burst.outcome]
        assert (burst.price != before).all()
        assert (abs(burst.price / before - 1) < policy.major_price_move).all()
        assert (abs(1 / burst.price - 1 / before) < policy.major_probability_move).all()
        now = burst.applied_to(now)


@given(SEEDS, STEPS)
def test_a_major_change_is_one_and_leads_back_the_next_time(seed: int, step: int) -> None:
    opening = opening_prices(MARKETS, seed)
    there = major_change(opening, 1, step)
    back = major_change(there.applied_to(opening), 1, step)
    after = back.applied_to(there.applied_to(opening))
    for burst, before in ((there, opening), (back, there.applied_to(opening))):
        moved = float(burst.price[0] / before[1, step % BOOKS, 0])
        assert abs(moved - 1) > MovementPolicy().major_price_move
    assert np.allclose(after, opening, atol=2e-4)


@given(SEEDS, STEPS)
def test_a_burst_changes_one_price_of_each_bookmaker(seed: int, step: int) -> None:
    opening = opening_prices(MARKETS, seed)
    burst = ordinary_burst(opening, opening, [0, 2], seed, step)
    changed = burst.applied_to(opening) != opening
    assert changed.any(axis=2).sum(axis=1).tolist() == [BOOKS, 0, BOOKS, 0]
    assert len(burst) == changed.sum() == 2 * BOOKS
    assert len(single_change(opening, opening, 3, seed, step)) == 1


@given(SEEDS, STEPS)
def test_the_seed_decides_everything(seed: int, step: int) -> None:
    opening = opening_prices(MARKETS, seed)
    assert digest(opening) == digest(opening_prices(MARKETS, seed))
    ends = {
        digest(ordinary_burst(opening, opening, [1], seed, each).applied_to(opening))
        for each in (step, step, step + 1)
    }
    assert len(ends) == 2


@given(SEEDS)
def test_the_consensus_in_plain_python_is_that_of_the_valuation(seed: int) -> None:
    prices = opening_prices(MARKETS, seed)
    expected = value_boards(prices, ValuationPolicy())
    for market in range(MARKETS):
        lines = [(float(home), float(away)) for home, away in prices[market]]
        assert np.allclose(fair_prices(lines), expected[market], atol=1e-12)
