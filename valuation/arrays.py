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


def medians(values: FloatArray, present: BoolArray, axis: int) -> FloatArray:
    """Return the median of the present values along an axis, which is kept; 0 where none are.

    >>> medians(np.array([[3.0, 9.0, 1.0]]), np.array([[True, False, True]]), axis=1).tolist()
    [[2.0]]
    """
    ordered = np.sort(np.where(present, values, np.inf), axis=axis)
    count = present.sum(axis=axis, keepdims=True)
    lower = np.maximum(count - 1, 0) // 2
    upper = np.minimum(count // 2, values.shape[axis] - 1)
    low = np.take_along_axis(ordered, lower, axis=axis)
    high = np.take_along_axis(ordered, upper, axis=axis)
    return np.where(count > 0, (low + high) / 2, 0.0)
