from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valuation.results.grading import Bet, Grade, Score, grade, profit

WIN = Score("Gulls", "Otters", 3, 1)
TIE = Score("Gulls", "Otters", 2, 2)

scores = st.builds(Score, st.just("Gulls"), st.just("Otters"), st.integers(0, 9), st.integers(0, 9))
points = st.integers(-24, 72).map(lambda quarters: quarters / 4)
odds = st.floats(1.01, 20)


def bet(kind: str, name: str, point: float | None = None, **more: object) -> Bet:
    return replace(Bet(kind, "full", "", name, point, has_draw=False), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "score", "expected"),
    [
        (bet("h2h", "Gulls"), WIN, Grade.WON),
        (bet("h2h", "Otters"), WIN, Grade.LOST),
        (bet("h2h", "Gulls"), TIE, Grade.PUSH),
        (bet("h2h", "Gulls", has_draw=True), TIE, Grade.LOST),
        (bet("h2h_3_way", "Draw", has_draw=True), TIE, Grade.WON),
        (bet("h2h", "Draw", has_draw=True), WIN, Grade.LOST),
        (bet("draw_no_bet", "Otters"), TIE, Grade.PUSH),
        (bet("spreads", "Gulls", -2.0), WIN, Grade.PUSH),
        (bet("spreads", "Gulls", -1.75), WIN, Grade.HALF_WON),
        (bet("alternate_spreads", "Gulls", -2.25), WIN, Grade.HALF_LOST),
        (bet("spreads", "Otters", 2.5), WIN, Grade.WON),
        (bet("totals", "Under", 4.0), WIN, Grade.PUSH),
        (bet("alternate_totals", "Over", 4.25), WIN, Grade.HALF_LOST),
        (bet("team_totals", "Over", 0.5, participant="Otters"), WIN, Grade.WON),
        (bet("totals", "Over", 3.5, period="h1"), WIN, None),
        (bet("player_points", "Over", 3.5, participant="A. Gull"), WIN, None),
        (bet("team_totals", "Over", 0.5, participant="Herons"), WIN, None),
        (bet("h2h", "Herons"), WIN, None),
        (bet("h2h", "Gulls"), Score("Gulls", "Otters", None, None), Grade.VOID),
    ],
)
def test_an_outcome_is_graded_by_the_score(of: Bet, score: Score, expected: Grade | None) -> None:
    assert grade(of, score) is expected


@given(scores, points, odds, odds, st.sampled_from(["totals", "spreads"]))
def test_a_quarter_line_pays_the_mean_of_the_two_bets_it_is_made_of(
    score: Score, point: float, over: float, under: float, kind: str
) -> None:
    names = ("Over", "Under") if kind == "totals" else ("Gulls", "Otters")
    for name, price, sign in zip(
        names, (over, under), (1, 1 if kind == "totals" else -1), strict=True
    ):
        whole, low, high = (
            profit(found, price)
            for at in (point, point - 0.25, point + 0.25)
            if (found := grade(bet(kind, name, sign * at), score))
        )
        if (4 * point) % 2:
            assert whole == pytest.approx((low + high) / 2)
        else:
            assert whole in (pytest.approx(price - 1), 0.0, -1.0)


@given(scores, points, odds, st.sampled_from(["totals", "spreads"]))
def test_laying_an_outcome_pays_what_backing_the_other_side_does(
    score: Score, point: float, price: float, kind: str
) -> None:
    mine, others = (
        (bet(kind, "Over", point), bet(kind, "Under", point))
        if kind == "totals"
        else (bet(kind, "Gulls", point), bet(kind, "Otters", -point))
    )
    laid, backed = grade(mine, score), grade(others, score)
    assert laid
    assert backed
    assert profit(laid, price, is_lay=True) == profit(backed, price)


def test_a_void_bet_returns_the_stake_on_either_side() -> None:
    assert profit(Grade.VOID, 3.0) == profit(Grade.VOID, 3.0, is_lay=True) == 0
