"""The memory of a provider's polls: when the events of its feeds start, and how often they change.

A feed is remembered by its events' starts, and by the polls of each band of time to the start,
changed or not, of which old ones lose weight. Requests for single events share one entry.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from streaming.core.poll_forecast import Stretch, forecast_feeds
from streaming.core.poll_rates import BANDS, BUCKETS, UNSEEN, USUAL_RATES, Seen, band_of, rates
from streaming.core.poll_saving import DAY_SECONDS, HOUR_SECONDS, SavingPolicy

HALF_LIFE_SECONDS = 28 * DAY_SECONDS
"""The time after which a poll counts half."""

POLLS_PER_ESTIMATE = 20
"""The number of polls of a feed after which its rates are estimated again."""

FORGET_SECONDS = 14 * DAY_SECONDS
"""A feed that has not answered for so long is forgotten."""

LISTED_SECONDS = DAY_SECONDS
"""The events of a feed that has not answered for so long are not expected to change."""

MAX_FEEDS = 64
"""The feeds that are remembered, those that answered last."""

MAX_STARTS = 500
"""The different starts that are remembered of a feed, the first ones."""

SPAN_ENDS_SECONDS = (3 * HOUR_SECONDS, 24 * HOUR_SECONDS)
SPANS = ("< 3 h", "3–24 h", "> 24 h")
"""Times to the start, of which waits are counted apart; the first holds events in play too."""


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event as an answer lists it.

    Attributes:
        starts_at: its start, in seconds since 1970.
        has_moved: whether a price of it has moved since the last answer.
    """

    starts_at: float
    has_moved: bool


@dataclass(frozen=True, slots=True)
class FeedMemory:
    """A feed as its polls have shown it.

    Attributes:
        answered_at: when it last answered, in seconds since 1970.
        starts: start, in seconds since 1970 → how many of its events start then.
        seen: the polls of each band.
        polls: the number of polls that taught something.
        rates: changes a second of an event in each band, as last estimated.
    """

    answered_at: float
    starts: Mapping[int, int] = field(default_factory=dict)
    seen: tuple[Seen, ...] = UNSEEN
    polls: int = 0
    rates: tuple[float, ...] = USUAL_RATES

    def after(self, events: Sequence[ListedEvent], at: float, longest_seconds: float) -> FeedMemory:
        """Return the feed after one more answer.

        An interval that is longer than polls are apart was an outage: what was off the board
        meanwhile shows no changes, so it teaches nothing.
        """
        starts = Counter(int(each.starts_at) for each in events)
        listed = dict(sorted(starts.items())[:MAX_STARTS])
        interval = at - self.answered_at
        if not 0 < interval <= longest_seconds:
            return replace(self, answered_at=at, starts=listed)
        middle = at - interval / 2
        counts = Counter((band_of(each.starts_at - middle), each.has_moved) for each in events)
        kept = 0.5 ** (interval / HALF_LIFE_SECONDS)
        seen = tuple(
            polls.kept(kept).with_poll(interval, counts[band, True], counts[band, False])
            for band, polls in enumerate(self.seen)
        )
        polls = self.polls + 1
        found = self.rates if polls % POLLS_PER_ESTIMATE else rates(seen)
        return FeedMemory(at, listed, seen, polls, found)


Memory = Mapping[str, FeedMemory]
"""Feed → what is remembered of it."""


def learn(
    memory: Memory,
    answers: Mapping[str, Sequence[ListedEvent]],
    at: float,
    longest_seconds: float,
) -> Memory:
    """Return the memory after a poll.

    Args:
        memory: the memory before it.
        answers: feed → the events that its complete answer listed.
        at: when it was made, in seconds since 1970.
        longest_seconds: a longer interval between two answers of a feed teaches nothing.
    """
    learnt = dict(memory)
    for feed, events in answers.items():
        known = memory.get(feed) or FeedMemory(at)
        learnt[feed] = known.after(events, at, longest_seconds)
    latest = sorted(learnt.items(), key=lambda item: (-item[1].answered_at, item[0]))[:MAX_FEEDS]
    return {feed: of for feed, of in latest if at - of.answered_at <= FORGET_SECONDS}


def span_of(seconds_to_start: float) -> str:
    """Return the name of the span that a time to the start lies in.

    >>> span_of(-60.0), span_of(4 * 3_600.0), span_of(30 * 3_600.0)
    ('< 3 h', '3–24 h', '> 24 h')
    """
    return SPANS[bisect_left(SPAN_ENDS_SECONDS, seconds_to_start)]


class Expectation:
    """The changes that a memory lets expect.

    Args:
        memory: of all feeds of a provider.
        policy: weighs changes by their time to the start.
    """

    def __init__(self, memory: Memory, policy: SavingPolicy) -> None:
        self._horizon_seconds = policy.horizon_seconds
        self._feeds = [(of, policy.weighted(of.rates)) for of in memory.values()]

    def from_now(self, now: float, shortest_seconds: float) -> list[Stretch]:
        """Return the changes expected from a moment on.

        Args:
            now: the moment, in seconds since 1970.
            shortest_seconds: the least length of the forecast.
        """
        listed = [
            (_to_starts(of, now), found)
            for of, found in self._feeds
            if now - of.answered_at <= LISTED_SECONDS
        ]
        return forecast_feeds(listed, max(self._horizon_seconds, shortest_seconds))


def soonest(memory: Memory, now: float) -> tuple[int, float | None]:
    """Return the number of events in play, and the seconds to the next start, if there is one."""
    in_play, next_start = 0, None
    for of in memory.values():
        if now - of.answered_at > LISTED_SECONDS:
            continue
        for start, count in of.starts.items():
            if start <= now:
                in_play += count
            elif next_start is None or start - now < next_start:
                next_start = start - now
    return in_play, next_start


def document_of(memory: Memory) -> dict[str, Any]:
    """Return a memory as JSON has it: most counts are 0 and left out."""
    return {
        feed: [
            of.answered_at,
            of.polls,
            of.rates,
            list(of.starts.items()),
            [[round(polls.unchanged_seconds, 3), list(_buckets(polls))] for polls in of.seen],
        ]
        for feed, of in memory.items()
    }


_Rates = tuple[float, ...]
_Bands = list[tuple[float, list[tuple[int, float, float]]]]
_Document = dict[str, tuple[float, int, _Rates, list[tuple[int, int]], _Bands]]


def memory_of(document: object) -> Memory:
    """Return a memory as it was stored; one of nothing if none was.

    Raises:
        msgspec.ValidationError: the document is of another form.

    >>> seen = (Seen().with_poll(60.0, changed=1, unchanged=3), *UNSEEN[1:])
    >>> memory = {"/a": FeedMemory(5.0, {7: 2}, seen)}
    >>> memory_of(document_of(memory)) == memory
    True
    """
    known = msgspec.convert(document or {}, type=_Document)
    return {
        feed: FeedMemory(at, dict(starts), tuple(_seen(*each) for each in bands), polls, found)
        for feed, (at, polls, found, starts, bands) in known.items()
        if len(bands) == len(found) == BANDS
    }


def _to_starts(of: FeedMemory, now: float) -> Iterator[float]:
    for start, count in of.starts.items():
        for _ in range(count):
            yield start - now


def _buckets(polls: Seen) -> Iterator[tuple[int, float, float]]:
    for bucket, (count, seconds) in enumerate(
        zip(polls.changed, polls.changed_seconds, strict=True)
    ):
        if count > 1e-6:
            yield bucket, round(count, 6), round(seconds, 3)


def _seen(unchanged_seconds: float, buckets: Iterable[tuple[int, float, float]]) -> Seen:
    counts, seconds = [0.0] * BUCKETS, [0.0] * BUCKETS
    for bucket, count, of in buckets:
        if 0 <= bucket < BUCKETS:
            counts[bucket], seconds[bucket] = count, of
    return Seen(unchanged_seconds, tuple(counts), tuple(seconds))
