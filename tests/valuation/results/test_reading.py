"""Files of results: what is in them, and what is wrong with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from valuation.backtest.history import history_of
from valuation.results.football_data import ResultsFileError, read_matches
from valuation.results.reading import read_results

HEADER = "Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,B365H,B365D,B365A"
ROW = "14/08/2021,15:00,Arsenal,Everton,2,1,1.9,3.5,4.2"
GAME = {
    "id": "a",
    "sport_key": "soccer_epl",
    "commence_time": "2021-08-14T14:00:00Z",
    "completed": True,
    "home_team": "Arsenal",
    "away_team": "Everton",
    "scores": [{"name": "Arsenal", "score": "2"}, {"name": "Everton", "score": "1"}],
}


def season(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def scores(path: Path, *games: dict[str, object]) -> Path:
    path.write_text(json.dumps([GAME | game for game in games]))
    return path


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{ROW}\r\n".encode())
    assert read_matches(path)[0].early == {"bet365": (1.9, 3.5, 4.2)}


@pytest.mark.parametrize("price", ["nan", "inf", "", "-", "1"])
@pytest.mark.parametrize("place", [6, 7, 8])
def test_a_bookmaker_without_a_price_of_each_outcome_quotes_nothing(
    tmp_path: Path, place: int, price: str
) -> None:
    cells = ROW.split(",")
    cells[place] = price
    assert read_matches(season(tmp_path / "a.csv", ",".join(cells)))[0].early == {}


def test_a_match_that_is_in_two_files_counts_once(tmp_path: Path) -> None:
    other = ROW.replace("Arsenal", "Leeds")
    paths = season(tmp_path / "a.csv", ROW, other), season(tmp_path / "b.csv", ROW)
    history = history_of([match for path in paths for match in read_matches(path)])
    assert history.result.tolist() == [0, 0]
    assert history.early.shape[0] == 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (ROW.replace(",2,1,", ",-2,1,"), "line 2: -2 is no score"),
        (ROW.replace(",2,1,", ",nan,1,"), "line 2: invalid literal"),
        (ROW.replace(",2,1,", ",99999999999,1,"), "line 2: 99999999999 is no score"),
        (ROW.replace("Arsenal", ""), "line 2: no HomeTeam"),
        (ROW.replace("14/08/2021", ""), "line 2: no Date"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, row: str, problem: str) -> None:
    with pytest.raises(ResultsFileError, match=problem):
        read_matches(season(tmp_path / "a.csv", row))


def test_a_file_of_other_delimiters_lacks_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n{ROW}\n".replace(",", ";"))
    with pytest.raises(ResultsFileError, match="no column Date"):
        read_matches(path)


def test_files_that_are_damaged_are_named(tmp_path: Path) -> None:
    whole = gzip.compress(f"{HEADER}\n{ROW}\n".encode() * 50)
    damaged = tmp_path / "a.csv.gz"
    damaged.write_bytes(whole[:12] + b"\xff" * 20 + whole[32:])
    endless = tmp_path / "b.csv"
    endless.write_text("x" * 200_000)
    for path in (damaged, endless):
        with pytest.raises(ResultsFileError, match=f"{path.name} cannot be read"):
            read_matches(path)


def test_a_game_whose_score_is_not_known_is_left_out(tmp_path: Path) -> None:
    unknown = [{"name": "Arsenal", "score": None}, {"name": "Everton", "score": "1"}]
    path = scores(tmp_path / "a.json", {"scores": unknown}, {"scores": None}, {"id": "b"})
    (found,) = read_results(path)
    assert (found.external_id, found.home_score, found.away_score) == ("b", 2, 1)


@pytest.mark.parametrize(
    "game",
    [
        {"commence_time": "2021-08-14T14:00:00"},
        {"scores": [{"name": "Arsenal", "score": "-1"}, {"name": "Everton", "score": "1"}]},
    ],
)
def test_a_game_that_cannot_be_read_is_refused(tmp_path: Path, game: dict[str, object]) -> None:
    with pytest.raises(ResultsFileError, match=r"a\.json cannot be read"):
        read_results(scores(tmp_path / "a.json", game))
