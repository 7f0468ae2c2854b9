"""Ratios: how many times better Hardline is, in each round, and how far the rounds differ.

Both sides of a ratio are measured in the same round, on the same machine, minutes apart at most. So
a ratio says more than either figure: it hardly depends on the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from streaming.benchmark.compare import Spread
from streaming.benchmark.results.document import Machine, Measurement, Result
from streaming.benchmark.results.measures import MEASURES, Measure

SUBJECT = "hardline"
BY_CASE = frozenset({"grow", "soak", "match-day"})
"""Profiles whose ratios are of a case to the first one, of the same contender."""
BY_FIGURE = frozenset({"match-day"})
"""Profiles whose figures are compared as well, if both runs are of one kind of machine: they have
no other contender, and would be slower in all cases alike unnoticed."""
ITSELF = "the median of A"
TOLERANCE = 0.10
"""How far outside another run's rounds a ratio may lie: few rounds do not show the whole spread."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two sides of a figure; above 1, Hardline or the later case is better.

    Attributes:
        profile, case: what was done.
        against: the other contender, or the case that this one is compared with.
        measure: the figure.
        spread: over the rounds.
    """

    profile: str
    case: str
    against: str
    measure: Measure
    spread: Spread

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The identity that the same ratio of another run has as well."""
        return (self.profile, self.case, self.against, self.measure.key)


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return the median and the ends of some rounds; None without any.

    >>> spread_of([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0)
    """
    return Spread(median(values), min(values), max(values)) if values else None


def times_better(subject: float, other: float, measure: Measure) -> float | None:
    """Return how many times better the subject is; None where that cannot be said.

    >>> from streaming.benchmark.results.measures import BY_KEY
    >>> times_better(900.0, 100.0, BY_KEY["changes_per_second"])
    9.0
    >>> times_better(20.0, 100.0, BY_KEY["p95_ms"])
    5.0
    """
    if measure.better is None or subject <= 0 or other <= 0:
        return None
    return subject / other if measure.better == "higher" else other / subject


def ratios(result: Result) -> list[Ratio]:
    """Return all ratios of a result, in the order of its measurements."""
    found = []
    for profile, case in _cases(result.measurements):
        mine = _rounds(result.measurements, profile, case, SUBJECT)
        for against, theirs in _others(result.measurements, profile, case):
            for measure in MEASURES:
                values = [
                    value
                    for number in sorted(mine.keys() & theirs.keys())
                    if measure.key in mine[number] and measure.key in theirs[number]
                    and (value := times_better(
                        mine[number][measure.key], theirs[number][measure.key], measure
                    )) is not None
                ]  # fmt: skip
                spread = spread_of(values)
                if spread is not None:
                    found.append(Ratio(profile, case, against, measure, spread))
    return found


Figures = dict[int, dict[str, float]]
"""Round → figures."""


def _cases(measurements: Iterable[Measurement]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((each.profile, each.case) for each in measurements))


def _rounds(
    measurements: Iterable[Measurement], profile: str, case: str, contender: str
) -> Figures:
    return {
        each.round: each.figures
        for each in measurements
        if (each.profile, each.case, each.contender) == (profile, case, contender)
    }


def _others(
    measurements: Sequence[Measurement], profile: str, case: str
) -> Iterator[tuple[str, Figures]]:
    """Yield what the subject is compared with, and its rounds."""
    if profile in BY_CASE:
        first = next(each.case for each in measurements if each.profile == profile)
        if case != first:
            yield first, _rounds(measurements, profile, first, SUBJECT)
        return
    for name in dict.fromkeys(each.contender for each in measurements):
        if name != SUBJECT:
            yield name, _rounds(measurements, profile, case, name)


@dataclass(frozen=True, slots=True)
class RatioVerdict:
    """Two runs' ratios of the same.

    Attributes:
        before, after: of the first and the second run.
        is_worse: the second run's median lies below all rounds of the first.
        is_better: it lies above all of them.
    """

    before: Ratio
    after: Ratio
    is_worse: bool
    is_better: bool


def judge(before: Result, after: Result) -> list[RatioVerdict]:
    """Compare the ratios that both runs have.

    A verdict takes the spread of the first run, widened by `TOLERANCE`.
    """
    first, second = ratios(before), ratios(after)
    if _kind(before.machine) == _kind(after.machine):
        first += _by_figure(before, before)
        second += _by_figure(after, before)
    known = {ratio.key: ratio for ratio in first}
    return [judge_ratio(known[each.key], each) for each in second if each.key in known]


def _kind(machine: Machine) -> tuple[str, int]:
    return machine.processor, machine.cores


def _by_figure(result: Result, reference: Result) -> list[Ratio]:
    """Return how many times better a result's rounds are than the median of a reference."""
    found = []
    for profile, case in _cases(result.measurements):
        if profile not in BY_FIGURE:
            continue
        rounds = _rounds(result.measurements, profile, case, SUBJECT)
        usual = _rounds(reference.measurements, profile, case, SUBJECT)
        for measure in MEASURES:
            known = [each[measure.key] for each in usual.values() if measure.key in each]
            values = [
                value
                for each in rounds.values()
                if measure.key in each and known
                and (value := times_better(each[measure.key], median(known), measure)) is not None
            ]  # fmt: skip
            spread = spread_of(values)
            if spread is not None:
                found.append(Ratio(profile, case, ITSELF, measure, spread))
    return found


def judge_ratio(before: Ratio, after: Ratio) -> RatioVerdict:
    """Compare two runs' ratios of the same."""
    low, high = before.spread.low * (1 - TOLERANCE), before.spread.high * (1 + TOLERANCE)
    return RatioVerdict(before, after, after.spread.median < low, after.spread.median > high)
