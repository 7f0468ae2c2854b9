"""Answers of The Odds API's `/scores`: what a sport's events stand at, and how they have ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.results import Reported, score_of
from streaming.core.texts import one_line
from streaming.providers.base import Scores
from streaming.providers.fields import ExternalId, Key, Moment, Name, decoded, parse_json
from streaming.providers.sieve import Sieve

SOURCE = "the_odds_api"

DAYS = 3
"""The most days that the service looks back; for the same credits as one."""

COST = 2
"""The credits of a request that looks back; one that lists only live events costs 1."""


class _Score(msgspec.Struct):
    name: Name
    score: str | None


class _Game(msgspec.Struct):
    id: ExternalId
    sport_key: Key
    commence_time: Moment
    completed: bool
    home_team: Name | None = None
    away_team: Name | None = None
    scores: list[_Score] | None = None


_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_GAME = msgspec.json.Decoder(_Game)


def read_scores(body: bytes, sport: str = "") -> Scores:
    """Return the final scores of an answer.

    Events that are not over, or have no score, are no results. Those that cannot be read are left
    out.

    Args:
        body: the answer.
        sport: the sport that was asked for; empty where any will do.

    Raises:
        DataFailure: the answer is not a list of JSON.
    """
    results, sieve = [], Sieve()
    for number, raw in enumerate(decoded(_LIST.decode, body)):
        try:
            found = _result(parse_json(_GAME, bytes(raw)), sport)
        except DataFailure as fault:
            sieve.leave_out(fault.within(f"$[{number}]"))
            continue
        sieve.read += 1
        if found is not None:
            results.append(found)
    return Scores(results, sieve.left_out, sieve.unreadable_share)


def _result(game: _Game, sport: str) -> Reported | None:
    if sport and game.sport_key != sport:
        raise DataFailure("wrong_content", f"The event is not one of {sport}.", "sport_key")
    if not MINYEAR < game.commence_time.year < MAXYEAR:  # matching looks some hours around it
        year = game.commence_time.year
        raise DataFailure("bad_time", f"The year is {year}.", "commence_time")
    scores = {each.name: each.score for each in game.scores or ()}
    if not game.completed or game.home_team is None or game.away_team is None:
        return None
    home, away = scores.get(game.home_team), scores.get(game.away_team)
    if not home or not away:
        return None
    return Reported(
        SOURCE,
        game.sport_key,
        game.commence_time,
        game.home_team,
        game.away_team,
        _score(scores, game.home_team),
        _score(scores, game.away_team),
        game.id,
    )


def _score(scores: Mapping[str, str | None], team: str) -> int:
    text = scores[team] or ""
    try:
        return score_of(text)
    except ValueError as error:
        words = f"{one_line(text)!r} is no score."
        raise DataFailure("bad_score", words, "scores") from error
