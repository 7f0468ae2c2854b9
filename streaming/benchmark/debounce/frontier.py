"""Fixed windows and adaptive ones at equal recomputes, and the spread of what that saves."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from streaming.benchmark.debounce.replay import Played, ServiceTimes, play
from streaming.benchmark.debounce.tapes import Tape
from streaming.benchmark.debounce.windows import Adaptive, Fixed
from streaming.core.adaptive_debounce import AdaptivePolicy
from streaming.core.coalesce import CoalescePolicy
from valuation.arrays import BoolArray, FloatArray, IntArray

Part = Literal["first", "second", "all"]
"""The half of each market's changes that is counted; all are replayed."""

WINDOWS_MS = tuple(range(50, 501, 50))
WORTHS = (0.0, *(0.004 * 1.6**power for power in range(14)))
"""The values of a recompute that the adaptive frontier is made of, in log-odds times seconds."""

CAP_MS = 500.0
BLOCK = 50
"""Changes in a row that are drawn together: neighbours are alike."""

LEAST_CHANGES = 10 * BLOCK
"""Of fewer changes no spread is known."""

RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one way to coalesce.

    Attributes:
        recomputes: valuations of a market that found something new.
        p50_ms: from a change to its value, the median.
        p95_ms: the time that 95 of 100 changes do not exceed.
        error: the integral of |published - true fair price|, in probability times seconds.
    """

    recomputes: float
    p50_ms: float
    p95_ms: float
    error: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A ratio with the middle 90 % of its values over the resamples."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Pair:
    """A fixed window beside adaptive windows that come to as many recomputes.

    Attributes:
        window_ms: the fixed window.
        fixed: its figures.
        adaptive: those of the adaptive frontier at as many recomputes.
        error: the adaptive error by the fixed one.
        p95: the adaptive 95th percentile by the fixed one.
        recomputes: the adaptive recomputes by the fixed ones, at an equal error.
    """

    window_ms: int
    fixed: Figures
    adaptive: Figures
    error: Spread
    p95: Spread
    recomputes: Spread

    @property
    def is_won(self) -> bool:
        """Return True if either figure is smaller at equal recomputes, beyond its spread."""
        return self.error.high < 1.0 or self.p95.high < 1.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A tape under all windows.

    Attributes:
        tape: its name.
        changes: those counted.
        major: those of them that never wait.
        pairs: one for each fixed window.
        worth: what a recompute is worth to the policy as it is used.
        default: the figures of that policy.
        messages: recomputes sent for the whole tape, by the usual fixed window and adaptively.
        worker_seconds: of the same two.
    """

    tape: str
    changes: int
    major: int
    pairs: Sequence[Pair]
    worth: float
    default: Figures
    messages: tuple[int, int]
    worker_seconds: tuple[float, float]


def compare(
    tape: Tape, part: Part, policy: AdaptivePolicy, times: ServiceTimes | None = None
) -> Comparison:
    """Replay a tape under all windows, fixed and adaptive.

    Args:
        tape: of a stream.
        part: the changes that are counted.
        policy: the adaptive constants; the frontier varies what a recompute is worth.
        times: of messages and workers.
    """
    fixed = [
        play(tape, Fixed(CoalescePolicy(batch_ms=each, debounce_ms=each)), times)
        for each in WINDOWS_MS
    ]
    adaptive = [_adaptive(tape, replace(policy, recompute_worth=worth), times) for worth in WORTHS]
    used = _adaptive(tape, policy, times)
    counted = _counted(tape, part)
    index = np.flatnonzero(counted)
    arms = _Arms([*fixed, *adaptive])
    values = _ratios(arms, index)
    spreads = _spreads(arms, index, fixed[0].market)
    at_equal = _at_equal_recomputes(arms, index)
    pairs = [
        Pair(
            window_ms,
            _figures(fixed[number], index),
            at_equal[number],
            *(
                Spread(spreads[0, kind, number], values[kind, number], spreads[1, kind, number])
                for kind in range(3)
            ),
        )
        for number, window_ms in enumerate(WINDOWS_MS)
    ]
    usual = fixed[WINDOWS_MS.index(CoalescePolicy().window_ms)]
    is_major = np.zeros(counted.size, dtype=np.bool_)
    first = np.cumsum([0, *(len(series) for series in tape.fair)])
    for answer in tape.answers:
        for change in answer.changes:
            is_major[first[change.market] + change.number] = change.is_major
    return Comparison(
        tape.name,
        int(counted.sum()),
        int((is_major & counted).sum()),
        pairs,
        policy.recompute_worth,
        _figures(used, index),
        (usual.messages, used.messages),
        (usual.worker_seconds, used.worker_seconds),
    )


def _adaptive(tape: Tape, policy: AdaptivePolicy, times: ServiceTimes | None) -> Played:
    return play(tape, Adaptive(CoalescePolicy(), policy, CAP_MS), times)


def _counted(tape: Tape, part: Part) -> BoolArray:
    """Return which changes are counted, market by market."""
    halves = [np.arange(len(series)) >= len(series) // 2 for series in tape.fair]
    is_second = np.concatenate(halves)
    if part == "all":
        return np.ones_like(is_second)
    return is_second if part == "second" else ~is_second


class _Arms:
    """The replays as rows of tables: first the fixed windows, then the adaptive ones."""

    def __init__(self, played: Sequence[Played]) -> None:
        self.latency_ms = np.array([each.latency_ms for each in played])
        self.error = np.array([each.error for each in played])
        self.is_valued = np.array([each.is_valued for each in played])


def _sums(arms: _Arms, index: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the recomputes, the 95th percentiles and the errors of all arms."""
    return (
        arms.is_valued[:, index].sum(axis=1).astype(np.float64),
        np.quantile(arms.latency_ms[:, index], 0.95, axis=1),
        arms.error[:, index].sum(axis=1),
    )


def _ratios(arms: _Arms, index: IntArray) -> FloatArray:
    """Return adaptive by fixed: error and p95 at equal recomputes, recomputes at equal error."""
    count = len(WINDOWS_MS)
    recomputes, p95, error = _sums(arms, index)
    at = recomputes[:count]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.array(
            [
                _between(recomputes[count:], error[count:], at) / error[:count],
                _between(recomputes[count:], p95[count:], at) / p95[:count],
                _between(error[count:], recomputes[count:], error[:count]) / at,
            ]
        )


def _spreads(arms: _Arms, index: IntArray, market: IntArray) -> FloatArray:
    """Return the 5th and the 95th percentile of each ratio over resamples of blocks of changes."""
    chance = np.random.default_rng(0)
    blocks = [
        part
        for each in np.unique(market[index])
        for own in [index[market[index] == each]]
        for part in np.array_split(own, max(len(own) // BLOCK, 1))
    ]
    found = [
        _ratios(
            arms, np.concatenate([blocks[i] for i in chance.integers(0, len(blocks), len(blocks))])
        )
        for _ in range(RESAMPLES)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a ratio that is known in no resample
        return np.nanquantile(np.array(found), (0.05, 0.95), axis=0)


def _at_equal_recomputes(arms: _Arms, index: IntArray) -> list[Figures]:
    count = len(WINDOWS_MS)
    recomputes, p95, error = _sums(arms, index)
    p50 = np.quantile(arms.latency_ms[:, index], 0.5, axis=1)
    at = recomputes[:count]
    columns = [_between(recomputes[count:], each[count:], at) for each in (p50, p95, error)]
    return [Figures(*map(float, row)) for row in zip(at, *columns, strict=True)]


def _between(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    """Interpolate a frontier of arms, each with as much of x and y.

    Of arms with the same x the one with the least y counts; above all x the highest, which has less
    of x than is allowed. NaN below the lowest: no arm has so little.
    """
    order = np.lexsort((y, x))
    x, first = np.unique(x[order], return_index=True)  # of equal arms the best
    return np.interp(at, x, y[order][first], left=np.nan)


def _figures(played: Played, index: IntArray) -> Figures:
    p50, p95 = np.quantile(played.latency_ms[index], (0.5, 0.95))
    recomputes = float(played.is_valued[index].sum())
    return Figures(recomputes, float(p50), float(p95), float(played.error[index].sum()))
