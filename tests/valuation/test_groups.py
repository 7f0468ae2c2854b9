"""Bookmakers that share one price are one voice, in the whole valuation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.valuation.by_hand import Row, board_of
from valuation.board import Board, Reason, Valued, value
from valuation.consensus import consensus
from valuation.groups import Groups
from valuation.policy import ValuationPolicy

POLICY = ValuationPolicy(min_edge_ev=-1.0)
ODDS = st.floats(1.7, 2.3).map(lambda price: round(price, 3))


def board(lines: dict[int, list[float]], groups: dict[int, int] | None = None) -> Board:
    """A market with the prices of each bookmaker; those without a group are apart."""
    rows = [
        Row(market=1, outcome=outcome, book=book, price=price)
        for book, prices in lines.items()
        for outcome, price in enumerate(prices, 1)
        if price
    ]
    return grouped(board_of(rows), groups or {})


def grouped(of: Board, groups: dict[int, int]) -> Board:
    ids = [groups.get(book, book) for book in of.bookmaker_id.tolist()]
    return replace(of, group_id=np.array(ids, np.int64))


def said_of(valued: Valued, of: Board, books: set[int]) -> list[tuple[float, int]]:
    """What the others say of each quote of some bookmakers, by outcome."""
    return [
        (round(probability, 10), count)
        for row, probability, count in zip(
            valued.edges.row, valued.edges.probability, valued.edges.books, strict=True
        )
        if int(of.bookmaker_id[row]) in books
    ]


@st.composite
def markets(draw: st.DrawFn) -> dict[int, list[float]]:
    return {book: draw(st.lists(ODDS, min_size=2, max_size=2)) for book in range(1, 7)}


@st.composite
def fields(draw: st.DrawFn, *, has_gaps: bool = True) -> dict[int, list[float]]:
    """Thirteen runners, of which some bookmakers leave one out, or have one far off."""
    typical = st.floats(11.5, 14.5).map(lambda price: round(price, 2))
    found = {book: draw(st.lists(typical, min_size=13, max_size=13)) for book in range(1, 6)}
    for prices in found.values():
        if has_gaps and draw(st.booleans()):
            prices[draw(st.integers(0, 12))] = draw(st.sampled_from([0.0, 40.0, 90.0]))
    return found


@settings(max_examples=100, deadline=None)
@given(lines=st.one_of(markets(), fields()), skins=st.integers(1, 4))
def test_skins_with_the_price_of_their_operator_change_nothing(
    lines: dict[int, list[float]], skins: int
) -> None:
    alone = board(lines)
    copies = {100 + number: lines[1] for number in range(skins)}
    together = board({**lines, **copies}, dict.fromkeys(copies, 1))
    one, other = value(alone, POLICY), value(together, POLICY)
    np.testing.assert_allclose(one.fair.probability, other.fair.probability, rtol=1e-9)
    np.testing.assert_array_equal(one.fair.books, other.fair.books)
    np.testing.assert_array_equal(one.fair.reason, other.fair.reason)
    assert said_of(one, alone, set(lines)) == said_of(other, together, set(lines))


@settings(max_examples=100, deadline=None)
@given(
    # What fills a gap is the median of all, the judged bookmaker among them.
    lines=st.one_of(markets(), fields(has_gaps=False)),
    first=st.integers(1, 5),
    second=st.integers(1, 5),
)
def test_no_member_of_a_group_has_a_part_in_what_the_others_say_of_another(
    lines: dict[int, list[float]], first: int, second: int
) -> None:
    pair = {first, second}
    together = board(lines, dict.fromkeys(pair, min(pair)))
    elsewhere = board(
        {book: prices for book, prices in lines.items() if book not in pair - {first}}
    )
    # Nobody is an outlier, so that the others are the same.
    rules = replace(POLICY, outlier_floor=9.0, min_books=1)
    said = said_of(value(together, rules), together, {first})
    assert said == said_of(value(elsewhere, rules), elsewhere, {first})


@settings(max_examples=100, deadline=None)
@given(lines=st.one_of(markets(), fields()), data=st.data())
def test_how_groups_and_bookmakers_are_numbered_does_not_matter(
    lines: dict[int, list[float]], data: st.DataObject
) -> None:
    groups = {book: data.draw(st.integers(1, 3)) for book in lines}
    renamed = {book: 1000 - 7 * group for book, group in groups.items()}
    one, other = (value(board(lines, each), POLICY) for each in (groups, renamed))
    np.testing.assert_allclose(one.fair.probability, other.fair.probability, rtol=1e-9)
    np.testing.assert_array_equal(one.fair.books, other.fair.books)
    np.testing.assert_array_equal(one.fair.reason, other.fair.reason)


def test_a_group_speaks_with_the_mean_of_its_log_odds_and_its_largest_weight() -> None:
    logits = np.array([0.2, 0.4, 0.0])
    first = 1 / (1 + np.exp(-logits))
    pooled = consensus(
        np.column_stack([first, 1 - first]),
        np.array([1.0, 3.0, 1.0]),
        np.zeros(3, np.int64),
        ValuationPolicy(outlier_floor=9.0),
        np.array([5, 5, 6]),
    )
    expected = 1 / (1 + np.exp(-(3 * 0.3 + 1 * 0.0) / 4))
    assert pooled.probability[0, 0] == pytest.approx(expected)
    assert pooled.books.tolist() == [2]
    assert pooled.other_books.tolist() == [1, 1, 1]
    np.testing.assert_allclose(pooled.others[:, 0], [0.5, 0.5, 1 / (1 + np.exp(-0.3))])


def test_three_skins_and_another_are_too_few_for_a_consensus_of_three() -> None:
    lines = {book: [1.9, 1.95] for book in (1, 2, 3, 4)}
    found = value(board(lines, {2: 1, 3: 1}), POLICY).fair
    assert set(found.reason.tolist()) == {Reason.TOO_FEW_BOOKS}
    assert set(value(board(lines), POLICY).fair.reason.tolist()) == {Reason.OK}


def test_three_skins_do_not_outvote_two_others_on_what_the_outcomes_are() -> None:
    """Three skins quote a draw that two others do not."""
    lines: dict[int, list[float]] = {1: [2.8, 2.8, 3.4], 2: [1.9, 1.95], 3: [1.9, 1.95]}
    lines |= {10: [2.8, 2.8, 3.4], 11: [2.8, 2.8, 3.4]}
    found = value(board(lines, {10: 1, 11: 1}), replace(POLICY, min_books=2)).fair
    assert found.reason.tolist()[:2] == [Reason.OK, Reason.OK]
    assert found.reason.tolist()[2] == Reason.INCOMPLETE


def test_a_table_of_groups_adds_up_and_comes_apart_again() -> None:
    groups = Groups.of(np.array([4, 4, 9, 3]), np.array([0, 1, 2, 0]), np.array([0, 0, 0, 1]), 3)
    table = np.array([[1.0, 10.0], [2.0, 0.0], [5.0, 0.0]])
    assert groups.totals(table).tolist() == [[3.0, 10.0], [5.0, 0.0]]
    assert groups.largest(table).tolist() == [[2.0, 10.0], [5.0, 0.0]]
    assert groups.spread(groups.totals(table))[:, 0].tolist() == [3.0, 3.0, 5.0]
