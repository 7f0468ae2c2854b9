from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.simulator.catalogue import FEATURED_MARKETS, SPORTS
from streaming.simulator.market import Board, Market
from streaming.simulator.policy import MarketPolicy

START = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = MarketPolicy(events_per_sport=3)
MLB = next(sport for sport in SPORTS if sport.key == "baseball_mlb")
SPORT_KEYS = tuple(sport.key for sport in SPORTS)

gaps = st.lists(st.floats(0, 120), min_size=1, max_size=8)


def board_contents(board: Board) -> list[object]:
    return [
        (event.id, event.commence, desk.book.key, kind, desk.offers(kind))
        for event in board.events()
        for desk in event.desks
        for kind in FEATURED_MARKETS
    ]


@settings(max_examples=15, deadline=None)
@given(st.integers(), gaps, st.sampled_from(SPORT_KEYS))
def test_the_same_seed_and_times_give_the_same_market(
    seed: int, seconds: list[float], sport: str
) -> None:
    markets = [Market(START, seed, (sport,), SMALL) for _ in range(2)]
    now = START
    for gap in seconds:
        now += timedelta(seconds=gap)
        one, other = (market.board(sport, now) for market in markets)
        assert board_contents(one) == board_contents(other)


def test_another_seed_gives_another_market() -> None:
    one, other = (Market(START, seed, policy=SMALL).board("baseball_mlb", START) for seed in (1, 2))
    assert board_contents(one) != board_contents(other)


def test_how_often_one_asks_does_not_change_the_market() -> None:
    often, once = (Market(START, 1, policy=SMALL) for _ in range(2))
    for second in range(60):
        often.board("soccer_epl", START + timedelta(seconds=second))
    then = START + timedelta(seconds=60)
    assert board_contents(often.board("soccer_epl", then)) == board_contents(
        once.board("soccer_epl", then)
    )


def test_a_time_already_simulated_changes_nothing() -> None:
    market = Market(START, 1, policy=SMALL)
    contents = board_contents(market.board("baseball_mlb", START + timedelta(seconds=30)))
    assert board_contents(market.board("baseball_mlb", START)) == contents


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 600), st.sampled_from(SPORT_KEYS))
def test_every_book_keeps_a_margin_and_no_two_way_margin_passes_a_fifth(
    seed: int, seconds: float, sport: str
) -> None:
    board = Market(START, seed, (sport,), SMALL).board(sport, START + timedelta(seconds=seconds))
    for event in board.events():
        for desk in event.desks:
            for kind in ("h2h", "spreads", "totals"):
                offers = desk.offers(kind)
                if offers:
                    assert 0.0 < sum(1 / offer.price for offer in offers) - 1 < 0.2


def test_overrounds_are_spread_as_in_real_feeds() -> None:
    overrounds = []
    market = Market(START, 1)
    for key in SPORT_KEYS:
        for event in market.board(key, START + timedelta(seconds=120)).events():
            for desk in event.desks:
                booksums = [sum(1 / o.price for o in desk.offers(k)) for k in ("h2h", "totals")]
                overrounds += [booksum - 1 for booksum in booksums if booksum]
    overrounds.sort()
    assert overrounds[len(overrounds) // 100] > 0.01
    assert 0.03 < overrounds[len(overrounds) // 2] < 0.08


def test_a_board_keeps_its_size_while_events_start_end_and_are_replaced() -> None:
    market = Market(START, 1, ("basketball_nba",), SMALL)
    seen: set[str] = set()
    for minute in range(30):
        board = market.board("basketball_nba", START + timedelta(minutes=minute))
        events = board.events()
        assert len(events) == SMALL.events_per_sport
        assert all(event.end > board.clock for event in events)
        seen.update(event.id for event in events)
    assert len(seen) > 2 * SMALL.events_per_sport


def test_a_doubleheader_is_two_events_of_the_same_pair() -> None:
    market = Market(START, 1, ("baseball_mlb",))
    pairs = defaultdict(set)
    for minute in range(20):
        for event in market.board("baseball_mlb", START + timedelta(minutes=minute)).events():
            pairs[event.fixture.home, event.fixture.away].add((event.id, event.commence))
    assert MLB.has_doubleheaders
    doubleheaders = [games for games in pairs.values() if len(games) == 2]
    assert doubleheaders
    assert all(len({commence for _, commence in games}) == 2 for games in doubleheaders)


def test_no_team_plays_two_events_at_once_but_for_doubleheaders() -> None:
    events = Market(START, 1).board("soccer_epl", START + timedelta(minutes=15)).events()
    teams = [team for event in events for team in (event.fixture.home, event.fixture.away)]
    assert len(teams) == len(set(teams))


def test_points_of_a_market_move() -> None:
    market = Market(START, 1, ("basketball_nba",), SMALL)
    points = defaultdict(set)
    for second in range(0, 120, 5):
        board = market.board("basketball_nba", START + timedelta(seconds=second))
        for event in board.events():
            for desk in event.desks:
                for offer in desk.offers("totals"):
                    points[event.id, desk.book.key].add(offer.point)
    assert sum(len(values) > 1 for values in points.values()) > len(points) / 2


def test_a_market_begun_again_has_new_events() -> None:
    later = START + timedelta(seconds=1)
    one = Market(START, 1, policy=SMALL).board("soccer_epl", START)
    other = Market(later, 1, policy=SMALL).board("soccer_epl", later)
    assert {e.id for e in one.events()}.isdisjoint(e.id for e in other.events())


def test_an_accelerated_market_starts_its_events_sooner() -> None:
    slow, fast = (
        Market(START, 1, policy=MarketPolicy(events_per_sport=3, speed=speed)) for speed in (1, 10)
    )
    event = slow.board("baseball_mlb", START).events()[-1]
    assert event.commence > 0
    lead = slow.wall_time(event.commence) - START
    assert fast.wall_time(event.commence) - START == pytest.approx(
        lead / 10, abs=timedelta(microseconds=10)
    )


def test_a_long_silence_is_caught_up_in_few_steps() -> None:
    market = Market(START, 1, ("soccer_epl",), MarketPolicy(events_per_sport=3, max_steps=10))
    board = market.board("soccer_epl", START + timedelta(hours=5))
    assert board.clock == pytest.approx(5 * 3600)
    assert all(event.end > board.clock for event in board.events())


def test_an_unknown_sport_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"curling.*baseball_mlb"):
        Market(START, 1, ("curling",))


@pytest.mark.parametrize("wrong", [{"speed": 0.0}, {"events_per_sport": 1}, {"step_seconds": -1.0}])
def test_an_impossible_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        MarketPolicy(**wrong)  # type: ignore[arg-type] # wrong on purpose
