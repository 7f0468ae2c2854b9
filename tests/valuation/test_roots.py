from __future__ import annotations

import numpy as np
import pytest

from valuation.arrays import FloatArray
from valuation.roots import solve


def powers(k: FloatArray, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    p = np.exp(k * logs)
    return p, p * logs


def cliffs(x: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nearly flat but for a cliff: Newton's step flies out of every bracket."""
    p = 1 / (1 + np.exp(200 * (x - at)))
    return p, -200 * p * (1 - p)


def test_a_root_far_from_the_start_is_found_behind_a_plateau() -> None:
    x, p = solve(cliffs, np.full((2, 1), 7.25), np.zeros(1), np.full(1, 100.0), np.zeros(1))
    assert x[0] == pytest.approx(7.25)
    assert p.ravel().tolist() == [0.5, 0.5]


def test_newton_steps_that_gain_little_give_way_to_halving() -> None:
    evaluations = 0

    def hyperbola(x: FloatArray, root: FloatArray) -> tuple[FloatArray, FloatArray]:
        """ln p = x^−0.1 − root^−0.1: each step of Newton's takes a mere 21 % off."""
        nonlocal evaluations
        evaluations += 1
        p = np.exp(x**-0.1 - root**-0.1)
        return p, -0.1 * p * x**-1.1

    root = np.full((1, 1), 1e12)
    x, _ = solve(hyperbola, root, np.full(1, 1e-25), np.full(1, 1e13), np.full(1, 1e-25))
    assert x[0] == pytest.approx(1e12)
    assert evaluations < 20  # Newton alone takes twice that to come near


def test_a_start_outside_the_bracket_is_moved_into_it() -> None:
    logs = np.log(np.full((2, 1), 1 / 2.1))
    k, _ = solve(powers, logs, np.zeros(1), np.full(1, 9.0), np.full(1, -50.0))
    assert k[0] == pytest.approx(np.log(2) / np.log(2.1))


def test_every_market_finds_its_own_root() -> None:
    odds = np.array([[1.5, 2.1, 1.01], [2.7, 2.1, 1.01]])
    k, p = solve(powers, -np.log(odds), np.zeros(3), np.full(3, 1e3), np.ones(3))
    assert (odds**-k).sum(axis=0) == pytest.approx(np.ones(3), abs=1e-12)
    assert p.sum(axis=0) == pytest.approx(np.ones(3), abs=1e-15)


def test_a_curve_without_a_value_ends_as_nan() -> None:
    nowhere = np.full((2, 1), np.nan)
    x, p = solve(powers, nowhere, np.zeros(1), np.ones(1), np.ones(1))
    assert x.tolist() == [1.0]
    assert np.isnan(p).all()
