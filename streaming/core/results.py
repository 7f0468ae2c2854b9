"""Results of events as their sources report them, before they are matched to events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from streaming.core.participants import sport_family

MAX_SCORE = 999

SCORES_FEED_END = "/scores"
"""The end of the feeds of scores: an answer of one says nothing of prices."""


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


def score_of(text: str) -> int:
    """Return a score.

    Raises:
        ValueError: the text is none.

    >>> score_of("3")
    3
    """
    score = int(text)
    if not 0 <= score <= MAX_SCORE:
        raise ValueError(f"{text} is no score")
    return score


def sports_to_ask(offered: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """Return the sports of a provider that may list the events of the wanted sports.

    Args:
        offered: the sports that the provider is asked for.
        wanted: sports of events, as the provider that met them first calls them. One that is not
            offered stands for the offered sports of its family.

    >>> sports_to_ask(["soccer_epl", "soccer_spl", "tennis_atp"], ["soccer_epl"])
    ['soccer_epl']
    >>> sports_to_ask(["soccer_epl", "soccer_spl", "tennis_atp"], ["soccer_england"])
    ['soccer_epl', 'soccer_spl']
    """
    keys = set(wanted)
    families = {sport_family(key) for key in keys.difference(offered)}
    return [sport for sport in offered if sport in keys or sport_family(sport) in families]
