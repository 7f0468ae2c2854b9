"""Bookmakers that share one price: together they are one voice in a consensus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new, number


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of the bookmakers of some lines, for tables of shape (…, k, lines).

    Attributes:
        place: the place of each bookmaker's group among those of its line, shape (k, lines).
        size: the most groups that a line has.
        is_apart: whether each bookmaker is a group of its own, in its own place.
    """

    place: IntArray
    size: int
    is_apart: bool

    @classmethod
    def of(cls, group: IntArray, slot: IntArray, column: IntArray, books: int) -> Groups:
        """Find the groups of bookmakers.

        Args:
            group: the group of each bookmaker, shape (b,).
            slot: its place in the table, (b,).
            column: its line, (b,).
            books: the most bookmakers that a line has, k.
        """
        order = np.lexsort((slot, group, column))
        begins_line = is_new(column[order])
        is_first = begins_line | is_new(group[order])
        among_all = number(is_first)
        place = np.zeros((books, int(column.max(initial=-1)) + 1), dtype=np.int64)
        first_of_line = among_all[begins_line][number(begins_line)] if order.size else among_all
        place[slot[order], column[order]] = among_all - first_of_line
        if is_first.all():
            return cls(place, books, is_apart=True)
        return cls(place, int(place.max()) + 1, is_apart=False)

    @classmethod
    def apart(cls, books: int, lines: int) -> Groups:
        """Return the groups of bookmakers of which no two share a price."""
        return cls(np.repeat(np.arange(books)[:, np.newaxis], lines, axis=1), books, is_apart=True)

    def totals(self, table: FloatArray | BoolArray) -> FloatArray:
        """Return the sum over the members of each group."""
        if self.is_apart:
            return np.asarray(table, dtype=np.float64)
        lines = table.shape[-1]
        found = np.zeros((*table.shape[:-2], self.size, lines))
        np.add.at(found, (..., self.place, np.arange(lines)), table)  # type: ignore[arg-type]
        return found

    def largest(self, table: FloatArray) -> FloatArray:
        """Return the largest value among the members of each group, 0 at least; a copy."""
        if self.is_apart:
            return table.copy()
        found = np.zeros((self.size, table.shape[-1]))
        np.maximum.at(found, (self.place, np.arange(table.shape[-1])), table)
        return found

    def speaking(self, speaking: BoolArray) -> BoolArray:
        """Return which groups have a member that speaks."""
        return self.totals(speaking) > 0

    def means(self, table: FloatArray, speaking: BoolArray) -> FloatArray:
        """Return the mean over the members of each group that speak, 0 where none does."""
        count = self.totals(speaking)
        means: FloatArray = self.totals(np.where(speaking, table, 0.0)) / np.maximum(count, 1)
        return means

    def spread(self, table: FloatArray) -> FloatArray:
        """Return for each bookmaker the value of its group."""
        if self.is_apart:
            return table
        return table[..., self.place, np.arange(table.shape[-1])]

    def spread_flags(self, table: BoolArray) -> BoolArray:
        """Return for each bookmaker the flag of its group."""
        if self.is_apart:
            return table
        return table[..., self.place, np.arange(table.shape[-1])]


def voices(of: IntArray, group: IntArray, size: int) -> IntArray:
    """Count, for each of some things, the groups that speak for it.

    Args:
        of: the thing that is spoken for, from 0 to `size` − 1.
        group: who speaks, of the same shape.
        size: how many things there are.

    >>> voices(np.array([0, 0, 2, 2]), np.array([7, 7, 7, 8]), 3).tolist()
    [1, 0, 2]
    """
    order = np.lexsort((group, of))
    of, group = of[order], group[order]
    return np.bincount(of[is_new(of) | is_new(group)], minlength=size)
