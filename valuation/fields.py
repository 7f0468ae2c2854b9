"""Large fields: lines of more than ten runners, of which a bookmaker may leave some out.

docs/valuation.md, "Large fields", has the rules. Fields of equally many runners are valued
together, in tables of the shape (n, k, lines), as in `valuation.completion`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from valuation.arrays import BoolArray, FloatArray, IntArray, is_new, number
from valuation.completion import Completed, completed, outliers
from valuation.consensus import log_odds, pooled_probabilities, sum_of_others
from valuation.devig import devig
from valuation.edges import hold
from valuation.groups import Groups
from valuation.lines import BookLines
from valuation.policy import ValuationPolicy
from valuation.pricing import Measured, PricedLines, complements, consensus_prices, reasons
from valuation.quotes import Quotes
from valuation.reasons import Reason

MAX_REST = 0.1
"""The largest part of a field that a bookmaker may leave out, or quote on runners of its own."""

MAX_OUTLYING = 0.25
"""A bookmaker that is an outlier on a larger part of its runners is one on all of them."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of n runners, and every book with a fresh back quote on them.

    Attributes:
        outcome: indexes of the runners in `Quotes`, shape (n, lines).
        book: the books' indexes in `Quotes`, (b,).
        slot: the position of each book among the bookmakers of its line, (b,).
        column: its line, (b,).
        quote: indexes of the back quotes in `Quotes`, −1 where a runner is not listed,
            shape (n, k, lines).
        foreign: for each book, the sum of 1/price over its quotes on other outcomes than these,
            (b,).
    """

    outcome: IntArray
    book: IntArray
    slot: IntArray
    column: IntArray
    quote: IntArray
    foreign: FloatArray

    def table(self, values: FloatArray) -> FloatArray:
        """Return a value for each book as a table of shape (k, lines), 0 where there is no book."""
        table = np.zeros(self.quote.shape[1:])
        table[self.slot, self.column] = values
        return table


def price_fields(quotes: Quotes, books: BookLines, policy: ValuationPolicy) -> list[PricedLines]:
    """Value the large fields, those of equally many runners together."""
    size = np.bincount(quotes.outcome_line[books.in_field])
    return [
        _price(quotes, _fields(quotes, books, size == n), policy) for n in np.unique(size[size > 0])
    ]


def _fields(quotes: Quotes, books: BookLines, chosen: BoolArray) -> Fields:
    """Arrange the quotes of the chosen lines, all of which have equally many runners."""
    lines = int(chosen.sum())
    runner = np.flatnonzero(books.in_field)
    runner = runner[chosen[quotes.outcome_line[runner]]]
    n = runner.size // lines
    place = np.full(quotes.outcome_line.size, -1)
    place[runner] = np.arange(runner.size) % n

    is_chosen = np.zeros(int(quotes.book_line.max()) + 1, dtype=np.bool_)
    is_chosen[: chosen.size] = chosen
    member = np.flatnonzero(is_chosen[quotes.book_line[books.book]])
    book = books.book[member]
    begins = is_new(quotes.book_line[book])
    column = number(begins)
    slot = np.arange(book.size) - np.flatnonzero(begins)[column]

    quote, owner = _quotes_of(books, member)
    at = place[quotes.outcome[quote]]
    listed = at >= 0
    table = np.full((n, int(slot.max()) + 1, lines), -1)
    table[at[listed], slot[owner[listed]], column[owner[listed]]] = quote[listed]
    return Fields(
        outcome=runner.reshape(lines, n).T,
        book=book,
        slot=slot,
        column=column,
        quote=table,
        foreign=_sums(np.where(listed, 0.0, 1 / quotes.price[quote]), owner, book.size),
    )


def _quotes_of(books: BookLines, member: IntArray) -> tuple[IntArray, IntArray]:
    """Return the fresh back quotes of some books, and which book each belongs to, shape (q,)."""
    size = books.size[member]
    owner = np.repeat(np.arange(member.size), size)
    nth = np.arange(owner.size) - np.repeat(np.cumsum(size) - size, size)
    return books.quote[books.first[member][owner] + nth], owner


def _sums(values: FloatArray, owner: IntArray, owners: int) -> FloatArray:
    """Return the sum of each owner's values, shape (owners,)."""
    sums = np.zeros(owners)
    np.add.at(sums, owner, values)
    return sums


def _price(quotes: Quotes, fields: Fields, policy: ValuationPolicy) -> PricedLines:
    """Value the fields: complete and de-vig each book, then pool runner by runner."""
    listed = fields.quote >= 0
    back = np.where(listed, quotes.price[fields.quote], np.nan)
    weight = fields.table(quotes.book_weight[fields.book])
    cell = fields.slot, fields.column
    groups = Groups.of(quotes.book_group[fields.book], *cell, len(weight))
    whole = completed(_standing(quotes, fields, back, policy), weight > 0, policy, groups)
    covers = _covers(fields, whole, back)
    in_range = whole.booksum >= policy.min_booksum
    in_range &= whole.booksum <= policy.max_booksum_of(len(back))
    logits, is_sound = _logits(whole, covers & in_range, policy)

    speaks = is_sound & (weight > 0)
    voting = whole.own & speaks
    voice = groups.largest(np.where(speaks, weight, 0.0))
    opinion = groups.means(logits, voting)
    is_in, has_say = _votes(opinion, groups.speaking(voting), policy)
    probability, others = _pool(
        (opinion, groups.means(logits, speaks)), voice * has_say, voice * is_in, policy
    )
    takes_part = groups.spread_flags(is_in) & voting.any(axis=0)
    votes = groups.spread_flags(has_say)
    books = has_say.sum(axis=1)
    listing = groups.speaking(listed & takes_part).sum(axis=1)
    own_reasons = reasons(in_range, is_sound, takes_part)
    return PricedLines(
        book=fields.book,
        reason=np.where(covers, own_reasons, Reason.INCOMPLETE)[cell],
        outcome=fields.outcome.ravel(),
        probability=probability.ravel(),
        outcome_books=books.ravel(),
        outcome_reason=_outcome_reasons(books, listing, policy).ravel(),
        measured=_measured(
            fields.quote,
            listed & is_sound,
            groups.spread(others),
            groups.spread(complements(others, policy, axis=0)),
            books[:, np.newaxis] - votes,
            _holds(whole, back),
            ~(votes & voting) & (weight > 0),
        ),
    )


def _standing(
    quotes: Quotes, fields: Fields, back: FloatArray, policy: ValuationPolicy
) -> FloatArray:
    """Return the prices that stand for each book, by `consensus_prices` over what it lists."""
    listed = fields.quote >= 0
    # A runner that is not listed gets one price for back and lay, which is close: it decides
    # nothing.
    lay = np.where(listed, quotes.lay[fields.quote], 2.0)
    back_by_book = np.where(listed, back, 2.0).reshape(len(back), -1).T
    lay_by_book = lay.reshape(len(lay), -1).T
    prices = consensus_prices(back_by_book, lay_by_book, policy.max_exchange_width)
    return np.where(listed, prices.T.reshape(back.shape), np.nan)


def _covers(fields: Fields, whole: Completed, back: FloatArray) -> BoolArray:
    """Return which books list nearly all of the field, and little else, shape (k, lines)."""
    foreign = fields.table(fields.foreign)
    listed = np.nansum(1 / back, axis=0)
    is_its_own: BoolArray = foreign <= MAX_REST * (foreign + listed)
    return (whole.coverage >= 1 - MAX_REST) & is_its_own


def _logits(
    whole: Completed, is_plausible: BoolArray, policy: ValuationPolicy
) -> tuple[FloatArray, BoolArray]:
    """Return log-odds without the margin, shape (n, k, lines), and which books have sound ones."""
    is_sound = is_plausible & (whole.implied < 1).all(axis=0)
    logits = np.zeros(whole.implied.shape)
    if is_sound.any():
        probabilities = devig(1 / whole.implied[:, is_sound].T, policy.method).probabilities
        is_inside = np.all((probabilities > 0) & (probabilities < 1), axis=1)
        is_sound[is_sound] = is_inside
        logits[:, is_sound] = log_odds(probabilities[is_inside]).T
    return logits, is_sound


def _votes(
    logits: FloatArray, voting: BoolArray, policy: ValuationPolicy
) -> tuple[BoolArray, BoolArray]:
    """Return which books take part, shape (k, lines), and on which runners, (n, k, lines)."""
    outlying = outliers(logits, voting, policy)
    quoted = voting.sum(axis=0)
    takes_part = (quoted > 0) & (outlying.sum(axis=0) <= MAX_OUTLYING * quoted)
    return takes_part, voting & ~outlying & takes_part


def _pool(
    logits: tuple[FloatArray, FloatArray],
    votes: FloatArray,
    everyone: FloatArray,
    policy: ValuationPolicy,
) -> tuple[FloatArray, FloatArray]:
    """Pool the votes, of all and of all others; a runner without a vote gets the filled-in prices.

    Args:
        logits: of the votes, and with the filled-in prices, each of shape (n, k, lines).
        votes: the weight of each vote, 0 where there is none, of the same shape.
        everyone: the weight of each book that takes part, shape (k, lines).
        policy: says whether probabilities sum to 1.

    Returns:
        Probabilities, shapes (n, lines) and (n, k, lines); NaN where no book takes part.
    """
    own, filled = logits
    spare = np.broadcast_to(everyone, votes.shape)

    def pooled(total: Callable[[FloatArray], FloatArray]) -> FloatArray:
        weight = total(votes)
        has_vote = weight > 0
        return pooled_probabilities(
            np.where(has_vote, total(own * votes), total(filled * spare)),
            np.where(has_vote, weight, total(spare)),
            sums_to_1=policy.sums_to_1,
        )

    return pooled(lambda table: table.sum(axis=1)), pooled(sum_of_others)


def _outcome_reasons(books: IntArray, listing: IntArray, policy: ValuationPolicy) -> IntArray:
    """Return why each runner has no fair price of its own, by its votes and by who lists it."""
    few = policy.needed_books
    return np.select(
        [listing < few, books < few], [Reason.INCOMPLETE, Reason.OUTLIER], Reason.OK
    ).astype(np.int64)


def _holds(whole: Completed, back: FloatArray) -> FloatArray:
    """Return the hold of each book's back prices, with unlisted runners at its own level."""
    listed = np.where(whole.own, 1 / back, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # of a book that lists nothing
        return hold(listed / whole.coverage)


def _measured(
    quote: IntArray,
    chosen: BoolArray,
    probability: FloatArray,
    complement: FloatArray,
    books: IntArray,
    holds: FloatArray,
    is_outlier: BoolArray,
) -> Measured:
    """Return the chosen cells of tables of shape (n, k, lines) as columns."""
    return Measured(
        quote=quote[chosen],
        probability=probability[chosen],
        complement=complement[chosen],
        books=books[chosen],
        hold=np.broadcast_to(holds, quote.shape)[chosen],
        is_outlier=is_outlier[chosen],
    )
