"""Stored rows as a sample: each price as a plain reading of its changes has it."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.valuation.closes.by_hand import LIMIT_SECONDS, HandQuote
from tests.valuation.closes.test_rebuild import START, history_of, quotes_of_a_market
from valuation.backtest.sample import Bookmakers, Sample
from valuation.backtest.stored_rows import (
    ClosedEvent,
    StoredBookmakers,
    StoredOutcomes,
    StoredQuotes,
    sample_of,
)
from valuation.results.grading import Score

BOOKS = 6
NAMES = ("Gulls", "Otters")
AT = datetime(2026, 3, 1, tzinfo=UTC)


def sample(
    quotes: list[HandQuote],
    closes: dict[int, float],
    listed: list[HandQuote],
    score: Score | None,
) -> Sample:
    """The sample of one market; `listed` are the quotes of the second statement, in any order."""
    return sample_of(
        [ClosedEvent(5, AT, score), ClosedEvent(6, AT, None)],
        history_of(quotes),
        StoredOutcomes(
            id=np.array([2, 1, 9]),
            event_id=np.array([5, 5, 6]),
            market_id=np.array([1, 1, 3]),
            point=np.full(3, np.nan),
            role=np.zeros(3, dtype=np.int64),
            own_point=np.full(3, np.nan),
            kind=["h2h"] * 3,
            period=["full"] * 3,
            participant=[""] * 3,
            name=[NAMES[1], NAMES[0], "of an event without a price"],
        ),
        StoredQuotes(
            id=np.array([each.id for each in listed], dtype=np.int64),
            outcome_id=np.array([each.outcome for each in listed], dtype=np.int64),
            bookmaker_id=np.array([each.book for each in listed], dtype=np.int64),
            is_lay=np.array([each.is_lay for each in listed], dtype=np.bool_),
            close=np.array([closes.get(each.id, math.nan) for each in listed], dtype=np.float64),
        ),
        StoredBookmakers(
            id=np.arange(BOOKS, 0, -1),  # as numbers that are not in the order of the keys
            terms=Bookmakers(
                keys=tuple("abcdef"),
                group=np.arange(BOOKS),
                rate=np.zeros(BOOKS),
                is_contract=np.zeros(BOOKS, dtype=np.bool_),
                is_venue=np.ones(BOOKS, dtype=np.bool_),
            ),
        ),
    )


def seen_price(of: HandQuote) -> float | None:
    """The price at the moment, if anybody had seen it."""
    is_seen = of.seen is not None and START - of.seen <= LIMIT_SECONDS
    return of.price(START) if is_seen else None


@settings(max_examples=150, deadline=None)
@given(quotes=quotes_of_a_market(), data=st.data())
def test_each_price_is_that_of_a_plain_reading(
    quotes: list[HandQuote], data: st.DataObject
) -> None:
    listed = data.draw(st.permutations(quotes))
    gone = data.draw(st.integers(0, len(listed)))
    listed = listed[gone:]  # retention may delete some in between
    closes = {each.id: 2.0 for each in listed if data.draw(st.booleans())}
    score = data.draw(st.sampled_from([None, Score(*NAMES, 2, 1), Score(*NAMES, None, None)]))
    found = sample(quotes, closes, listed, score)

    expected = set()
    for each in listed:
        early = seen_price(each)
        if early is None and each.id not in closes:
            continue
        expected.add(
            (
                each.outcome - 1,
                "fedcba"[each.book - 1],
                early,
                each.weight if early is not None else 0.0,
                closes.get(each.id),
            )
        )
    if not closes or all(seen_price(each) is None for each in listed):
        assert found.events == found.outcome.size == found.event.size == 0
        return
    got = {
        (
            int(outcome),
            found.bookmakers.keys[book],
            None if math.isnan(early) else early,
            weight,
            None if math.isnan(close) else close,
        )
        for outcome, book, early, weight, close in zip(
            found.outcome,
            found.bookmaker,
            found.early,
            found.weight,
            found.close,
            strict=True,
        )
    }
    assert got == expected
    assert (found.events, found.periods, found.graded) == (1, ("2026-03",), int(score is not None))
    assert found.line_number.tolist() == found.event.tolist() == [0, 0]
    if score is not None:
        void = score.home_score is None
        assert found.back.tolist() == ([1.0, 1.0] if void else [0.0, 0.0])
        assert found.paid.tolist() == ([0.0, 0.0] if void else [1.0, 0.0])


@settings(max_examples=50, deadline=None)
@given(quotes=quotes_of_a_market(), data=st.data())
def test_the_order_of_the_quotes_changes_no_price(
    quotes: list[HandQuote], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(quotes))
    closes = {quotes[0].id: 2.0} if quotes else {}
    one, other = (sample(quotes, closes, each, None) for each in (quotes, shuffled))
    keys = [np.lexsort((each.outcome, each.bookmaker)) for each in (one, other)]
    np.testing.assert_array_equal(one.early[keys[0]], other.early[keys[1]])
    np.testing.assert_array_equal(one.weight[keys[0]], other.weight[keys[1]])
