from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from valuation import normal

STANDARD = NormalDist()


def test_the_distribution_function_is_exact_to_double_precision() -> None:
    x = np.linspace(-12, 12, 4801)
    exact = [math.erfc(-value / math.sqrt(2)) / 2 for value in x]
    assert np.abs(normal.cdf(x) - exact).max() < 1e-15


def test_the_far_tail_keeps_its_size() -> None:
    x = np.array([-7.5, -10.0, -20.0, -37.0])
    exact = [math.erfc(-value / math.sqrt(2)) / 2 for value in x]
    assert normal.cdf(x) == pytest.approx(exact, rel=1e-7, abs=0)


def test_the_quantile_is_exact_to_double_precision() -> None:
    p = np.concatenate([np.linspace(0, 1, 4001)[1:-1], 10.0 ** -np.arange(3, 300)])
    exact = [STANDARD.inv_cdf(value) for value in p]
    assert normal.quantile(p) == pytest.approx(exact, rel=1e-15, abs=1e-15)


def test_the_density_is_that_of_the_standard_library() -> None:
    x = np.linspace(-8, 8, 101)
    assert normal.pdf(x) == pytest.approx([STANDARD.pdf(value) for value in x], rel=1e-13)
