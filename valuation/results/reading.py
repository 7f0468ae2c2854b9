"""Results as files of any known format report them."""

from __future__ import annotations

from pathlib import Path

from streaming.core.failures import DataFailure
from streaming.core.results import Reported
from streaming.providers.the_odds_api.scores import read_scores
from valuation.results.football_data import ResultsFileError, read_matches

FOOTBALL_DATA = "football_data"


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
        scores = read_scores(path.read_bytes())
    except (OSError, DataFailure) as error:
        raise ResultsFileError(f"{path} cannot be read: {error}") from error
    for each in scores.left_out:
        raise ResultsFileError(f"{path} cannot be read: {each.place}: {each.message}")
    return list(scores.results)
