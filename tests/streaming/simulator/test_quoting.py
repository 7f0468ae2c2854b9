from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.simulator.catalogue import BOOKMAKERS, SPORTS, Bookmaker, Sport
from streaming.simulator.quoting import (
    Fixture,
    View,
    main_spread,
    moneyline_probabilities,
    quote,
)

NBA = next(sport for sport in SPORTS if sport.key == "basketball_nba")
EPL = next(sport for sport in SPORTS if sport.key == "soccer_epl")
PINNACLE = next(book for book in BOOKMAKERS if book.key == "pinnacle")
DRAFTKINGS = next(book for book in BOOKMAKERS if book.key == "draftkings")
EXCHANGE = next(book for book in BOOKMAKERS if book.is_exchange)
EVEN = View(0.0, 12.0, 226.0, 17.0, is_in_play=False, props=(20.2, 11.7))


def fixture_of(sport: Sport) -> Fixture:
    return Fixture(sport, "Home", "Away", ("Player One", "Player Two"))


@given(st.floats(-20, 20), st.floats(0.2, 15), st.booleans())
def test_moneyline_probabilities_sum_to_one(margin: float, sd: float, has_draw: bool) -> None:
    probabilities = moneyline_probabilities(View(margin, sd, 50, 10), has_draw=has_draw)
    assert sum(probabilities) == pytest.approx(1)
    assert min(probabilities) >= -1e-12


@given(st.floats(-30, 30), st.sampled_from(SPORTS))
def test_a_spread_moves_in_halves_and_never_below_its_least(margin: float, sport: Sport) -> None:
    point = main_spread(View(margin, sport.margin_sd, 50, 10), sport)
    assert point * 2 == round(point * 2)
    assert abs(point) >= sport.min_spread


@given(st.floats(-15, 15), st.sampled_from(SPORTS), st.sampled_from(BOOKMAKERS))
def test_spreads_pair_a_point_with_its_opposite(
    margin: float, sport: Sport, book: Bookmaker
) -> None:
    view = View(margin, sport.margin_sd, sport.total_mean, sport.total_sd)
    for kind in ("spreads", "alternate_spreads"):
        offers = quote(kind, fixture_of(sport), view, book)
        points = [offer.point or 0.0 for offer in offers]
        assert points[::2] == [-point for point in points[1::2]]


def test_a_favourite_is_shorter_than_its_opponent() -> None:
    home, away = quote("h2h", fixture_of(NBA), View(6.0, 12.0, 226.0, 17.0), PINNACLE)
    assert home.price < 2.0 < away.price


def test_soccer_has_a_draw_and_basketball_has_none() -> None:
    view = View(0.1, 1.65, 2.8, 1.65)
    assert [o.name for o in quote("h2h", fixture_of(EPL), view, PINNACLE)][2:] == ["Draw"]
    assert [o.name for o in quote("h2h", fixture_of(NBA), EVEN, PINNACLE)] == ["Home", "Away"]


def test_alternate_lines_surround_the_main_line_without_repeating_it() -> None:
    (main, _) = quote("totals", fixture_of(NBA), EVEN, PINNACLE)
    alternates = quote("alternate_totals", fixture_of(NBA), EVEN, PINNACLE)
    points = sorted({offer.point for offer in alternates if offer.point is not None})
    assert main.point is not None
    assert points == [main.point + step for step in (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)]


def test_player_totals_name_the_player_and_end_when_the_event_starts() -> None:
    offers = quote("player_points", fixture_of(NBA), EVEN, DRAFTKINGS)
    assert [(o.name, o.description, o.point) for o in offers] == [
        ("Over", "Player One", 20.5),
        ("Under", "Player One", 20.5),
        ("Over", "Player Two", 11.5),
        ("Under", "Player Two", 11.5),
    ]
    started = View(0.0, 12.0, 226.0, 17.0, is_in_play=True, props=(20.2, 11.7))
    assert quote("player_points", fixture_of(NBA), started, DRAFTKINGS) == []


def test_only_an_exchange_lays_and_it_trades_the_moneyline_alone() -> None:
    assert quote("h2h_lay", fixture_of(NBA), EVEN, DRAFTKINGS) == []
    assert quote("spreads", fixture_of(NBA), EVEN, EXCHANGE) == []
    backs = quote("h2h", fixture_of(NBA), EVEN, EXCHANGE)
    lays = quote("h2h_lay", fixture_of(NBA), EVEN, EXCHANGE)
    assert [lay.price > back.price for back, lay in zip(backs, lays, strict=True)] == [True, True]


def test_a_foregone_conclusion_is_off_the_board() -> None:
    assert quote("h2h", fixture_of(NBA), View(30.0, 3.0, 226.0, 4.0), PINNACLE) == []
