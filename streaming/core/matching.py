"""Matching of events of different providers that are one contest.

Providers write the same game in their own words: "Cincinnati" here, "Cincinnati Bengals" there,
kick-off at 18:00 or at 18:05. What agrees beyond doubt is the same event; what nearly agrees is
kept separate and listed for a person; the rest is new. A wrong merge prices a bet on the wrong
game, a missed one costs a few bookmakers in a consensus: in doubt, events stay separate.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from msgspec import Meta as Setting

from streaming.core.competitions import may_be_one
from streaming.core.participants import (
    Likeness,
    Pair,
    is_placeholder,
    likeness,
    shares_a_side,
)

MAX_DOUBTS = 10
"""The most events that one doubt lists, the nearest start first."""


@dataclass(frozen=True, slots=True)
class MatchPolicy:
    """Limits within which two contests match.

    Attributes:
        same_start_minutes: equal participants whose starts are up to this far apart are one event.
        doubtful_start_hours: beyond that and up to this far apart, a person is asked. Games of a
            series on successive days start 16 hours apart or more, doubleheaders some 4 hours.
        similar_ratio: names are similar from this part of letters in common, 0 to 1.
    """

    same_start_minutes: Annotated[float, Setting(ge=0, le=1_440)] = 30.0
    doubtful_start_hours: Annotated[float, Setting(ge=0, le=168)] = 12.0
    similar_ratio: float = 0.85


@dataclass(frozen=True, slots=True)
class Contest:
    """A contest: its participants in canonical names, its start and its competition.

    An outright, like any contest without two distinct participants, has an empty or a repeated
    name.

    Attributes:
        pair: the two participants.
        start: when it begins.
        sport_key: the sport or competition that its provider lists it under.
    """

    pair: Pair
    start: datetime
    sport_key: str

    @property
    def is_matchable(self) -> bool:
        """Return True if it can be recognised by its participants at all."""
        home, away = self.pair
        is_open = is_placeholder(home) or is_placeholder(away)
        return bool(home and away) and home != away and not is_open


class Reason(StrEnum):
    """The reason for a doubt."""

    START = "start"
    SIDES = "sides"
    NAME = "name"
    SEVERAL = "several"
    SPORT = "sport"


@dataclass(frozen=True, slots=True)
class Same:
    """The verdict that the contest is this event."""

    event_id: int


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The verdict that the contest may be one of these events; a person decides which, if any.

    Attributes:
        reasons: event id → what keeps it from being the same, the nearest start first.
    """

    reasons: Mapping[int, Reason]


@dataclass(frozen=True, slots=True)
class New:
    """The verdict that no known event is like the contest."""


MatchVerdict = Same | Doubtful | New


def compare(one: Contest, other: Contest, policy: MatchPolicy) -> Reason | bool:
    """Return whether two contests are one: True, False, or the reason for doubt. Symmetric.

    >>> from datetime import UTC, datetime
    >>> noon = Contest(Pair("gulls", "otters"), datetime(2026, 3, 1, 12, tzinfo=UTC), "harbour")
    >>> late = Contest(Pair("gulls", "otters"), datetime(2026, 3, 1, 16, tzinfo=UTC), "harbour")
    >>> compare(noon, noon, MatchPolicy()), compare(noon, late, MatchPolicy())
    (True, <Reason.START: 'start'>)
    """
    if not (one.is_matchable and other.is_matchable):
        return False
    apart = abs(one.start - other.start)
    if apart > timedelta(hours=policy.doubtful_start_hours):
        return False
    is_same_start = apart <= timedelta(minutes=policy.same_start_minutes)
    found = likeness(one.pair, other.pair, policy.similar_ratio)
    if not may_be_one(one.sport_key, other.sport_key):
        return Reason.SPORT if found is Likeness.EQUAL and is_same_start else False
    if found is Likeness.NONE:
        # Nobody plays two games at once: if one side is equal, the other two names are one side.
        return is_same_start and shares_a_side(one.pair, other.pair) and Reason.NAME
    if found is Likeness.EQUAL:
        return is_same_start or Reason.START
    return Reason.SIDES if found is Likeness.SWAPPED else Reason.NAME


def match(
    candidates: Mapping[int, Contest], incoming: Contest, policy: MatchPolicy
) -> MatchVerdict:
    """Find a contest among the events it could be.

    Args:
        candidates: event id → the event; none that the incoming contest's provider knows by
            another id.
        incoming: the contest that is looked for.
        policy: the limits within which they match.
    """
    found = {
        event_id: verdict
        for event_id, event in candidates.items()
        if (verdict := compare(event, incoming, policy))
    }
    same = [event_id for event_id, verdict in found.items() if verdict is True]
    if len(same) == 1:
        return Same(same[0])
    if same:
        return _doubtful(dict.fromkeys(same, Reason.SEVERAL), candidates, incoming)
    reasons = {event_id: reason for event_id, reason in found.items() if reason is not True}
    return _doubtful(reasons, candidates, incoming)


def match_all(
    candidates: Mapping[int, Contest], incoming: Sequence[Contest], policy: MatchPolicy
) -> list[MatchVerdict]:
    """Find each of one provider's new contests; their order does not matter.

    Two ids of one provider are two events. So an event that two contests match is doubtful for
    both, and an event that one contest matches is no doubt of another. A doubleheader therefore
    pairs by its starts.

    Returns:
        One verdict for each incoming contest, in order.
    """
    by_start = sorted(candidates.items(), key=lambda item: item[1].start)
    verdicts = [match(_around(by_start, each.start, policy), each, policy) for each in incoming]
    claims = Counter(each.event_id for each in verdicts if isinstance(each, Same))
    return [_settled(each, claims) for each in verdicts]


def _settled(verdict: MatchVerdict, claims: Mapping[int, int]) -> MatchVerdict:
    if isinstance(verdict, Same) and claims[verdict.event_id] > 1:
        return Doubtful({verdict.event_id: Reason.SEVERAL})
    if isinstance(verdict, Doubtful):
        reasons = {
            event_id: reason
            for event_id, reason in verdict.reasons.items()
            if claims.get(event_id) != 1
        }
        return Doubtful(reasons) if reasons else New()
    return verdict


def _doubtful(
    reasons: Mapping[int, Reason], candidates: Mapping[int, Contest], incoming: Contest
) -> MatchVerdict:
    if not reasons:
        return New()
    nearest = sorted(reasons, key=lambda one: (abs(candidates[one].start - incoming.start), one))
    return Doubtful({event_id: reasons[event_id] for event_id in nearest[:MAX_DOUBTS]})


def _around(
    by_start: Sequence[tuple[int, Contest]], start: datetime, policy: MatchPolicy
) -> dict[int, Contest]:
    """Return the events near enough to a start to be compared."""
    reach = timedelta(hours=policy.doubtful_start_hours)
    first = bisect_left(by_start, start - reach, key=lambda item: item[1].start)
    last = bisect_right(by_start, start + reach, key=lambda item: item[1].start)
    return dict(by_start[first:last])
