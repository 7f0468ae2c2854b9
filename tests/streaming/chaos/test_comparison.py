from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from streaming.chaos.comparison import TOLERANCE, Difference, Rows, Values, differences

TABLES = Rows.__struct_fields__
VALUES = st.dictionaries(
    st.sampled_from(["price", "state", "books"]),
    st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3) | st.none(),
)
ROWS = st.builds(
    Rows, **{table: st.dictionaries(st.text(max_size=3), VALUES, max_size=3) for table in TABLES}
)


def rows(**tables: dict[str, Values]) -> Rows:
    empty: dict[str, Any] = {table: {} for table in TABLES}
    return Rows(**{**empty, **tables})


@given(ROWS)
def test_rows_do_not_differ_from_themselves(some: Rows) -> None:
    assert differences(some, some) == []


@given(ROWS, ROWS)
def test_the_sides_differ_alike_from_each_other(ours: Rows, theirs: Rows) -> None:
    there = [(each.table, each.key) for each in differences(ours, theirs)]
    back = [(each.table, each.key) for each in differences(theirs, ours)]
    assert there == back


@pytest.mark.parametrize("table", TABLES)
def test_a_row_that_one_side_lacks_is_a_difference_in_any_table(table: str) -> None:
    row: dict[str, Values] = {"key": {"price": 2.0}}
    given_row = rows(**{table: row})
    assert differences(given_row, rows()) == [Difference(table, "key", {"price": 2.0}, {})]
    assert differences(rows(), given_row) == [Difference(table, "key", {}, {"price": 2.0})]


@pytest.mark.parametrize(("apart", "differ"), [(TOLERANCE / 2, False), (TOLERANCE * 3, True)])
def test_numbers_differ_when_they_are_further_apart_than_the_tolerance(
    apart: float, differ: bool
) -> None:
    ours = rows(fair_prices={"key": {"probability": 0.5, "state": "ok"}})
    theirs = rows(fair_prices={"key": {"probability": 0.5 + apart, "state": "ok"}})
    assert bool(differences(ours, theirs)) is differ


def test_another_reason_is_a_difference() -> None:
    ours = rows(fair_prices={"key": {"probability": None, "reason": "few books"}})
    theirs = rows(fair_prices={"key": {"probability": None, "reason": "no active quotes"}})
    assert len(differences(ours, theirs)) == 1


def test_rows_are_counted_over_all_tables() -> None:
    both = rows(quotes={"a": {}, "b": {}}, edges={"c": {}})
    assert both.count() == 3
    assert structs.replace(both, edges={}).count() == 2
