"""Alerts: which edges and which changes of health a subscriber is sent, and when.

Nothing here remembers anything. The rows of what was sent decide what is new, so a message that is
lost, or a process that is killed, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from typing import TypeVar
from zoneinfo import ZoneInfo

MIN_STABLE_SECONDS = 30.0
"""A check must have its status for this long before it is sent: a short flap is not news."""

CHECK_SECONDS = 300.0
"""One check is the subject of at most one message in this time, however often it changes."""

CAUSE_SECONDS = 3_600.0
"""One cause of dead letters is the subject of at most one message in this time."""

Item = TypeVar("Item")

WELL = "pass"
UNKNOWN = "unknown"


class Timing(Enum):
    """The events whose edges are sent: before they start, while they are in play, or both."""

    PRE_MATCH = "pre_match"
    IN_PLAY = "in_play"
    BOTH = "both"

    def accepts(self, *, is_in_play: bool) -> bool:
        """Return True if edges of such an event are sent."""
        return self is Timing.BOTH or is_in_play == (self is Timing.IN_PLAY)


@dataclass(frozen=True, slots=True)
class EdgeFacts:
    """The facts of an edge that rules judge.

    Attributes:
        sport: the sport's key.
        bookmaker: the bookmaker's key.
        ev: expected value per unit staked, now.
        books: other bookmakers in the consensus.
        starts_at: when the event starts.
    """

    sport: str
    bookmaker: str
    ev: float
    books: int
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Rules:
    """The edges that a subscriber wants.

    Attributes:
        sports: keys of sports; empty for all.
        bookmakers: keys of bookmakers; empty for all.
        min_ev: the least expected value; None for any.
        max_ev: the greatest, above which an edge is probably a mistake; None for any.
        min_books: the fewest other bookmakers in the consensus.
        start_hours: the event starts within so many hours, or has started; None for any time.
        timing: before the start, in play or both.
    """

    sports: frozenset[str] = frozenset()
    bookmakers: frozenset[str] = frozenset()
    min_ev: float | None = None
    max_ev: float | None = None
    min_books: int = 0
    start_hours: float | None = None
    timing: Timing = Timing.PRE_MATCH

    def accept(self, edge: EdgeFacts, now: datetime) -> bool:
        """Return True if an edge passes every rule but that of `timing`, which `Timing` decides.

        >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
        >>> edge = EdgeFacts("soccer_epl", "pinnacle", 0.03, 5, noon + timedelta(hours=3))
        >>> Rules(min_ev=0.02).accept(edge, noon), Rules(start_hours=2).accept(edge, noon)
        (True, False)
        """
        return (
            (not self.sports or edge.sport in self.sports)
            and (not self.bookmakers or edge.bookmaker in self.bookmakers)
            and (self.min_ev is None or edge.ev >= self.min_ev)
            and (self.max_ev is None or edge.ev <= self.max_ev)
            and edge.books >= self.min_books
            and (
                self.start_hours is None
                or edge.starts_at - now <= timedelta(hours=self.start_hours)
            )
        )


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours of each day in which nothing is sent.

    Attributes:
        start: the first moment, on the clocks of `zone`.
        end: the first moment after them; before `start` where they last over midnight.
        zone: the time zone, whose clocks may change.
    """

    start: time
    end: time
    zone: ZoneInfo

    def cover(self, moment: datetime) -> bool:
        """Return True if a moment is within them; where both ends are equal, none is.

        >>> nights = QuietHours(time(23), time(7), ZoneInfo("Europe/London"))
        >>> [nights.cover(datetime(2026, 7, 1, hour, tzinfo=UTC)) for hour in (21, 22, 5, 6)]
        [False, True, True, False]
        """
        local = moment.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


def is_digest_due(now: datetime, last: datetime, minutes: int) -> bool:
    """Return True if a digest may go out: one in each interval, and at once where minutes is 0.

    Args:
        now: the time.
        last: when the last message was made; before the first one, when the subscriber was added.
        minutes: the interval; intervals begin at whole multiples of it.

    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> [is_digest_due(noon + timedelta(minutes=n), noon, 15) for n in (0, 14, 15)]
    [False, False, True]
    """
    if minutes == 0:
        return True
    interval = timedelta(minutes=minutes)
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    return (now - begin) // interval > (last - begin) // interval


@dataclass(frozen=True, slots=True)
class CheckState:
    """A health check as the newest snapshot has it.

    Attributes:
        name: the check's name.
        status: its status.
        since: since when it has it.
        output: what was observed, one line.
    """

    name: str
    status: str
    since: datetime
    output: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The newest message on a check or on a cause.

    Attributes:
        state: the status, or the number of failures, that it gave.
        happened_at: since when the check had that status, or the cause's last failure until then.
        at: when it was made.
    """

    state: str
    happened_at: datetime
    at: datetime


def changed_checks(
    checks: Iterable[CheckState], sent: Mapping[str, Sent], seen_at: datetime, now: datetime
) -> list[CheckState]:
    """Return the checks whose status is another than the subscriber knows, and has settled.

    A check that changes back before it was sent is never sent; the status that lasts always is, so
    that the subscriber's last message is true. What is unknown is not sent: it is neither.

    Args:
        checks: the checks.
        sent: the newest message on each, by the check's name.
        seen_at: when they had these statuses; a status has lasted until then, and not until now.
        now: the time.

    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> failing = CheckState("redis", "fail", noon)
    >>> later = noon + timedelta(seconds=MIN_STABLE_SECONDS)
    >>> [len(changed_checks([failing], {}, seen, later)) for seen in (noon, later)]
    [0, 1]
    """
    return [check for check in checks if _is_news(check, sent.get(check.name), seen_at, now)]


def _is_news(check: CheckState, sent: Sent | None, seen_at: datetime, now: datetime) -> bool:
    known = WELL if sent is None else sent.state
    return (
        check.status not in {known, UNKNOWN}
        and (seen_at - check.since).total_seconds() >= MIN_STABLE_SECONDS
        and (sent is None or (now - sent.at).total_seconds() >= CHECK_SECONDS)
    )


def is_cause_due(last_seen: datetime, sent: Sent | None, now: datetime) -> bool:
    """Return True if a cause of dead letters is news: its first failure, later ones hourly.

    Letters that were replayed or discarded make a cause smaller, which is no news.

    Args:
        last_seen: the cause's last failure.
        sent: the newest message on it, if there is one.
        now: the time.

    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> minute, hour = timedelta(minutes=1), timedelta(hours=1)
    >>> sent = Sent("1", happened_at=noon, at=noon)
    >>> is_cause_due(noon, None, noon), is_cause_due(noon + minute, sent, noon + minute)
    (True, False)
    >>> is_cause_due(noon + minute, sent, noon + hour), is_cause_due(noon, sent, noon + hour)
    (True, False)
    """
    if sent is None:
        return True
    has_failed_since = last_seen > sent.happened_at
    return has_failed_since and (now - sent.at).total_seconds() >= CAUSE_SECONDS


def messages_of(items: list[Item], most_single: int, *, is_joined: bool) -> list[list[Item]]:
    """Return the items of each message: one for each item, or one for all where they are many.

    Args:
        items: what is to be sent.
        most_single: with more than this many, all go into one message.
        is_joined: whether they go into one message in any case.

    >>> messages_of(["a", "b"], 5, is_joined=False), messages_of(["a", "b"], 1, is_joined=False)
    ([['a'], ['b']], [['a', 'b']])
    """
    if not items:
        return []
    return [items] if is_joined or len(items) > most_single else [[item] for item in items]
