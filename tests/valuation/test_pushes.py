"""Lines that return stakes, against what their bets pay over a known distribution of results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from valuation.arrays import FloatArray
from valuation.board import Board, Edges, Reason, Valued, value
from valuation.covering import Role
from valuation.edges import returned
from valuation.policy import ValuationPolicy

POLICY = ValuationPolicy(min_edge_ev=-1.0, min_booksum=0.5, max_booksum=2.0)
BOOKS = 4
RESULTS = np.arange(-6.0, 13.0)


@dataclass(frozen=True)
class Side:
    """One side of a line: where it wins, given results as the over or the home side counts them."""

    point: float
    role: Role

    @property
    def line(self) -> float:
        """The point as the home side or the over sees it."""
        return -self.point if self.role in {Role.HOME, Role.AWAY} else self.point

    def pays(self, odds: float) -> FloatArray:
        is_above = self.role in {Role.OVER, Role.HOME}
        return returned(RESULTS, np.array(self.point), np.array(odds), is_above=is_above)

    def expected(self, chances: FloatArray, odds: float) -> float:
        """The expected profit per unit staked, result by result."""
        return float(chances @ self.pays(odds)) - 1

    def fair_odds(self, chances: FloatArray) -> float:
        """The odds at which the expected profit is 0; what is paid is linear in them."""
        at_0, at_1 = (float(chances @ self.pays(odds)) for odds in (0.0, 1.0))
        return (1 - at_0) / (at_1 - at_0)


@st.composite
def distributions(draw: st.DrawFn) -> FloatArray:
    strengths = draw(st.lists(st.integers(1, 40), min_size=RESULTS.size, max_size=RESULTS.size))
    return np.array(strengths) / sum(strengths)


quarters = st.integers(-4, 24).map(lambda number: number / 4)
pairs = st.sampled_from([(Role.OVER, Role.UNDER), (Role.HOME, Role.AWAY)])
offers = st.floats(0.8, 1.3)


def board_of(chances: FloatArray, points: list[float], pair: tuple[Role, Role]) -> Board:
    """Bookmakers without a margin that know the distribution, on some points of one market."""
    sides = [Side(point, role) for point in points for role in pair]
    count = len(sides)
    return Board(
        market_id=np.ones(count * BOOKS, np.int64),
        outcome_id=np.tile(np.arange(count), BOOKS),
        line=np.tile([side.line for side in sides], BOOKS),
        bookmaker_id=np.repeat(np.arange(BOOKS), count),
        is_lay=np.zeros(count * BOOKS, np.bool_),
        price=np.tile([side.fair_odds(chances) for side in sides], BOOKS),
        weight=np.where(np.repeat(np.arange(BOOKS), count) == 0, 0.0, 1.0),
        commission=np.zeros(count * BOOKS),
        is_stale=np.zeros(count * BOOKS, np.bool_),
        role=np.tile([int(side.role) for side in sides], BOOKS),
    )


def with_offer(board: Board, factor: float) -> tuple[Board, float]:
    """The first bookmaker, who has no weight, offers another price on the first outcome."""
    price = board.price.copy()
    price[0] = 1 + (price[0] - 1) * factor
    columns = {name: getattr(board, name) for name in board.__dataclass_fields__}
    return Board(**(columns | {"price": price})), float(price[0])


def edge_of(valued: Valued, row: int) -> Edges:
    at = np.flatnonzero(valued.edges.row == row)
    assert at.size == 1
    return Edges(*(getattr(valued.edges, name)[at] for name in valued.edges.__dataclass_fields__))


def beside(point: float) -> list[float]:
    """The half points around the whole one that a whole or a quarter point settles at."""
    whole = np.floor(point + 0.5)
    return [whole - 0.5, whole + 0.5]


@given(distributions(), quarters, pairs, offers)
def test_ev_is_what_a_bet_pays_over_all_results(
    chances: FloatArray, point: float, pair: tuple[Role, Role], factor: float
) -> None:
    points = [point, *(half for half in beside(point) if half != point)]
    board, price = with_offer(board_of(chances, points, pair), factor)
    edge = edge_of(value(board, POLICY), row=0)
    assert edge.ev[0] == pytest.approx(Side(point, pair[0]).expected(chances, price), abs=1e-9)


@given(distributions(), quarters, pairs, offers)
def test_without_the_half_points_ev_has_the_right_sign_and_is_not_too_small(
    chances: FloatArray, point: float, pair: tuple[Role, Role], factor: float
) -> None:
    assume(point % 1 != 0.5)
    board, price = with_offer(board_of(chances, [point], pair), factor)
    edge = edge_of(value(board, POLICY), row=0)
    exact = Side(point, pair[0]).expected(chances, price)
    assert np.isnan(edge.returned[0])
    assert edge.ev[0] * exact >= -1e-12
    assert abs(edge.ev[0]) >= abs(exact) - 1e-9


@given(distributions(), quarters, pairs, st.floats(1.02, 1.3))
def test_kelly_is_the_best_stake_at_a_whole_point_and_below_it_at_a_quarter(
    chances: FloatArray, point: float, pair: tuple[Role, Role], factor: float
) -> None:
    points = [point, *(half for half in beside(point) if half != point)]
    board, price = with_offer(board_of(chances, points, pair), factor)
    stake = float(edge_of(value(board, POLICY), row=0).kelly[0])
    profits = Side(point, pair[0]).pays(price) - 1
    # The derivative of the expected log of the bankroll is 0 at the best stake, above 0 before it.
    slope = float(chances @ (profits / (1 + stake * profits)))
    if (4 * point) % 2 == 0:
        assert slope == pytest.approx(0, abs=1e-7)
    else:
        assert slope >= -1e-7


@given(distributions(), st.integers(0, 5), pairs)
def test_the_part_returned_is_the_chance_of_the_whole_point(
    chances: FloatArray, point: int, pair: tuple[Role, Role]
) -> None:
    sides = [point, point - 0.25, point + 0.25, point - 0.5, point + 0.5]
    valued = value(board_of(chances, sides, pair), POLICY)
    hit = float(chances[point == RESULTS][0])
    of_line = {float(sides[row // 2]): valued.edges.returned[valued.edges.row == row][0]
               for row in range(10)}  # fmt: skip
    expected = dict(zip(map(float, sides), [hit, hit / 2, hit / 2, 0, 0], strict=True))
    assert of_line == pytest.approx(expected, abs=1e-9)


def test_half_points_of_another_market_say_nothing() -> None:
    chances = np.full(RESULTS.size, 1 / RESULTS.size)
    board = board_of(chances, [3.0, 2.5, 3.5], (Role.OVER, Role.UNDER))
    market = np.where(board.line == 3.0, 1, 2)
    columns = {name: getattr(board, name) for name in board.__dataclass_fields__}
    valued = value(Board(**(columns | {"market_id": market})), POLICY)
    is_whole = board.line[valued.edges.row] == 3.0
    assert np.isnan(valued.edges.returned[is_whole]).all()
    assert (valued.edges.returned[~is_whole] == 0).all()


@pytest.mark.parametrize("listed", [2, 3])
def test_bookmakers_of_two_and_of_three_ways_are_never_pooled(listed: int) -> None:
    """Those of the rarer kind change nothing, and their prices are no edges."""
    two, three = [1.80, 2.10], [2.40, 3.00, 3.30]
    common, rare = (two, three) if listed == 2 else (three, two)
    board, alone = (h2h([common] * 4 + [rare] * count) for count in (3, 0))
    valued, expected = value(board, POLICY), value(alone, POLICY)
    priced = valued.fair.reason == Reason.OK
    assert priced.sum() == listed
    assert valued.fair.probability[priced].tolist() == expected.fair.probability.tolist()
    assert set(board.bookmaker_id[valued.edges.row].tolist()) == {0, 1, 2, 3}


def h2h(books: list[list[float]]) -> Board:
    rows = [
        (book, outcome, price)
        for book, prices in enumerate(books)
        for outcome, price in enumerate(prices)
    ]
    book, outcome, price = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    return Board(
        market_id=np.ones(count, np.int64),
        outcome_id=outcome,
        line=np.full(count, np.nan),
        bookmaker_id=book,
        is_lay=np.zeros(count, np.bool_),
        price=price,
        weight=np.ones(count),
        commission=np.zeros(count),
        is_stale=np.zeros(count, np.bool_),
    )
