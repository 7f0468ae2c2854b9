"""Results as files of any known format report them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from valuation.results.football_data import ResultsFileError, read_matches, score_of

FOOTBALL_DATA, THE_ODDS_API = "football_data", "the_odds_api"


@dataclass(frozen=True, slots=True)
class Reported:
    """A result in the words of its source.

    Attributes:
        source: who says so.
        sport_key: the sport or competition.
        start: when the event began.
        home: the home side.
        away: the away side.
        home_score: its final score.
        away_score: its final score.
        external_id: the source's id of the event; empty if it has none.
    """

    source: str
    sport_key: str
    start: datetime
    home: str
    away: str
    home_score: int
    away_score: int
    external_id: str = ""


class _Score(msgspec.Struct):
    name: str
    score: str | None


class _Game(msgspec.Struct):
    id: str
    sport_key: str
    commence_time: Annotated[datetime, msgspec.Meta(tz=True)]
    completed: bool
    home_team: str
    away_team: str
    scores: list[_Score] | None = None


def read_results(path: Path) -> list[Reported]:
    """Read a file of football-data.co.uk, or an answer of The Odds API's `/scores` (`.json`).

    Events that are not over, or have no score, are left out.

    Raises:
        ResultsFileError: the file is neither, or cannot be read.
    """
    if path.suffix != ".json":
        return [
            Reported(
                FOOTBALL_DATA,
                "soccer",
                match.start,
                match.home,
                match.away,
                match.home_goals,
                match.away_goals,
            )
            for match in read_matches(path)
        ]
    try:
        games = msgspec.json.decode(path.read_bytes(), type=list[_Game])
        return list(_of_games(games))
    except (OSError, ValueError) as error:
        raise ResultsFileError(f"{path} cannot be read: {error}") from error


def _of_games(games: list[_Game]) -> Iterator[Reported]:
    for game in games:
        scores = {each.name: each.score for each in game.scores or ()}
        home, away = scores.get(game.home_team), scores.get(game.away_team)
        if game.completed and home and away:
            yield Reported(
                THE_ODDS_API,
                game.sport_key,
                game.commence_time,
                game.home_team,
                game.away_team,
                score_of(home),
                score_of(away),
                game.id,
            )
