"""The plan of a provider's polls: when the next one comes, why, and how much sooner changes show.

A plan is made after each poll, from what that poll and those before it have shown. In a shadow the
polls are even, and a clock of its own says when the adaptive ones would have come; where the plan
acts it is the other way round. Both are compared on the changes that the polls have really shown: a
change lies anywhere between the last two polls, so its mean wait under both is known, however
good the forecast was.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from streaming.core.durations import spoken
from streaming.core.poll_memory import (
    HALF_LIFE_SECONDS,
    SPANS,
    Expectation,
    ListedEvent,
    Memory,
    learn,
    soonest,
    span_of,
)
from streaming.core.poll_saving import (
    Bound,
    Interval,
    Limits,
    SavingPolicy,
    after_poll,
    next_interval,
)

RECENT_POLLS = 10
"""The polls of which the reason says whether prices have changed."""

_SPAN_WORDS = dict(
    zip(
        SPANS,
        ("in play and up to 3 h before", "3 to 24 h before", "more than 24 h before"),
        strict=True,
    )
)

GAP_INTERVALS = 3.0
"""After more of the longest intervals, polls had been interrupted: nothing is concluded from it."""


@dataclass(frozen=True, slots=True)
class PollSeen:
    """A poll that was made, and the terms of the next one.

    Attributes:
        at: when it was made, in seconds since 1970.
        answers: feed → the events that its complete answer listed.
        limits: of the next interval.
        cost: credits that it cost; None where the provider does not say.
        renews_at: when credits are renewed, in seconds since 1970; None where it does not say.
        is_acting: whether plans decide about polls, or are a shadow.
        most_saved: the most polls that can have been saved, by the credits that are left.
    """

    at: float
    answers: Mapping[str, Sequence[ListedEvent]]
    limits: Limits
    cost: float | None = None
    renews_at: float | None = None
    is_acting: bool = False
    most_saved: float = math.inf


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits of changes in one span, by estimate; old ones lose weight.

    Attributes:
        changes: events that changed between two polls.
        even_seconds: the sum of their mean waits at even intervals.
        adaptive_seconds: the same at adaptive ones.
    """

    changes: float = 0.0
    even_seconds: float = 0.0
    adaptive_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean waits of changes at one distance from the start.

    Attributes:
        span: the time to the start.
        changes: how many were counted, old ones as less than 1.
        even_seconds: the mean wait at even intervals.
        adaptive_seconds: the mean wait at adaptive ones.
    """

    span: str
    changes: float
    even_seconds: float
    adaptive_seconds: float


@dataclass(frozen=True, slots=True)
class PollPlan:
    """The plan after a poll.

    Attributes:
        version: the number of polls that it knows.
        at: the last of them, in seconds since 1970.
        seconds: the adaptive interval after it.
        even_seconds: the even one.
        reason: why the adaptive interval is as it is, as a clause after "because".
        saved: polls saved so far; in a shadow those that would have been.
        is_acting: whether the plan decides about the next poll.
        cost: credits that the last poll cost.
        renews_at: when credits are renewed.
        recent: the latest polls, newest last: c prices changed, . they did not.
        other_at: the next poll of the policy that does not act.
        other_seconds: the interval before it.
        waits: span → the waits of changes.
    """

    version: int = 0
    at: float = 0.0
    seconds: float = 0.0
    even_seconds: float = 0.0
    reason: str = ""
    saved: float = 0.0
    is_acting: bool = False
    cost: float | None = None
    renews_at: float | None = None
    recent: str = ""
    other_at: float = 0.0
    other_seconds: float = 0.0
    waits: dict[str, Waits] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any] | str | None) -> PollPlan:
        """Return a plan as it was stored; one without polls if none was.

        Raises:
            msgspec.ValidationError: the document is of another form.

        >>> PollPlan.of({"version": 2, "unknown": 1}).version
        2
        """
        if isinstance(document, str):
            return msgspec.json.decode(document, type=cls)
        return msgspec.convert(document or {}, cls)

    def document(self) -> dict[str, Any]:
        """Return the plan as JSON has it."""
        return asdict(self)

    @property
    def next_at(self) -> float:
        """The adaptive time of the next poll, in seconds since 1970."""
        return self.at + self.seconds

    @property
    def words(self) -> str:
        """The interval and its reason, for a page."""
        if self.is_acting:
            return f"next poll {spoken(self.seconds)} after the last, because {self.reason}"
        return f"would wait {_beside(self.seconds, self.even_seconds)}, because {self.reason}"

    @property
    def estimates(self) -> list[Estimate]:
        """The mean waits of the spans with changes, nearest first."""
        return [
            Estimate(
                span, of.changes, of.even_seconds / of.changes, of.adaptive_seconds / of.changes
            )
            for span in SPANS
            if (of := self.waits.get(span)) is not None and of.changes > 0
        ]

    @property
    def estimate_words(self) -> str:
        """The mean waits of each span, for a page; empty before any change.

        >>> waits = {"< 3 h": Waits(10.0, 150.0, 90.0), "> 24 h": Waits(2.0, 30.0, 32.0)}
        >>> PollPlan(waits=waits).estimate_words
        'in play and up to 3 h before the start: 9 s instead of 15 s; more than 24 h before: 16 s
        instead of 15 s'
        """
        words = [
            f"{_SPAN_WORDS[of.span]}: {_beside(of.adaptive_seconds, of.even_seconds)}"
            for of in self.estimates
        ]
        return "; ".join(words).replace(" before", " before the start", 1)

    @property
    def ratio(self) -> float | None:
        """The mean wait of all changes by that at even intervals; None before any."""
        even = sum(each.even_seconds for each in self.waits.values())
        adaptive = sum(each.adaptive_seconds for each in self.waits.values())
        return adaptive / even if even > 0 else None


def _beside(adaptive_seconds: float, even_seconds: float) -> str:
    """Return two durations in words.

    >>> _beside(41.0, 30.0), _beside(30.1, 30.0)
    ('41 s instead of 30 s', '30 s, as at even intervals')
    """
    adaptive, even = spoken(adaptive_seconds), spoken(even_seconds)
    return (
        f"{adaptive}, as at even intervals" if adaptive == even else f"{adaptive} instead of {even}"
    )


def after(
    plan: PollPlan, memory: Memory, poll: PollSeen, policy: SavingPolicy
) -> tuple[PollPlan, Memory]:
    """Return the plan and the memory after a poll.

    Args:
        plan: the plan before it.
        memory: what the polls before it have shown.
        poll: the poll.
        policy: the constants.
    """
    gap = GAP_INTERVALS * poll.limits.ceiling_seconds
    is_next = plan.version > 0 and 0 < poll.at - plan.at <= gap
    is_next = is_next and plan.is_acting == poll.is_acting
    saved = saved_after(plan, poll.at, poll.cost, policy, is_acting=poll.is_acting)
    saved = min(saved, poll.most_saved)
    waits = plan.waits
    if is_next:
        # By what was known before the poll: a clock must not see what it is judged by.
        expected = Expectation(memory, policy)
        clock = _Clock(plan, poll, saved, policy, expected)
        even, adaptive = _mean_waits(clock.times, plan.at, poll.at, is_acting=poll.is_acting)
        waits = _counted(plan, poll, even, adaptive)
        saved, other_at, other_seconds = clock.saved, clock.next_at, clock.seconds
    learnt = learn(memory, poll.answers, poll.at, gap)
    recent = (plan.recent + _mark(poll))[-RECENT_POLLS:]
    stretches = Expectation(learnt, policy).from_now(poll.at, poll.limits.even_seconds)
    interval = next_interval(policy, saved, poll.limits, stretches)
    if not is_next:
        other_seconds = poll.limits.even_seconds if poll.is_acting else interval.seconds
        other_at = poll.at + other_seconds
    return (
        PollPlan(
            version=plan.version + 1,
            at=poll.at,
            seconds=interval.seconds,
            even_seconds=poll.limits.even_seconds,
            reason=_reason(recent, learnt, poll, interval),
            saved=saved,
            is_acting=poll.is_acting,
            cost=poll.cost,
            renews_at=poll.renews_at,
            recent=recent,
            other_at=other_at,
            other_seconds=other_seconds,
            waits=waits,
        ),
        learnt,
    )


def saved_after(
    plan: PollPlan, at: float, cost: float | None, policy: SavingPolicy, *, is_acting: bool
) -> float:
    """Return the polls saved that still count, with those of a poll that was really made.

    Credits that were saved end with their period, and what a shadow saved was not saved. Where
    polls have become dearer, fewer are paid for.

    Args:
        plan: the plan before the poll.
        at: when the poll was made, in seconds since 1970.
        cost: credits that it cost; None where the provider does not say.
        policy: the constants.
        is_acting: whether plans decide about polls, or are a shadow.
    """
    is_renewed = plan.renews_at is not None and plan.renews_at <= at
    if not plan.version or is_renewed or plan.is_acting != is_acting:
        return 0.0
    saved = plan.saved
    if plan.cost and cost and cost > plan.cost:
        saved *= plan.cost / cost
    if not is_acting:
        return saved
    if not plan.even_seconds:
        return 0.0
    # What the even interval was when this one was decided counts, not what it has become.
    limits = Limits(plan.even_seconds, plan.even_seconds, plan.even_seconds)
    return after_poll(policy, saved, limits, plan.seconds, at - plan.at)


class _Clock:
    """The polls of the policy that does not act, from the last poll to this one.

    Attributes:
        times: its polls since the last one that was really made.
        next_at: the one after them.
        seconds: the interval before that.
        saved: the polls saved.
    """

    def __init__(
        self,
        plan: PollPlan,
        poll: PollSeen,
        saved: float,
        policy: SavingPolicy,
        expected: Expectation,
    ) -> None:
        self.times, self.saved = list[float](), saved
        self.next_at = max(plan.other_at, plan.at)
        self.seconds = max(plan.other_seconds, poll.limits.floor_seconds)
        while self.next_at <= poll.at:
            now = self.next_at
            self.times.append(now)
            if poll.is_acting:
                self.seconds = poll.limits.even_seconds
            else:
                self.saved = after_poll(policy, self.saved, poll.limits, self.seconds, self.seconds)
                stretches = expected.from_now(now, poll.limits.even_seconds)
                self.seconds = next_interval(policy, self.saved, poll.limits, stretches).seconds
            self.next_at = now + self.seconds
        self.times.append(self.next_at)


def _mean_waits(
    times: Sequence[float], begin: float, end: float, *, is_acting: bool
) -> tuple[float, float]:
    """Return the mean waits, even and adaptive, of a change between two polls.

    Args:
        times: the polls of the policy that does not act: all between the two, and one after them.
        begin: the last poll.
        end: this one.
        is_acting: whether the two polls are adaptive; otherwise they are even.

    >>> _mean_waits([10.0, 30.0], 0.0, 20.0, is_acting=False)
    (10.0, 10.0)
    >>> _mean_waits([40.0], 0.0, 20.0, is_acting=True)
    (30.0, 10.0)
    """
    real, waited, since = (end - begin) / 2, 0.0, begin
    for time in times:
        until = min(time, end)
        waited += ((time - since) ** 2 - (time - until) ** 2) / 2
        since = until
    other = waited / (end - begin)
    return (other, real) if is_acting else (real, other)


def _counted(plan: PollPlan, poll: PollSeen, even: float, adaptive: float) -> dict[str, Waits]:
    """Return the waits with the changes of a poll, the earlier ones with less weight."""
    middle = (plan.at + poll.at) / 2
    moved = Counter(
        span_of(event.starts_at - middle)
        for events in poll.answers.values()
        for event in events
        if event.has_moved
    )
    kept = 0.5 ** ((poll.at - plan.at) / HALF_LIFE_SECONDS)
    counted = dict[str, Waits]()
    for span in SPANS:
        before, changes = plan.waits.get(span, Waits()), moved[span]
        if before.changes or changes:
            counted[span] = Waits(
                before.changes * kept + changes,
                before.even_seconds * kept + changes * even,
                before.adaptive_seconds * kept + changes * adaptive,
            )
    return counted


def _mark(poll: PollSeen) -> str:
    has_moved = any(event.has_moved for events in poll.answers.values() for event in events)
    return "c" if has_moved else "."


_BOUNDS: Mapping[Bound, str] = {
    "floor": "; this is the shortest interval",
    "ceiling": "; this is the longest interval",
    "saved": "; no poll is saved for an earlier one",
}


def _reason(recent: str, memory: Memory, poll: PollSeen, interval: Interval) -> str:
    count = recent.count("c")
    polls = f"the last {len(recent)} polls" if len(recent) > 1 else "the last poll"
    moved = f"prices changed in {count} of {polls}" if len(recent) > 1 else (
        f"prices changed in {polls}" if count else f"no price changed in {polls}"
    )  # fmt: skip
    in_play, to_start = soonest(memory, poll.at)
    if in_play:
        listed = "1 event is in play" if in_play == 1 else f"{in_play} events are in play"
    elif to_start is not None:
        listed = f"the next event starts in {spoken(to_start)}"
    else:
        listed = "no event is listed"
    return f"{moved} and {listed}{_BOUNDS.get(interval.bound, '')}"
