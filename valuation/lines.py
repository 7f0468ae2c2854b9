"""The outcomes of each line, the bookmakers that quote all of them, and the large fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, IntArray, is_new, number
from valuation.groups import voices
from valuation.policy import LARGE_FIELD
from valuation.quotes import Quotes

_BITS = 62  # outcomes a signed 64-bit word can hold without its sign


@dataclass(frozen=True, slots=True)
class BookLines:
    """The fresh back quotes, bookmaker by bookmaker and line by line.

    Attributes:
        quote: indexes of the fresh back quotes in `Quotes`; those of one book follow each other,
            ordered by outcome, (f,).
        first: where each book begins in `quote`, (l,).
        size: how many outcomes it backs, (l,).
        book: its index in `Quotes`, (l,).
        is_complete: whether they are exactly the outcomes of the line, (l,); False in large fields,
            where no bookmaker has to list all runners.
        in_field: which outcomes are runners of a large field, (o,).
    """

    quote: IntArray
    first: IntArray
    size: IntArray
    book: IntArray
    is_complete: BoolArray
    in_field: BoolArray


def book_lines(quotes: Quotes, needed_books: int) -> BookLines:
    """Compare what each bookmaker quotes on a line with what most of them do.

    The outcomes of a line are the set of two or more that most bookmakers with a weight quote
    to back, those of one group counted once; of equally frequent sets the larger; of equally
    large ones the one without the highest outcome id in which they differ. Large fields are
    marked instead.

    Args:
        quotes: the arranged board.
        needed_books: bookmakers a consensus needs.
    """
    quote = np.flatnonzero(quotes.is_fresh & ~quotes.is_lay)
    first = np.flatnonzero(is_new(quotes.book[quote]))
    size = np.diff(first, append=quote.size)
    book = quotes.book[quote[first]]
    line, votes = quotes.book_line[book], quotes.book_weight[book] > 0
    group = quotes.book_group[book]
    is_complete = _has_commonest_set(_outcome_sets(quotes, quote, first), size, line, votes, group)
    lines = int(quotes.book_line.max(initial=-1)) + 1
    in_field = np.zeros(quotes.outcome_line.size, dtype=np.bool_)
    if (np.bincount(quotes.outcome_line, minlength=lines) > LARGE_FIELD).any():
        carries = is_complete & votes & (size <= LARGE_FIELD)
        carried = voices(line[carries], group[carries], lines)
        is_small = 2 * carried > voices(line[votes], group[votes], lines)
        in_field = _runners(quotes, quote[np.repeat(votes, size)], is_small, min(needed_books, 2))
        is_complete &= ~_has_runners(quotes, in_field, lines)[line]
    return BookLines(quote, first, size, book, is_complete, in_field)


def _runners(quotes: Quotes, voting: IntArray, is_small: BoolArray, shared_by: int) -> BoolArray:
    """Return which outcomes belong to a large field, shape (o,).

    A runner is an outcome that at least `shared_by` bookmakers with a weight back. A line of more
    than ten is a large field, unless most bookmakers carry one and the same small set.
    """
    group = quotes.book_group[quotes.book[voting]]
    in_field = voices(quotes.outcome[voting], group, quotes.outcome_line.size) >= shared_by
    is_large = np.bincount(quotes.outcome_line[in_field], minlength=is_small.size) > LARGE_FIELD
    return in_field & (is_large & ~is_small)[quotes.outcome_line]


def _has_runners(quotes: Quotes, in_field: BoolArray, lines: int) -> BoolArray:
    return np.bincount(quotes.outcome_line[in_field], minlength=lines) > 0


def _outcome_sets(quotes: Quotes, quote: IntArray, first: IntArray) -> list[IntArray]:
    """Return each book's outcomes as a bit set; bit 0 is the lowest outcome id of its line.

    Returns:
        As many words as the largest line needs, the lowest first, each of shape (l,).
    """
    if not quote.size:
        return []
    line_first = np.flatnonzero(is_new(quotes.outcome_line))
    outcome = quotes.outcome[quote]
    rank = outcome - line_first[quotes.outcome_line[outcome]]
    word, bit = np.divmod(rank, _BITS)
    return [
        np.bitwise_or.reduceat(np.where(word == index, np.int64(1) << bit, 0), first)
        for index in range(int(word.max()) + 1)
    ]


def _has_commonest_set(
    sets: list[IntArray], size: IntArray, line: IntArray, votes: BoolArray, group: IntArray
) -> BoolArray:
    """Return which books have the set of outcomes that wins the vote on their line, shape (l,)."""
    order = np.lexsort((*sets, line))
    new = np.logical_or.reduce([is_new(column[order]) for column in (*sets, line)])
    candidate = np.empty_like(line)
    candidate[order] = number(new)
    candidate_line, candidate_size = line[order[new]], size[order[new]]
    count = voices(candidate[votes], group[votes], candidate_line.size)
    count[candidate_size < 2] = 0
    rank = np.arange(candidate_line.size)
    best = np.lexsort((-rank, candidate_size, count, candidate_line))
    # The candidates of a line follow each other, the winner last; some lines have no winner.
    is_last = np.append(is_new(candidate_line[best])[1:], True)[: best.size]
    is_winner = np.zeros(candidate_line.size, dtype=np.bool_)
    is_winner[best[is_last]] = True
    is_winner &= count > 0
    return is_winner[candidate]
