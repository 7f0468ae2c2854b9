"""The close of a market: equal to a plain reading of its history, whatever the history."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.valuation.closes.by_hand import HandQuote, closes_by_hand, last_price
from valuation.closes.clv import OpenedEdges, edge_closes
from valuation.closes.rebuild import ANCHORS, PriceHistory, closes
from valuation.covering import Role
from valuation.policy import ValuationPolicy

START = 1_000_000.0
POLICY = ValuationPolicy()


def history_of(quotes: list[HandQuote]) -> PriceHistory:
    changes = [(place, *change) for place, quote in enumerate(quotes) for change in quote.changes]

    def column(values: list[float | None]) -> np.ndarray:
        return np.array([math.nan if value is None else value for value in values], np.float64)

    return PriceHistory(
        quote_id=np.array([quote.id for quote in quotes], np.int64),
        market_id=np.ones(len(quotes), np.int64),
        outcome_id=np.array([quote.outcome for quote in quotes], np.int64),
        line=np.full(len(quotes), np.nan),
        role=np.zeros(len(quotes), np.int64),
        bookmaker_id=np.array([quote.book for quote in quotes], np.int64),
        group_id=np.array([quote.book for quote in quotes], np.int64),
        is_lay=np.array([quote.is_lay for quote in quotes], np.bool_),
        weight=column([quote.weight for quote in quotes]),
        rate=column([quote.commission for quote in quotes]),
        is_contract=np.array([quote.is_contract for quote in quotes], np.bool_),
        anchor=np.array([0 if quote.book == 1 else -1 for quote in quotes], np.int64),
        closes_at=np.full(len(quotes), START),
        seen_at=column([quote.seen for quote in quotes]),
        change_quote=np.array([change[0] for change in changes], np.int64),
        change_at=column([change[1] for change in changes]),
        change_price=column([change[2] for change in changes]),
        change_old=column([change[3] for change in changes]),
    )


@st.composite
def quotes_of_a_market(draw: st.DrawFn) -> list[HandQuote]:
    """Three to six bookmakers around one fair price, some of which come and go before the start."""
    quotes: list[HandQuote] = []
    for book in range(1, draw(st.integers(3, 6)) + 1):
        seen = draw(st.sampled_from([START - 1, START - 300, START - 700, None]))
        weight = draw(st.sampled_from([1.0, 1.0, 3.0, 0.0]))
        for outcome in (1, 2):
            changes: list[tuple[float, float | None, float | None]] = []
            before: float | None = None
            ages = draw(st.lists(st.sampled_from([900, 600, 300, 120, 60, 1]), max_size=4))
            for age in sorted(ages, reverse=True):
                price = draw(st.sampled_from([1.8, 1.9, 1.95, 2.05, None]))
                if price is not None or before is not None:
                    changes.append((START - age, price, before))
                    before = price
            if changes:
                quotes.append(
                    HandQuote(len(quotes) + 1, outcome, book, False, weight, 0.0, seen, changes)
                )
    return quotes


@settings(max_examples=150, deadline=None)
@given(quotes=quotes_of_a_market())
def test_a_close_is_what_a_plain_reading_of_the_history_says(quotes: list[HandQuote]) -> None:
    found = closes(history_of(quotes), POLICY)
    by_hand = closes_by_hand(quotes, START, POLICY)

    fair = found.fair
    got = {
        int(outcome): (probability, books, at)
        for outcome, probability, books, at in zip(
            fair.outcome_id, fair.probability, fair.books, fair.at, strict=True
        )
        if not math.isnan(probability)
    }
    assert got == {
        outcome: (pytest.approx(close.probability), close.books, close.at)
        for outcome, close in by_hand.items()
    }
    for place, quote in enumerate(quotes):
        last = last_price(quote, START)
        price, at = found.books.price[place], found.books.at[place]
        assert (None if math.isnan(price) else (price, at)) == last
        assert (found.books.reason[place] == "") == (last is not None)
        close = by_hand.get(quote.outcome)
        others = None if close is None else close.others.get(quote.id)
        winning = found.winning[place]
        assert (None if math.isnan(winning) else winning) == pytest.approx(others)


@settings(max_examples=50, deadline=None)
@given(quotes=quotes_of_a_market(), data=st.data())
def test_the_order_of_the_quotes_does_not_matter(
    quotes: list[HandQuote], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(quotes))
    one, other = (closes(history_of(each), POLICY) for each in (quotes, shuffled))
    np.testing.assert_array_equal(one.fair.probability, other.fair.probability)
    np.testing.assert_array_equal(one.fair.at, other.fair.at)


def test_no_history_closes_nothing() -> None:
    found = closes(history_of([]), POLICY)
    assert found.fair.outcome_id.size == found.books.price.size == 0


def test_an_anchor_closes_by_its_own_line_alone() -> None:
    quotes = [
        HandQuote(2 * book + outcome, outcome, book, False, 1.0, 0.0, START - 1,
                  [(START - 60, price, None)])
        for book in (1, 2, 3, 4)
        for outcome, price in ((1, 1.6 if book == 1 else 1.9), (2, 2.4 if book == 1 else 1.9))
    ]  # fmt: skip
    anchored = closes(history_of(quotes), POLICY).fair.anchored
    assert anchored.shape == (2, len(ANCHORS))
    assert anchored[0, 0] == pytest.approx(0.605, abs=0.005)
    assert anchored[:, 0].sum() == pytest.approx(1)
    assert np.isnan(anchored[:, 1:]).all()


def test_clv_counts_the_stakes_that_a_push_at_the_close_returns() -> None:
    """Over 3 with 22 of 100 matches expected to end with exactly 3 goals."""
    chances = {2.5: 0.57, 3.0: 0.35 / 0.78, 3.5: 0.35}
    quotes = [
        HandQuote(100 * book + place, place, book, False, 1.0, 0.0, START - 1,
                  [(START - 60, 1 / (chance if place % 2 else 1 - chance), None)], line)
        for book in (1, 2, 3, 4)
        for number, (line, chance) in enumerate(chances.items())
        for place in (2 * number + 1, 2 * number + 2)
    ]  # fmt: skip
    history = replace(
        history_of(quotes),
        line=np.array([quote.line for quote in quotes]),
        role=np.array([Role.OVER if quote.outcome % 2 else Role.UNDER for quote in quotes]),
    )
    found = closes(history, POLICY)
    np.testing.assert_allclose(found.fair.returned, [0, 0, 0.22, 0.22, 0, 0], atol=1e-9)
    over_3 = next(place for place, quote in enumerate(quotes) if quote.outcome == 3)
    edges = OpenedEdges(
        edge_id=np.array([1]),
        quote_id=history.quote_id[[over_3]],
        opened_price=np.array([2.35]),
        opened_probability=np.array([0.35 / 0.78]),
        best_price=np.array([2.4]),
        ahead_seconds=np.array([60.0]),
        open_seconds=np.array([60.0]),
    )
    judged = edge_closes(edges, history, found)
    assert judged.opened_clv[0] == pytest.approx(0.35 * 1.35 - 0.43)
    assert judged.best_clv[0] == pytest.approx(0.35 * 1.40 - 0.43)
    assert judged.opened_ev[0] == pytest.approx(judged.opened_clv[0])


def steady(book: int, home: float = 0.5, off: float | None = None) -> list[HandQuote]:
    """A bookmaker without margin; its prices may go so many seconds before the start."""
    return [
        HandQuote(2 * book + outcome, outcome, book, False, 1.0, 0.0, START - 1,
                  [(START - 900, price, None)]
                  + ([] if off is None else [(START - off, None, price)]))
        for outcome, price in ((1, 1 / home), (2, 1 / (1 - home)))
    ]  # fmt: skip


def edge_at(history: PriceHistory, place: int) -> OpenedEdges:
    """An edge on a quote, at even odds."""
    one = np.ones(1)
    return OpenedEdges(
        edge_id=np.array([1]),
        quote_id=history.quote_id[[place]],
        opened_price=2 * one,
        opened_probability=one / 2,
        best_price=2 * one,
        ahead_seconds=60 * one,
        open_seconds=60 * one,
    )


def test_a_skin_does_not_judge_the_edge_of_its_operator_that_has_left() -> None:
    """Of two bookmakers of one group the one with the edge is gone at the start."""
    quotes = [*steady(2, 0.55, off=700), *steady(3, 0.55)]
    quotes += [each for book in (4, 5, 6) for each in steady(book)]
    alone = history_of(quotes)
    history = replace(alone, group_id=np.where(alone.group_id == 3, 2, alone.group_id))

    judged = edge_closes(edge_at(history, 0), history, closes(history, POLICY))

    assert judged.by_others.tolist() == [True]
    assert judged.books.tolist() == [3]
    assert judged.winning[0] == pytest.approx(0.5)


def test_where_a_skin_is_in_the_consensus_that_judges_it_is_said() -> None:
    quotes = [*steady(2, off=700), *steady(3), *steady(4), *steady(5)]
    alone = history_of(quotes)
    history = replace(alone, group_id=np.where(alone.group_id == 3, 2, alone.group_id))
    judged = edge_closes(edge_at(history, 0), history, closes(history, POLICY))
    assert judged.books.tolist() == [3]
    assert judged.by_others.tolist() == [False]


def test_an_anchor_does_not_judge_the_edges_of_its_own_group() -> None:
    quotes = [each for book in (1, 2, 3, 4, 5) for each in steady(book)]
    apart = history_of(quotes)
    grouped = replace(apart, group_id=np.where(apart.group_id == 2, 1, apart.group_id))
    skin = edge_at(apart, 2)
    of_another, of_its_own = (
        edge_closes(skin, each, closes(each, POLICY)) for each in (apart, grouped)
    )
    assert of_another.anchor.tolist() == [0]
    assert of_its_own.anchor.tolist() == [-1]
    assert np.isnan(of_its_own.anchor_opened_clv).all()
