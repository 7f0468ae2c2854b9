"""Random boards: mostly plausible, with stale, one-sided, absurd and exchange quotes among them."""

from __future__ import annotations

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
