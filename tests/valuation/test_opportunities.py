"""Covers, arbitrages and middles: what bets on one market are worth together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betting.models import Clock, Market, QuoteStatus, Side
from tests.support import rows
from tests.valuation.opportunities_by_hand import find_by_hand
from valuation.covering import MAX_MIDDLES
from valuation.opportunities import (
    Bet,
    Cover,
    Middle,
    Opportunities,
    Selection,
    find,
    load,
)

HOME, AWAY = "Harbour Gulls", "Mill Otters"
WIN, DRAW, LOSE = Selection(HOME), Selection("Draw"), Selection(AWAY)


def back(selection: Selection, odds: float, bookmaker: str = "ace") -> Bet:
    return Bet(selection, Side.BACK, bookmaker, odds, odds, odds)


def lay(selection: Selection, odds: float) -> Bet:
    """A lay bet by the odds of its complement."""
    price = 1 + 1 / (odds - 1)
    return Bet(selection, Side.LAY, "exchange", price, odds, price)


def found(*bets: Bet, selections: tuple[Selection, ...] = ()) -> Opportunities:
    known = selections or tuple(dict.fromkeys(bet.selection for bet in bets))
    return find(known, bets, home=HOME, away=AWAY)


def total(name: str, points: float) -> Selection:
    return Selection(name, points, points)


def spread(name: str, points: float) -> Selection:
    return Selection(name, points, points if name == HOME else -points)


def test_a_published_arbitrage() -> None:
    (cover,) = found(back(WIN, 3.10), back(DRAW, 3.50), back(LOSE, 3.10)).arbitrages

    assert round(cover.profit, 4) == 0.0743
    assert [round(stake, 4) for stake in cover.stakes] == [0.3465, 0.3069, 0.3465]


def test_each_outcome_is_covered_at_its_best_price() -> None:
    bets = [back(WIN, 2.0), back(WIN, 2.2, "best"), back(LOSE, 1.8, "best"), back(LOSE, 1.7)]

    (cover,) = found(*bets).covers

    assert [bet.bookmaker for bet in cover.bets] == ["best", "best"]
    assert not cover.is_arbitrage


def test_a_line_that_lacks_an_outcome_is_no_cover() -> None:
    offers = found(back(WIN, 3.10), back(LOSE, 3.10), selections=(WIN, DRAW, LOSE))

    assert offers.covers == ()


def test_a_single_outcome_is_no_cover() -> None:
    assert found(back(WIN, 3.0)).covers == ()


def test_outcomes_of_different_lines_do_not_cover_each_other() -> None:
    offers = found(
        back(total("Over", 47.5), 2.2), back(total("Under", 48.5), 2.2),
        selections=tuple(total(name, at) for name in ("Over", "Under") for at in (47.5, 48.5)),
    )  # fmt: skip

    assert offers.covers == ()
    assert [middle.gap for middle in offers.middles] == [1.0]


def test_backing_and_laying_one_outcome_covers_it_where_both_quote_the_whole_line() -> None:
    whole = [back(DRAW, 3.0), back(LOSE, 3.0), lay(DRAW, 1.3), lay(LOSE, 1.3)]
    covers = found(back(WIN, 2.2), lay(WIN, 1.9), *whole).covers

    (cover,) = (
        cover for cover in covers if cover.bets[0].selection == WIN and len(cover.bets) == 2
    )
    assert [bet.side for bet in cover.bets] == [Side.BACK, Side.LAY]
    assert cover.booksum == pytest.approx(1 / 2.2 + 1 / 1.9)


def test_a_bookmaker_of_two_outcomes_covers_nothing_with_those_of_three() -> None:
    three_way = [back(WIN, 2.6, "three"), back(DRAW, 3.3, "three"), back(LOSE, 2.9, "three")]
    two_way = [lay(WIN, 1.95), lay(LOSE, 1.95), back(WIN, 2.9, "two"), back(LOSE, 3.6, "two")]

    covers = found(*three_way, *two_way).covers

    # Backed at 2.6 and laid at 1.95 it looks like 6 %, and loses half on a draw.
    assert [[bet.bookmaker for bet in cover.bets] for cover in covers] == [["three"] * 3]


def test_the_lowest_booksum_comes_first() -> None:
    offers = found(
        back(total("Over", 1.5), 1.9), back(total("Under", 1.5), 1.9),
        back(total("Over", 2.5), 2.1), back(total("Under", 2.5), 2.1),
    )  # fmt: skip

    assert [cover.bets[0].selection.line for cover in offers.covers] == [2.5, 1.5]


def test_a_spread_has_its_middle_between_the_two_margins() -> None:
    offers = found(back(spread(HOME, -2.5), 1.95), back(spread(AWAY, 4.5), 1.95))

    (middle,) = offers.middles
    assert (middle.above.selection.name, middle.below.selection.name) == (HOME, AWAY)
    assert middle.gap == 2.0
    assert (round(middle.worst, 4), round(middle.best, 4)) == (-0.025, 0.95)


@pytest.mark.parametrize(
    ("over", "under", "best"),
    [
        (45.5, 46.5, 0.95),
        (45.0, 46.0, 0.475),  # both win at no result: 46 returns the stake on the under
        (45.0, 45.5, 0.475),
        (45.25, 45.75, 0.225),  # at 45 half the over is lost, and the under wins
        (45.0, 47.0, 0.95),
    ],
)
def test_what_a_middle_pays_at_best_depends_on_the_points(
    over: float, under: float, best: float
) -> None:
    (middle,) = found(back(total("Over", over), 1.95), back(total("Under", under), 1.95)).middles
    assert (round(middle.worst, 4), round(middle.best, 4)) == (-0.025, best)


def test_two_points_without_a_result_between_them_are_no_middle() -> None:
    assert found(back(total("Over", 45.1), 1.9), back(total("Under", 45.4), 1.9)).middles == ()


def test_a_handicap_of_three_outcomes_has_no_middle() -> None:
    three = [Selection(name, 1.0 if name != HOME else -1.0, -1.0) for name in (HOME, "Draw", AWAY)]
    two = [spread(HOME, -2.5), spread(AWAY, 2.5)]
    offers = found(*(back(each, 3.0) for each in three), *(back(each, 1.9) for each in two))
    assert offers.middles == ()


@pytest.mark.parametrize(("point", "worst"), [(2.5, 0.05), (2.0, 0.0), (2.25, 0.025)])
def test_stakes_that_come_back_leave_less_of_an_arbitrage(point: float, worst: float) -> None:
    (cover,) = found(back(total("Over", point), 2.1), back(total("Under", point), 2.1)).arbitrages
    assert (round(cover.profit, 4), round(cover.worst, 4)) == (0.05, worst)


POINTS = st.integers(0, 24).map(lambda quarters: quarters / 4)
ODDS = st.floats(1.05, 5.0)
RESULTS = range(-2, 10)


def paid(bet: Bet, result: int) -> float:
    """What a unit on the bet returns, by the rule for half points and half a stake on either."""
    assert bet.selection.point is not None
    below = bet.selection.point - (0.25 if bet.selection.point * 2 % 1 else 0)
    above = bet.selection.point + (0.25 if bet.selection.point * 2 % 1 else 0)
    sign = 1 if bet.selection.name == "Over" else -1
    outcome = {1: bet.odds, 0: 1.0, -1: 0.0}
    margins = [sign * (result - point) for point in (below, above)]
    return sum(outcome[(margin > 0) - (margin < 0)] for margin in margins) / 2


@given(POINTS, ODDS, POINTS, ODDS)
def test_no_result_is_better_or_worse_than_an_opportunity_says(
    over: float, over_odds: float, under: float, under_odds: float
) -> None:
    pair = [back(total("Over", over), over_odds), back(total("Under", under), under_odds)]
    offers = found(*pair)
    booksum = sum(1 / bet.odds for bet in pair)
    profits = [
        sum(paid(bet, result) / bet.odds / booksum for bet in pair) - 1 for result in RESULTS
    ]
    if over == under:
        (cover,) = offers.covers
        assert cover.worst == pytest.approx(min(profits))
        if abs(max(profits)) > 1e-12:  # where the odds of the two are fair, rounding decides
            assert cover.is_arbitrage == (max(profits) > 0)
        assert offers.middles == ()
    elif offers.middles:
        (middle,) = offers.middles
        assert over < under
        assert middle.worst == pytest.approx(min(profits))
        assert middle.best == pytest.approx(max(profits))
    else:
        assert max(profits) <= 1 / booksum - 1 + 1e-9 or over > under


SELECTIONS = [
    WIN, DRAW, LOSE,
    *(total(name, at) for name in ("Over", "Under") for at in (2.0, 2.5, 2.75, 3.5)),
    *(spread(HOME, at) for at in (-1.5, 0.0, 1.25)),
    *(spread(AWAY, at) for at in (-1.25, 0.0, 2.5)),
]  # fmt: skip
"""Of several kinds of market, which `find` does not tell apart."""

OFFERS = st.lists(
    st.builds(
        lambda selection, book, odds, is_lay: (
            replace(lay(selection, odds), bookmaker=book) if is_lay else back(selection, odds, book)
        ),
        st.sampled_from(SELECTIONS),
        st.sampled_from(["ace", "bay", "cap"]),
        st.sampled_from([1.5, 1.95, 2.0, 2.1, 3.25]) | st.floats(1.02, 20),
        st.booleans(),
    ),
    max_size=40,
    unique_by=lambda bet: (bet.selection, bet.bookmaker, bet.side),
)


@given(st.sets(st.sampled_from(SELECTIONS), min_size=1), OFFERS)
def test_the_columns_hold_what_is_found_bet_by_bet(
    known: set[Selection], offers: list[Bet]
) -> None:
    selections = [each for each in SELECTIONS if each in known]
    bets = [bet for bet in offers if bet.selection in known]
    assert_equal(
        find(selections, bets, home=HOME, away=AWAY),
        find_by_hand(selections, bets, home=HOME, away=AWAY),
    )


def assert_equal(found: Opportunities, by_hand: Opportunities) -> None:
    """The same covers and middles, in any order among equal ones."""

    def figures(one: Cover | Middle, *names: str) -> list[float]:
        return [getattr(one, name) for name in names]

    of_covers, of_middles = ("booksum", "profit", "worst"), ("gap", "worst", "best", "break_even")
    covers = [{cover.bets: cover for cover in each.covers} for each in (found, by_hand)]
    assert covers[0].keys() == covers[1].keys()
    for bets, cover in covers[0].items():
        assert figures(cover, *of_covers) == pytest.approx(figures(covers[1][bets], *of_covers))
        assert cover.stakes == pytest.approx(covers[1][bets].stakes)
    middles = [{(m.above, m.below): m for m in each.middles} for each in (found, by_hand)]
    assert middles[0].keys() == middles[1].keys()
    for pair, middle in middles[0].items():
        assert figures(middle, *of_middles) == pytest.approx(figures(middles[1][pair], *of_middles))


def test_the_two_sides_of_one_line_leave_no_middle() -> None:
    assert found(back(spread(HOME, -3.5), 1.9), back(spread(AWAY, 3.5), 1.9)).middles == ()
    assert found(back(total("Over", 47.0), 1.9), back(total("Under", 47.0), 1.9)).middles == ()


def test_the_two_sides_of_a_gap_that_both_lose_are_no_middle() -> None:
    assert found(back(total("Over", 48.5), 1.9), back(total("Under", 47.5), 1.9)).middles == ()


def test_only_so_many_middles_are_reported() -> None:
    bets = [back(total(name, float(at)), 1.9) for name in ("Over", "Under") for at in range(20)]

    assert len(found(*bets).middles) == MAX_MIDDLES


@given(
    st.lists(
        st.tuples(st.sampled_from([WIN, DRAW, LOSE]), st.floats(1.01, 50)), min_size=3, max_size=9
    )
)
def test_a_covers_bets_all_return_the_same(offers: list[tuple[Selection, float]]) -> None:
    for cover in found(*(back(*offer) for offer in offers)).covers:
        returns = [stake * bet.odds for stake, bet in zip(cover.stakes, cover.bets, strict=True)]
        assert sum(cover.stakes) == pytest.approx(1)
        assert returns == pytest.approx([1 + cover.profit] * len(returns))


class TestLoading:
    """From the database."""

    pytestmark = pytest.mark.django_db

    def opportunities(self, market: Market) -> Opportunities:
        return load(market)

    def test_the_best_prices_of_a_market_are_found(self) -> None:
        board = rows.make_board((2.25, 1.5), (1.8, 2.125))

        (cover,) = self.opportunities(board.market).arbitrages

        assert [bet.price for bet in cover.bets] == [2.25, 2.125]

    @pytest.mark.parametrize("status", [QuoteStatus.SUSPENDED, QuoteStatus.QUARANTINED])
    def test_a_quote_that_cannot_be_bet_on_is_left_out(self, status: QuoteStatus) -> None:
        board = rows.make_board((2.25, 1.5))
        board.quotes[0].status = status
        board.quotes[0].save()

        assert self.opportunities(board.market).covers == ()

    @pytest.mark.parametrize(
        ("clock", "minutes", "are_found"),
        [
            (Clock.WALL, 1, True),
            (Clock.WALL, 3, False),
            (Clock.RECORDED, 1, True),
            (Clock.RECORDED, 3, False),
        ],
    )
    def test_a_quote_that_nobody_confirms_is_left_out_though_nobody_has_quarantined_it(
        self, clock: Clock, minutes: int, are_found: bool
    ) -> None:
        provider = rows.make_provider(clock=clock, stale_after_seconds=120)
        board = rows.make_board((2.25, 1.5), provider=provider)
        heard_at = datetime.now(UTC) - timedelta(minutes=minutes)
        provider.feeds.update(observed_at=heard_at)
        board.market.changed_at = heard_at + timedelta(minutes=minutes)
        board.market.save()

        assert bool(self.opportunities(board.market).covers) == are_found

    def test_commission_is_taken_off(self) -> None:
        board = rows.make_board()
        exchange = rows.make_bookmaker(commission=0.05)
        for outcome in board.outcomes:
            rows.make_quote(outcome, board.feed, 2.0, bookmaker=exchange)
        rows.make_quote(board.outcomes[0], board.feed, 2.0, bookmaker=exchange, side=Side.LAY)

        covers = self.opportunities(board.market).covers

        assert [[bet.odds for bet in cover.bets] for cover in covers] == [[1.95, 1.95]] * 2

    def test_an_exchange_whose_commission_is_not_known_takes_no_part(self) -> None:
        board = rows.make_board((2.25, 1.5))
        exchange = rows.make_bookmaker(kind="exchange", commission=None)
        for outcome in board.outcomes:
            rows.make_quote(outcome, board.feed, 5.0, bookmaker=exchange)

        (cover,) = self.opportunities(board.market).covers
        assert [bet.price for bet in cover.bets] == [2.25, 1.5]

    def test_a_lay_is_shown_as_quoted_with_its_stake_and_liability_apart(self) -> None:
        board = rows.make_board((4.0, 1.2))
        exchange = rows.make_bookmaker(kind="exchange", commission=0.05)
        for outcome in board.outcomes:
            rows.make_quote(outcome, board.feed, 1.1, bookmaker=exchange)
        rows.make_quote(board.outcomes[0], board.feed, 3.6, bookmaker=exchange, side=Side.LAY)

        cover = next(c for c in self.opportunities(board.market).covers if len(c.bets) == 2
                     and c.bets[1].side == Side.LAY)  # fmt: skip
        (_, back_stake), (bet, lay_stake) = cover.legs
        assert (bet.price, round(bet.net_price, 4)) == (3.6, 3.7368)
        assert back_stake.stake == back_stake.liability
        assert lay_stake.liability == pytest.approx(2.6 * lay_stake.stake)
        # Whatever happens the same comes back: of the whole risk, at quoted prices less commission.
        wins = back_stake.stake * 3.0 - lay_stake.liability
        loses = lay_stake.stake * 0.95 - back_stake.stake
        assert wins == pytest.approx(loses) == pytest.approx(cover.profit)

    def test_it_takes_as_many_statements_for_ten_times_the_quotes(
        self, django_assert_num_queries: Any
    ) -> None:
        small = rows.make_board((2.25, 1.5)).market
        large = rows.make_board(*[(2.25, 1.5)] * 10).market

        for market in (small, large):
            with django_assert_num_queries(3):
                self.opportunities(Market.objects.select_related("event").get(pk=market.pk))
