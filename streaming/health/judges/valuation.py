"""The valuation: whether it happens, how much of it, and how soon."""

from __future__ import annotations

from collections.abc import Sequence

from streaming.core.durations import spoken
from streaming.core.health import (
    ALWAYS_WELL,
    MUST_NOT_BE,
    Check,
    HealthPolicy,
    check,
    crossed,
    samples_needed,
    sustained,
)
from streaming.core.histogram import quantile_ms
from streaming.health.counters import Counters
from streaming.health.judges.common import Judge, counted, lenient, limit, timed, unknown
from streaming.health.objective import Objective, batch, major
from streaming.health.observations import Away, Observations

OUTDATED = "Fair prices and edges are out of date."


def missing_recomputes(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if lines change and nothing is valued."""
    unit = "line changes in 5 minutes without a valuation"
    if isinstance(observations.stream, Away):
        return unknown("missing_recomputes", MUST_NOT_BE, unit, "PostgreSQL")
    if observations.work is None:
        return check("missing_recomputes", 0, MUST_NOT_BE, unit, "Nothing is counted yet.")
    changes, valued = observations.work.short.sum("changes"), observations.work.short.sum("valued")
    is_missing = changes >= policy.min_changes and not valued
    detail = f"{counted(valued, 'valuation')} for {counted(changes, 'line change')} in 5 min."
    if is_missing:
        detail = (
            f"{counted(changes, 'line change')} in 5 min and no valuation"
            f" (limit {policy.min_changes:,}). {OUTDATED}"
        )
    found = check("missing_recomputes", changes if is_missing else 0, MUST_NOT_BE, unit, detail)
    return lenient(found, observations, policy, None)


def _coalesced(counters: Counters) -> tuple[float, float]:
    """Return the line changes that coalescing is for, and the recomputes that they asked for."""
    first = counters.of("asked", "first")
    return max(0.0, counters.sum("changes") - first), counters.sum("asked") - first


def recompute_ratio(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if coalescing saves work: recomputes of a market, as asked for, for each line change.

    A recompute that finds its market valued already counts as well. When every change asks for its
    own, most are of that kind: the changes of one answer are one new version of their market. First
    changes of quiet markets are not meant to wait, and count on neither side.
    """
    unit, limits = "recomputes for each line change", policy.recomputes_per_change
    if isinstance(observations.stream, Away):
        return unknown("recompute_ratio", limits, unit, "PostgreSQL")
    changes, asked = _coalesced(observations.work.short) if observations.work else (0.0, 0.0)
    if changes < policy.min_changes:
        detail = too_few(counted(changes, "line change"), "5 min", policy.min_changes)
        return check("recompute_ratio", 0.0, limits, unit, detail)
    ratio = asked / changes
    detail = (
        f"{counted(asked, 'recompute')} for {counted(changes, 'line change')} in 5 min:"
        f" {ratio:.2f} for each (limit {crossed(ratio, limits):g})."
    )
    if ratio >= limits[0]:
        detail += " Coalescing saves little, and valuations cost more than they need to."
    return check("recompute_ratio", ratio, limits, unit, detail)


def stale_markets(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if changes wait for their valuation.

    Its name is older than the distinction from prices that are too old, and clients know it.
    """
    unit, limits = "seconds that the oldest change waits", policy.stale_market_seconds
    if isinstance(observations.stream, Away):
        return unknown("stale_markets", limits, unit, "PostgreSQL")
    facts = observations.stream
    count, seconds = facts.unvalued_markets, facts.unvalued_seconds
    if not count:
        return check("stale_markets", 0.0, limits, unit, "Every change is valued.")
    waits = counted(count, "market waits", "markets wait")
    detail = f"{waits} for a valuation, the first for {spoken(seconds)} {limit(seconds, limits)}."
    if seconds >= limits[0]:
        detail += " Fair prices and edges on them are out of date."
    found = timed(observations, "stale_markets", seconds, limits, unit, detail)
    return lenient(found, observations, policy, seconds)


def latency_major(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if major moves are valued in time."""
    return _latency("latency_major", "major move", major(policy), observations, policy)


def latency_batch(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if all other changes are valued in time."""
    return _latency("latency_batch", "other change", batch(policy), observations, policy)


def buffer_overflow(observations: Observations, _policy: HealthPolicy) -> Check:
    """Judge if the buffer was full; a warning, because the sweeper values what it dropped."""
    unit, limits = "changes that found the buffer full in 5 minutes", (1.0, ALWAYS_WELL[1])
    if isinstance(observations.stream, Away):
        return unknown("buffer_overflow", limits, unit, "PostgreSQL")
    dropped = observations.work.short.of("hints_dropped") if observations.work else 0
    detail = "The buffer had room for every change in 5 min."
    if dropped:
        detail = (
            f"{counted(dropped, 'change')} found the buffer full in 5 min (limit 1)."
            " The sweeper values them some seconds later."
        )
    return check("buffer_overflow", dropped, limits, unit, detail)


def too_few(samples: str, window: str, needed: int) -> str:
    """Return the text of a rate or a quantile that is not judged: there are too few samples."""
    return f"Not judged: {samples} in {window}, {needed:,} are needed."


def _latency(
    name: str, noun: str, objective: Objective, observations: Observations, policy: HealthPolicy
) -> Check:
    unit, limits = "times the misses that the objective allows", policy.burn_rate
    if isinstance(observations.stream, Away):
        return unknown(name, limits, unit, "PostgreSQL")
    needed = samples_needed(1 - objective.part)
    counts = objective.judged(observations.work.long) if observations.work else []
    if observations.work is None or sum(counts) < needed:
        detail = too_few(counted(sum(counts), noun), "1 h", needed)
        return check(name, 0.0, limits, unit, detail)
    rate = sustained(objective.judged_rates(observations.work, needed))
    detail = f"{_lateness(noun, objective, counts)} Misses come {rate:.1f} times as fast as the"
    detail += f" objective of {objective.part * 100:.4g}% allows (limit {crossed(rate, limits):g})."
    if rate >= limits[0]:
        detail += " Edges open and close too late."
    return check(name, rate, limits, unit, detail)


def _lateness(noun: str, objective: Objective, counts: Sequence[int]) -> str:
    """Say how many valuations of a histogram were late, and how long they took."""
    quantiles = [quantile_ms(counts, part) for part in (0.5, 0.95, 0.99)]
    shown = " / ".join("–" if each is None else f"{each:.0f}" for each in quantiles)
    return (
        f"{objective.late(counts):,} of {counted(sum(counts), noun)} took longer than"
        f" {objective.bound_ms:,g} ms to be valued in 1 h (p50 / p95 / p99 {shown} ms)."
    )


CHECKS: tuple[Judge, ...] = (
    missing_recomputes,
    recompute_ratio,
    stale_markets,
    latency_major,
    latency_batch,
    buffer_overflow,
)
"""In the order in which they are shown."""
