from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure
from streaming.providers.kalshi.book import Book
from streaming.providers.kalshi.contracts import Touch
from streaming.providers.kalshi.frames import BookDelta, BookImage, BookSide

SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["yes", "no"])
CENTS = st.integers(1, 99)
CHANGES = st.lists(st.tuples(SIDES, CENTS, st.integers(-500, 500)), max_size=30)
DEEP = 100_000  # hundredths: more than all changes together can take away


def dollars(cents: int) -> str:
    return f"{cents / 100:.4f}"


def contracts(hundredths: int) -> str:
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}"


def delta(side: BookSide, cents: int, hundredths: int) -> BookDelta:
    return BookDelta("T", side, dollars(cents), contracts(hundredths))


def image(yes: dict[int, int], no: dict[int, int]) -> BookImage:
    sides = [[(dollars(c), contracts(n)) for c, n in side.items()] for side in (yes, no)]
    return BookImage("T", *sides)


def touch_of(yes: dict[int, int], no: dict[int, int]) -> Touch:
    """The best prices worked out from scratch."""
    bids = [cents for cents, count in yes.items() if count]
    asks = [100 - cents for cents, count in no.items() if count]
    return Touch(bid=10_000 * max(bids) if bids else None, ask=10_000 * min(asks) if asks else None)


@given(CHANGES, st.randoms())
def test_the_order_of_changes_does_not_matter(
    changes: list[tuple[BookSide, int, int]], random: Random
) -> None:
    deep = dict.fromkeys(range(1, 100), DEEP)
    books = [Book(image(deep, deep)) for _ in range(2)]
    for book in books:
        for change in changes:
            book.add(delta(*change))
        random.shuffle(changes)
    # Emptied from the top, both give way at the same prices.
    for cents in range(99, 0, -1):
        assert books[0].touch() == books[1].touch()
        left = DEEP + sum(n for side, c, n in changes if (side, c) == ("yes", cents))
        for book in books:
            book.add(delta("yes", cents, -left))
    assert {book.touch().bid for book in books} == {None}


@given(CHANGES)
def test_a_book_is_the_sum_of_its_changes(changes: list[tuple[BookSide, int, int]]) -> None:
    book = Book(BookImage("T"))
    sums: dict[BookSide, Counter[int]] = {"yes": Counter(), "no": Counter()}
    for side, cents, count in changes:
        if sums[side][cents] + count < 0:
            with pytest.raises(DataFailure):
                book.add(delta(side, cents, count))
            continue
        sums[side][cents] += count
        book.add(delta(side, cents, count))
        assert book.touch() == touch_of(sums["yes"], sums["no"])


SIDE = st.dictionaries(CENTS, st.integers(0, 10_000))


@given(SIDE, SIDE)
def test_an_image_may_hold_empty_levels_in_any_order(
    yes: dict[int, int], no: dict[int, int]
) -> None:
    assert Book(image(yes, no)).touch() == touch_of(yes, no)


def test_a_tenth_of_a_cent_is_a_price() -> None:
    book = Book(BookImage("T", [("0.4210", "0.01")], [("0.5780", "0.01")]))
    assert book.touch() == Touch(bid=421_000, ask=422_000)


@pytest.mark.parametrize(
    "levels",
    [
        [("0.4200", "1.00"), ("0.42", "1.00")],
        [("0.4200", "-1.00")],
        [("0.0000", "1.00")],
        [("1.0000", "1.00")],
    ],
)
def test_an_image_that_makes_no_sense_is_refused(levels: list[tuple[str, str]]) -> None:
    with pytest.raises(DataFailure):
        Book(BookImage("T", levels))
