"""Random boards: mostly plausible, with stale, one-sided, absurd and exchange quotes among them."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from tests.valuation.by_hand import Row

LINES = (None, -3.5, 0.0)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Quotes of one or two markets, in no particular order."""
    quotes: list[Row] = []
    books = [
        (book, draw(st.sampled_from([1.0, 1.0, 2.5, 0.0])), draw(st.sampled_from([0.0, 0.02])))
        for book in range(1, draw(st.integers(1, 7)) + 1)
    ]
    for market in range(draw(st.integers(1, 2))):
        for index, line in enumerate(LINES[: draw(st.integers(1, 3))]):
            first = 100 * market + 10 * index
            strengths = draw(st.lists(st.integers(1, 9), min_size=2, max_size=4))
            probabilities = [strength / sum(strengths) for strength in strengths]
            for book, weight, commission in books:
                quotes += draw(
                    _book(Row(market, first, book, 0.0, line, False, weight, commission),
                          probabilities)
                )  # fmt: skip
    return draw(st.permutations(quotes))


@st.composite
def _book(draw: st.DrawFn, row: Row, probabilities: list[float]) -> list[Row]:
    """What one bookmaker quotes on one line."""
    margin = draw(st.sampled_from([1.0, 1.03, 1.06, 1.12, 1.6, 0.9]))
    is_exchange = draw(st.booleans())
    quotes = []
    for offset, probability in enumerate(probabilities):
        if draw(st.integers(0, 9)) == 0:
            continue
        noise = draw(st.sampled_from([1.0, 1.0, 0.97, 1.02, 1.05, 0.9, 0.3]))
        price = max(1 / (probability * noise * margin), 1.01)
        is_stale = draw(st.integers(0, 9)) == 0
        outcome = row.outcome + offset
        quotes.append(row._replace(outcome=outcome, price=price, is_stale=is_stale))
        if is_exchange and draw(st.integers(0, 9)):
            lay = 1 + (price - 1) * draw(st.sampled_from([1.01, 1.04, 1.1, 2.0]))
            is_stale = draw(st.integers(0, 9)) == 0
            quotes.append(row._replace(outcome=outcome, price=lay, is_lay=True, is_stale=is_stale))
    return quotes


@st.composite
def fields(draw: st.DrawFn) -> list[Row]:
    """Quotes of one or two fields of 9 to 24 runners, which bookmakers list more or less of.

    Drawn from a seed, as hypothesis would spend its effort on hundreds of single prices.
    """
    rng = random.Random(draw(st.integers(0, 2**32)))
    quotes: list[Row] = []
    for market in range(1, draw(st.integers(1, 2)) + 1):
        strengths = [rng.paretovariate(0.9) for _ in range(draw(st.integers(9, 24)))]
        for book in range(1, draw(st.integers(2, 7)) + 1):
            row = Row(
                market,
                100 * market,
                book,
                0.0,
                weight=rng.choice([1.0, 1.0, 2.5, 0.0]),
                commission=rng.choice([0.0, 0.02]),
            )
            quotes += _field_of(rng, row, [s / sum(strengths) for s in strengths])
    rng.shuffle(quotes)
    return quotes


def _field_of(rng: random.Random, row: Row, probabilities: list[float]) -> list[Row]:
    """What one bookmaker quotes on one field: some odd prices, some runners of its own."""
    margin = rng.choice([1.01, 1.15, 1.3, 1.5, 1.5, 0.9, 3.0])
    spread = rng.choice([0.02, 0.05, 0.3])
    missing = rng.choice([0.0, 0.05, 0.05, 0.4])
    lays = rng.choice([0.0, 0.0, 1.0, 0.9])
    quotes = []
    for offset, probability in enumerate(probabilities):
        if rng.random() < missing:
            continue
        odd = rng.choice([0.2, 6.0]) if rng.random() < 0.03 else rng.lognormvariate(0, spread)
        price = max(1 / (probability * odd * margin), 1.01)
        quote = row._replace(outcome=row.outcome + offset, price=price)
        quotes.append(quote._replace(is_stale=rng.random() < 0.03))
        if rng.random() < lays:
            price = 1 + (price - 1) * rng.choice([1.02, 1.1, 1.3])
            quotes.append(quote._replace(price=price, is_lay=True, is_stale=rng.random() < 0.03))
    if rng.random() < 0.2:
        outcome = row.outcome + 50 + row.book % 3
        quotes.append(row._replace(outcome=outcome, price=rng.choice([4.0, 300.0])))
    return quotes
