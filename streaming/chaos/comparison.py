"""The comparison of two sides' rows, by their natural keys."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

TOLERANCE = 1e-9
"""Two probabilities closer than this are equal: sums of floats depend on their order."""

Value = str | int | float | bool | None
Values = dict[str, Value]

MISSING: Values = {}
"""The values of a row that is not there."""


class Rows(msgspec.Struct, frozen=True):
    """The rows that one side shows, by natural keys: ids differ between databases.

    Attributes:
        events: names and start of each event that is on offer.
        quotes: the price of each active quote.
        fair_prices: state, reason and probability of each outcome that has an active quote, and of
            each other one that has a fair price.
        edges: the open edges.
        opportunities: the open arbitrages and middles.
        unvalued: markets whose valuation is older than their quotes, or of another version than
            their fair prices; there must be none.
    """

    events: dict[str, Values]
    quotes: dict[str, Values]
    fair_prices: dict[str, Values]
    edges: dict[str, Values]
    opportunities: dict[str, Values]
    unvalued: dict[str, Values]

    def count(self) -> int:
        """Return how many rows there are."""
        return sum(len(getattr(self, name)) for name in self.__struct_fields__)


class Difference(msgspec.Struct, frozen=True):
    """A row that is not the same on both sides.

    Attributes:
        table: the field of `Rows`.
        key: the row.
        stream: its values in the stream; empty where it has none.
        oracle: those of the undisturbed reading.
    """

    table: str
    key: str
    stream: Values
    oracle: Values

    def __str__(self) -> str:
        """Return the difference for people.

        >>> print(Difference("quotes", "a|b", {"price": 2.0}, {}))
        quotes a|b: the stream has price=2.0, the reading has no such row
        """
        sides = [
            ", ".join(f"{name}={value}" for name, value in side.items()) or "no such row"
            for side in (self.stream, self.oracle)
        ]
        return f"{self.table} {self.key}: the stream has {sides[0]}, the reading has {sides[1]}"


def differences(stream: Rows, oracle: Rows) -> list[Difference]:
    """Return the rows that are not the same, table by table."""
    return [
        each
        for table in Rows.__struct_fields__
        for each in _of_table(table, getattr(stream, table), getattr(oracle, table))
    ]


def _of_table(
    table: str, stream: Mapping[str, Values], oracle: Mapping[str, Values]
) -> Iterator[Difference]:
    for key in sorted(stream.keys() | oracle.keys()):
        ours, theirs = stream.get(key, MISSING), oracle.get(key, MISSING)
        if not _are_equal(ours, theirs):
            yield Difference(table, key, ours, theirs)


def _are_equal(ours: Values, theirs: Values) -> bool:
    return ours.keys() == theirs.keys() and all(
        _is_same(value, theirs[name]) for name, value in ours.items()
    )


def _is_same(ours: Value, theirs: Value) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return ours == theirs
