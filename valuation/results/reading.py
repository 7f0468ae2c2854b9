"""Results as files of any known format report them."""

from __future__ import annotations

from pathlib import Path

from streaming.core.failures import DataFailure
from streaming.core.results import Reported
from streaming.providers.kalshi.settled import SettledContract, read_settled
from streaming.providers.sieve import Sieve
from streaming.providers.the_odds_api.scores import read_scores
from valuation.results.football_data import ResultsFileError, read_matches

FOOTBALL_DATA = "football_data"


def read_contracts(path: Path) -> list[SettledContract] | None:
    """Read an answer of Kalshi's ``GET /markets`` (`.json`); None if the file is no such answer.

    Contracts that have not paid, are about events of no known series, or cannot be read are left
    out.

    Raises:
        ResultsFileError: the file cannot be read, or none of its contracts.
    """
    if path.suffix != ".json":
        return None
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ResultsFileError(f"{path} cannot be read: {error}") from error
    sieve = Sieve()
    try:
        contracts = read_settled(body, sieve)
    except DataFailure:
        return None
    if sieve.left_out and not sieve.read:
        first = sieve.left_out[0]
        raise ResultsFileError(f"{path} cannot be read: {first.place}: {first.message}")
    return contracts


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
