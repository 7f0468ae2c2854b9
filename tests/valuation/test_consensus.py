from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from valuation.arrays import FloatArray
from valuation.consensus import Consensus, consensus, log_odds, pool
from valuation.policy import ValuationPolicy

POLICY = ValuationPolicy()
NOBODY_OUT = replace(POLICY, outlier_floor=1e9)

strengths = st.integers(2, 5).flatmap(
    lambda n: st.integers(1, 8).flatmap(lambda b: arrays(float, (b, n), elements=st.floats(1, 50)))
)


def books(strengths: FloatArray) -> FloatArray:
    totals: FloatArray = strengths.sum(axis=1, keepdims=True)
    return strengths / totals


def one_line(
    probabilities: FloatArray, weights: FloatArray, policy: ValuationPolicy = POLICY
) -> Consensus:
    return consensus(probabilities, weights, np.zeros(len(weights), np.int64), policy)


def yes_or_no(*yes: float) -> FloatArray:
    return np.array([[p, 1 - p] for p in yes])


def test_the_published_forecasts_pool_to_the_published_probability() -> None:
    logits = log_odds(yes_or_no(0.0140, 0.0221, 0.0039, 0.0040)).T[:, :, np.newaxis]
    assert pool(logits, np.ones((4, 1)))[0, 0] == pytest.approx(0.00836, abs=5e-6)


@given(strengths)
def test_books_of_one_mind_are_not_contradicted(strengths: FloatArray) -> None:
    same = np.broadcast_to(books(strengths)[0], strengths.shape)
    pooled = one_line(same, np.ones(len(same)))
    assert pooled.probability[0] == pytest.approx(same[0], rel=1e-12)
    assert pooled.takes_part.all()


@given(strengths, st.data())
def test_others_are_the_pool_without_the_book(strengths: FloatArray, data: st.DataObject) -> None:
    probabilities = books(strengths)
    b = len(probabilities)
    weights = data.draw(arrays(float, b, elements=st.floats(1e-3, 1e6)))
    pooled = one_line(probabilities, weights, NOBODY_OUT)
    for book in range(b):
        rest = np.arange(b) != book
        assert pooled.other_books[book] == b - 1
        if b > 1:
            alone = one_line(probabilities[rest], weights[rest], NOBODY_OUT)
            assert pooled.others[book] == pytest.approx(alone.probability[0], rel=1e-11)


@given(strengths)
def test_a_double_weight_counts_like_two_books(strengths: FloatArray) -> None:
    probabilities = books(strengths)
    once = np.ones(len(probabilities))
    doubled = np.append(once[:-1], 2.0)
    twice = np.vstack([probabilities, probabilities[-1:]])
    assert one_line(probabilities, doubled, NOBODY_OUT).probability == pytest.approx(
        one_line(twice, np.ones(len(twice)), NOBODY_OUT).probability, rel=1e-12
    )


@given(strengths, strengths)
def test_lines_do_not_touch_each_other(one: FloatArray, other: FloatArray) -> None:
    n = min(one.shape[1], other.shape[1])
    first, second = books(one[:, :n]), books(other[:, :n])
    line = np.repeat([0, 1], [len(first), len(second)])
    together = consensus(np.vstack([first, second]), np.ones(line.size), line, POLICY)
    for index, alone in enumerate((first, second)):
        expected = one_line(alone, np.ones(len(alone)))
        assert together.probability[index] == pytest.approx(
            expected.probability[0], rel=1e-12, nan_ok=True
        )
        assert together.takes_part[line == index].tolist() == expected.takes_part.tolist()


def test_an_outlier_is_further_out_than_the_floor_and_the_mads() -> None:
    # Log-odds 0, 0.1, -0.1 and x: the median is 0.05, the deviations 0.05, 0.05, 0.15, x - 0.05.
    def takes_part(x: float, policy: ValuationPolicy) -> bool:
        yes = [1 / (1 + np.exp(-logit)) for logit in (0.0, 0.1, -0.1, x)]
        return bool(one_line(yes_or_no(*yes), np.ones(4), policy).takes_part[3])

    by_mads = replace(POLICY, outlier_mads=3.0, outlier_floor=0.0)  # the median deviation is 0.1
    assert takes_part(0.34, by_mads)
    assert not takes_part(0.36, by_mads)
    by_floor = replace(POLICY, outlier_mads=0.0, outlier_floor=0.5)
    assert takes_part(0.54, by_floor)
    assert not takes_part(0.56, by_floor)


def test_a_book_without_weight_has_no_vote_on_who_is_an_outlier() -> None:
    yes = yes_or_no(0.50, 0.51, 0.49, 0.90, 0.90, 0.90, 0.90)
    pooled = one_line(yes, np.array([1.0, 1, 1, 1, 0, 0, 0]))
    assert pooled.takes_part.tolist() == [True] * 3 + [False] * 4
    assert pooled.books.tolist() == [3]
    assert pooled.other_books.tolist() == [2, 2, 2, 3, 3, 3, 3]


def test_a_line_without_weight_has_no_probability() -> None:
    pooled = one_line(yes_or_no(0.5, 0.6), np.zeros(2))
    assert np.isnan(pooled.probability).all()
    assert pooled.books.tolist() == [0]


def test_no_books_are_no_lines() -> None:
    pooled = consensus(np.empty((0, 2)), np.empty(0), np.empty(0, np.int64), POLICY)
    assert pooled.probability.shape == (0, 2)
    assert pooled.others.shape == (0, 2)
