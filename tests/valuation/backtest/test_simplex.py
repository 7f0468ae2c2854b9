from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valuation.arrays import FloatArray
from valuation.backtest.simplex import simplex_least_squares


@st.composite
def problems(draw: st.DrawFn, most: int = 7) -> tuple[FloatArray, FloatArray, float]:
    """Columns that are alike, as bookmakers' are, some of them twice, and a target like them."""
    size = draw(st.integers(2, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shared = rng.normal(0, 1, (40, 1))
    x = shared + rng.normal(0, 1, (40, size)) * draw(st.sampled_from([0.01, 0.1, 1.0]))
    if draw(st.booleans()):
        x[:, -1] = x[:, 0]
    y = (shared + rng.normal(0, draw(st.sampled_from([0.0, 0.1, 1.0])), (40, 1)))[:, 0]
    return x, y, draw(st.sampled_from([0.0, 0.0, 0.02, 0.1]))


def loss(x: FloatArray, y: FloatArray, weights: FloatArray) -> float:
    return float(((x @ weights - y) ** 2).mean())


@given(problems())
def test_weights_are_not_below_the_bound_and_sum_to_1(
    problem: tuple[FloatArray, FloatArray, float],
) -> None:
    weights = simplex_least_squares(*problem)
    assert weights.min() >= problem[2]
    assert weights.sum() == pytest.approx(1, abs=1e-9)


@given(problems())
def test_no_direction_within_the_bounds_lowers_the_error(
    problem: tuple[FloatArray, FloatArray, float],
) -> None:
    """The first-order condition, which for a convex problem is the optimum."""
    x, y, bound = problem
    weights = simplex_least_squares(x, y, bound)
    gradient = x.T @ (x @ weights - y) / len(x)
    can_fall = weights > bound + 1e-9
    assert gradient[can_fall].max() <= gradient.min() + 1e-8


@given(problems())
def test_weights_are_not_worse_than_equal_ones(
    problem: tuple[FloatArray, FloatArray, float],
) -> None:
    x, y, bound = problem
    equal = np.full(x.shape[1], 1 / x.shape[1])
    assert loss(x, y, simplex_least_squares(x, y, bound)) <= loss(x, y, equal) + 1e-12


@given(problems(most=3))
def test_nothing_on_a_fine_grid_is_better(problem: tuple[FloatArray, FloatArray, float]) -> None:
    x, y, bound = problem
    steps = np.linspace(bound, 1, 41)
    grid = np.stack(np.meshgrid(*[steps] * (x.shape[1] - 1)), axis=-1).reshape(-1, x.shape[1] - 1)
    grid = np.column_stack([grid, 1 - grid.sum(axis=1)])
    grid = grid[grid[:, -1] >= bound]
    best = min(loss(x, y, weights) for weights in grid)
    assert loss(x, y, simplex_least_squares(x, y, bound)) <= best + 1e-12


def test_a_bound_that_leaves_nothing_to_share_is_refused() -> None:
    with pytest.raises(ValueError, match="do not sum to 1"):
        simplex_least_squares(np.ones((3, 2)), np.ones(3), 0.5)
