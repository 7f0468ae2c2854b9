"""The array types of the valuation maths, runs of equal rows in sorted columns, and look-ups."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


def is_new(column: npt.NDArray[Any]) -> BoolArray:
    """Return which rows differ from the row before; the first always does.

    >>> is_new(np.array([7, 7, 9])).tolist()
    [True, False, True]
    """
    new = np.ones(column.size, dtype=np.bool_)
    new[1:] = column[1:] != column[:-1]
    return new


def number(new: BoolArray) -> IntArray:
    """Return the index of the group that each row is in, given which rows begin one.

    >>> number(np.array([True, False, True])).tolist()
    [0, 0, 1]
    """
    return np.cumsum(new, dtype=np.int64) - 1


def positions(keys: IntArray, wanted: IntArray) -> IntArray:
    """Return the position of each key among all keys, which are distinct and in any order.

    >>> positions(np.array([30, 10, 20]), np.array([10, 10, 30])).tolist()
    [1, 1, 0]
    """
    order = np.argsort(keys)
    return order[np.searchsorted(keys, wanted, sorter=order)]
