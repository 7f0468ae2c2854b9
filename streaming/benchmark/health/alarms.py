"""When scores alarm on recordings: how long after a fault, and how often without one.

An alarm begins when a score has been below a limit for some looks in a row, and ends with the first
look that is not. Limit and looks are chosen for each scorer on other recordings than it is judged
by, by one price: the seconds of delay that a false alarm is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from streaming.benchmark.health.recording import Class, Recording
from streaming.core.health import Check

Scorer = Callable[[Sequence[Check]], float]
"""A score of the checks, 0 to 100, where less is worse."""

LOOKS = (1, 2, 3, 5, 8, 12, 16, 20, 25)
"""The looks in a row that are tried."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One episode as a scorer sees it.

    Attributes:
        name: of the fault.
        kind: its class.
        struck_at, ended_at: when it struck and ended, in seconds.
        scores: time → score, in order.
    """

    name: str
    kind: Class
    struck_at: float
    ended_at: float
    scores: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """The rule of an alarm.

    Attributes:
        limit: the score that it is below.
        looks: for so many looks in a row.
    """

    limit: float
    looks: int

    def alarms(self, scores: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
        """Yield the beginning and the end of each alarm; the last may end with the last look."""
        below, began, at = 0, None, 0.0
        for at, score in scores:
            below = below + 1 if score < self.limit else 0
            if below >= self.looks and began is None:
                began = at
            elif not below and began is not None:
                yield began, at
                began = None
        if began is not None:
            yield began, at


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a rule on one episode.

    Attributes:
        episode: the episode.
        delay: seconds from the fault to the first alarm; None where there was none until it ended,
            or nobody has to be called for it.
        false_alarms: alarms before the fault, or of one that nobody has to be called for.
    """

    episode: Scored
    delay: float | None
    false_alarms: int

    @property
    def is_missed(self) -> bool:
        """Return True if somebody had to be called, and was not."""
        return self.episode.kind == "fault" and self.delay is None

    @property
    def cost_seconds(self) -> float:
        """The delay; of a fault that was missed, all its time."""
        if self.is_missed:
            return self.episode.ended_at - self.episode.struck_at
        return self.delay or 0.0


def scored(recordings: Iterable[Recording], scorer: Scorer) -> list[Scored]:
    """Return the episodes of recordings as a scorer sees them."""
    return [
        Scored(
            episode.name,
            episode.kind,
            episode.struck_at,
            episode.ended_at,
            [(at, scorer(checks)) for at, checks in episode.moments()],
        )
        for recording in recordings
        for episode in recording.episodes
    ]


def outcome(episode: Scored, rule: AlarmRule) -> Outcome:
    """Return the outcome of a rule on an episode."""
    found = list(rule.alarms(episode.scores))
    early = sum(began < episode.struck_at for began, _ in found)
    if episode.kind != "fault":
        return Outcome(episode, None, len(found))
    # One that was on already tells nobody of the fault.
    heard = [
        began - episode.struck_at
        for began, _ in found
        if episode.struck_at <= began <= episode.ended_at
    ]
    return Outcome(episode, min(heard, default=None), early)


def choose(episodes: Sequence[Scored], price_seconds: float) -> AlarmRule:
    """Return the rule that costs least on these episodes.

    Args:
        episodes: of the recordings to choose on.
        price_seconds: the delay that a false alarm is worth.
    """
    limits = sorted({score for each in episodes for _, score in each.scores})
    rules = [AlarmRule(limit, looks) for limit, looks in product(limits, LOOKS)]

    def cost(rule: AlarmRule) -> tuple[float, float]:
        # Of rules that cost the same, the one that more has to happen for.
        return _cost([outcome(each, rule) for each in episodes], price_seconds), rule.limit

    return min(rules, key=cost)


def _cost(outcomes: Sequence[Outcome], price_seconds: float) -> float:
    false_alarms = sum(each.false_alarms for each in outcomes)
    return sum(each.cost_seconds for each in outcomes) + price_seconds * false_alarms


@dataclass(frozen=True, slots=True)
class Judged:
    """A scorer on recordings that its rules were not chosen on.

    Attributes:
        name: of the scorer.
        rules: one for each recording.
        outcomes: of all episodes.
        cost_seconds: the delays, and the price of the false alarms.
    """

    name: str
    rules: Sequence[AlarmRule]
    outcomes: Sequence[Outcome]
    cost_seconds: float


def judge(
    recordings: Sequence[Recording],
    scorers: Mapping[str, Scorer],
    price_seconds: float,
    changed: Callable[[Recording], Recording] = lambda recording: recording,
) -> list[Judged]:
    """Judge each scorer on each recording, by the rule chosen on all the others.

    Args:
        recordings: two at least.
        scorers: by their names.
        price_seconds: the delay that a false alarm is worth.
        changed: makes the recording that is judged of one that rules are chosen on.
    """
    found = []
    for name, scorer in scorers.items():
        by_recording = [scored([each], scorer) for each in recordings]
        rules, outcomes = [], []
        for place, recording in enumerate(recordings):
            others = [t for other, them in enumerate(by_recording) if other != place for t in them]
            rules.append(choose(others, price_seconds))
            outcomes += [outcome(each, rules[-1]) for each in scored([changed(recording)], scorer)]
        found.append(Judged(name, rules, outcomes, _cost(outcomes, price_seconds)))
    return found
