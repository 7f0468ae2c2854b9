from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure
from streaming.providers.kalshi.tickers import LEAGUES, SERIES, GameTicker, League, parse_game

MLB = SERIES["KXMLBGAME"].league


def test_a_game_is_the_same_in_every_series_of_its_league() -> None:
    tickers = [f"KXMLB{kind}-26AUG072145TBSEA" for kind in ("GAME", "SPREAD", "TOTAL")]
    assert {parse_game(ticker, MLB).external_id for ticker in tickers} == {"KXMLB-26AUG072145TBSEA"}


def test_games_of_two_leagues_are_two_though_all_but_the_series_is_the_same() -> None:
    nba, nhl = (SERIES[series].league for series in ("KXNBAGAME", "KXNHLGAME"))
    one = parse_game("KXNBAGAME-26JAN10DALMIN", nba)
    other = parse_game("KXNHLGAME-26JAN10DALMIN", nhl)
    assert one.external_id != other.external_id


@pytest.mark.parametrize(
    ("text", "day", "start"),
    [
        # Summer is four hours behind, winter five.
        ("26AUG072145", date(2026, 8, 7), datetime(2026, 8, 8, 1, 45, tzinfo=UTC)),
        ("26DEC241300", date(2026, 12, 24), datetime(2026, 12, 24, 18, 0, tzinfo=UTC)),
        ("26AUG07", date(2026, 8, 7), None),
    ],
)
def test_a_ticker_states_its_day_and_at_times_its_start(
    text: str, day: date, start: datetime | None
) -> None:
    game = parse_game(f"KXMLBGAME-{text}TBSEA", MLB)
    assert (game.day, game.start, game.teams) == (day, start, "TBSEA")


@pytest.mark.parametrize(
    "ticker",
    ["", "KXMLBGAME", "KXMLBGAME-", "KXMLBGAME-27", "KXMLBGAME-26AUG07", "KXMLBGAME-26AUG32TBSEA",
     "KXMLBGAME-26AGO07TBSEA", "KXMLBGAME-26AUG072560TBSEA", "KXMLBGAME-26aug07TBSEA",
     "KXMLBGAME-26AUG07TBSEA-TB", "KXMLBGAME-26AUG07TBSEA\n", "KXMLBGAME-٢٦AUG07TBSEA"],
)  # fmt: skip
def test_what_names_no_game_is_refused(ticker: str) -> None:
    with pytest.raises(DataFailure) as caught:
        parse_game(ticker, MLB)
    assert caught.value.code == "bad_ticker"


CODES = st.text("ABCDEFGH", min_size=1, max_size=4)


@given(CODES, CODES)
def test_one_code_gives_both_unless_it_might_be_either(first: str, second: str) -> None:
    game = GameTicker("KXMLB-any", date(2026, 8, 7), None, first + second)
    for code in (first, second):
        try:
            pair = game.pair(code)
        except DataFailure:
            assert game.teams.startswith(code)
            assert game.teams.endswith(code)
        else:
            assert code in pair
            assert "".join(pair) == game.teams


@pytest.mark.parametrize("code", ["", "NYY", "TBSEA", "TBS E", "B"])
def test_a_code_of_neither_team_is_refused(code: str) -> None:
    game = parse_game("KXMLBGAME-26AUG07TBSEA", MLB)
    with pytest.raises(DataFailure):
        game.pair(code)


@pytest.mark.parametrize("league", LEAGUES, ids=[league.sport for league in LEAGUES])
def test_no_two_series_of_the_table_share_a_ticker(league: League) -> None:
    own = {series.ticker for series in SERIES.values() if series.league is league}
    assert len(own) == 3 + len(league.outrights)
