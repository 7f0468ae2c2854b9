"""The checks: each judges one thing by what was seen; docs/runbook.md says what to do about it.

A check whose server does not answer is unknown; that server's own check says why.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from streaming.core.health import (
    ALWAYS_WELL,
    ANY,
    MUST_NOT_BE,
    Check,
    HealthPolicy,
    Thresholds,
    check,
    sustained,
)
from streaming.core.histogram import quantile_ms
from streaming.health.objective import Objective, batch, major
from streaming.health.seen import Away, Seen, Work

Judge = Callable[[Seen, HealthPolicy], Check]

STALE_LOOKS = 3
"""Snapshots that may be missing before what they said of the workers is no longer believed."""

_NAMED = 5


def judge(seen: Seen, policy: HealthPolicy) -> list[Check]:
    """All checks, in their order."""
    return [each(seen, policy) for each in CHECKS]


def database(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether PostgreSQL answers in time."""
    return _answers("database", "PostgreSQL", seen.stream, policy)


def redis(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether Redis answers in time."""
    return _answers("redis", "Redis", seen.redis, policy)


def broker(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether the broker has room: a full one refuses messages."""
    if isinstance(seen.redis, Away):
        return _unknown("broker", policy.memory_used, "of its memory")
    used = seen.redis.memory_used
    return check("broker", used, policy.memory_used, "of its memory", f"{used:.0%} of it is used")


def beat(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether beat ticks, and somebody hears it."""
    seconds = None if isinstance(seen.redis, Away) else seen.redis.tick_seconds
    detail = "it has never ticked" if seconds is None else f"the last tick was {seconds:.1f} s ago"
    return check("beat", seconds, policy.tick_seconds, "s since the last tick", detail)


def workers(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether each queue has a worker that answers."""
    unit = "queues without a worker"
    if seen.workers_seconds > STALE_LOOKS * policy.interval_seconds:
        detail = f"none has looked at the others for {seen.workers_seconds:.0f} s"
        return check("workers", len(seen.workers or ()) or 1, MUST_NOT_BE, unit, detail)
    if seen.workers is None:
        return _unknown("workers", MUST_NOT_BE, unit, "none could be asked")
    idle = sorted(name for name, count in seen.workers.items() if not count)
    detail = f"nobody takes from {', '.join(idle)}" if idle else "every queue has one"
    return check("workers", len(idle), MUST_NOT_BE, unit, detail)


def queue_backlog(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether messages pile up in a queue."""
    unit = "messages in the longest queue"
    if isinstance(seen.redis, Away):
        return _unknown("queue_backlog", policy.queue_messages, unit)
    name, queue = max(seen.redis.queues.items(), key=lambda pair: pair[1].messages)
    detail = f"{queue.messages} wait in {name}" if queue.messages else "none waits"
    return check("queue_backlog", queue.messages, policy.queue_messages, unit, detail)


def queue_age(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether messages wait for long."""
    unit = "s that the oldest message waits"
    if isinstance(seen.redis, Away):
        return _unknown("queue_age", policy.queue_seconds, unit)
    name, queue = max(seen.redis.queues.items(), key=lambda pair: pair[1].oldest_seconds)
    seconds = queue.oldest_seconds
    detail = f"{seconds:.1f} s in {name}" if seconds else "none waits"
    return check("queue_age", seconds, policy.queue_seconds, unit, detail)


def circuits(seen: Seen, _policy: HealthPolicy) -> Check:
    """Whether providers are left alone: one is a warning, all of them a failure."""
    unit, thresholds = "of the circuits have opened", (ANY, 1.0)
    if isinstance(seen.stream, Away):
        return _unknown("circuits", thresholds, unit)
    providers = seen.stream.providers
    opened = [each for each in providers if each.circuit != "closed"]
    detail = "; ".join(f"{each.key}: {each.reason}" for each in opened[:_NAMED]) or "none is open"
    share = len(opened) / len(providers) if providers else 0.0
    return check("circuits", share, thresholds, unit, detail)


def provider_silence(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether every enabled provider answers."""
    unit = "of its limit of silence"
    if isinstance(seen.stream, Away):
        return _unknown("provider_silence", policy.provider_silence, unit)
    heard = [
        (each.silence_seconds / each.stale_after_seconds, each.key)
        for each in seen.stream.providers
        if each.silence_seconds is not None
    ]
    if not heard:
        detail = "no provider has ever answered"
        return _unknown("provider_silence", policy.provider_silence, unit, detail)
    worst, key = max(heard)
    detail = f"{key} is at {worst:.0%} of it"
    return check("provider_silence", worst, policy.provider_silence, unit, detail)


def book_silence(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether bookmakers go unconfirmed, though their feeds answer."""
    unit = "of the bookmakers are silent"
    if isinstance(seen.stream, Away):
        return _unknown("book_silence", policy.silent_books, unit)
    silent = seen.stream.books_silent
    share = sum(silent.values()) / seen.stream.books_heard if seen.stream.books_heard else 0.0
    named = [f"{count} of {provider}" for provider, count in silent.items()]
    detail = ", ".join(named[:_NAMED]) or "none is silent"
    return check("book_silence", share, policy.silent_books, unit, detail)


def activity(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether anything is polled."""
    unit = "intervals since the last poll"
    if isinstance(seen.stream, Away):
        return _unknown("activity", policy.silence_intervals, unit)
    seconds, providers = seen.stream.polled_seconds, seen.stream.providers
    if seconds is None or not providers:
        detail = "no provider is enabled" if not providers else "nothing has ever been polled"
        return _unknown("activity", policy.silence_intervals, unit, detail)
    intervals = seconds / min(each.interval_seconds for each in providers)
    detail = f"the last poll was {seconds:.1f} s ago"
    return check("activity", intervals, policy.silence_intervals, unit, detail)


def missing_recomputes(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether lines change and nothing is valued."""
    unit = "line changes in 5 minutes, and no valuation"
    if seen.work is None:
        return _unknown("missing_recomputes", MUST_NOT_BE, unit)
    changes, valued = seen.work.short.sum("changes"), seen.work.short.sum("valued")
    is_missing = changes >= policy.min_changes and not valued
    detail = f"{valued:,.0f} valuations for {changes:,.0f} changes"
    return check("missing_recomputes", changes if is_missing else 0, MUST_NOT_BE, unit, detail)


def recompute_ratio(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether coalescing saves work: recomputes of a market, as asked for, for each line change.

    One that finds its market valued already is work all the same, and what there is of it when
    every change asks for its own: an answer's changes are one new version of their market.
    """
    unit, thresholds = "recomputes for each line change", policy.recomputes_per_change
    if seen.work is None:
        return _unknown("recompute_ratio", thresholds, unit)
    changes, asked = seen.work.short.sum("changes"), seen.work.short.sum("asked")
    if changes < policy.min_changes:
        return check("recompute_ratio", 0.0, thresholds, unit, f"only {changes:,.0f} changes")
    detail = f"{asked:,.0f} recomputes for {changes:,.0f} changes"
    return check("recompute_ratio", asked / changes, thresholds, unit, detail)


def stale_markets(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether changes wait for their valuation."""
    unit = "s that the oldest change waits"
    if isinstance(seen.stream, Away):
        return _unknown("stale_markets", policy.stale_market_seconds, unit)
    count, seconds = seen.stream.stale_markets, seen.stream.stale_seconds
    detail = f"{count:,} markets wait, the first for {seconds:.1f} s" if count else "none waits"
    return check("stale_markets", seconds, policy.stale_market_seconds, unit, detail)


def latency_major(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether major moves are valued in time."""
    return _latency("latency_major", major(policy), seen, policy)


def latency_batch(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether all other changes are."""
    return _latency("latency_batch", batch(policy), seen, policy)


def dead_letter_rate(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether much of the work fails for good."""
    unit = "dead letters for each piece of work in 1 hour"
    if seen.work is None:
        return _unknown("dead_letter_rate", policy.dead_letter_rate, unit)
    letters, pieces = seen.work.long.sum("letters"), pieces_of_work(seen.work)
    rate = letters / max(pieces, letters) if letters else 0.0
    detail = f"{letters:,.0f} letters, {pieces:,.0f} pieces of work"
    return check("dead_letter_rate", rate, policy.dead_letter_rate, unit, detail)


def dead_letter_growth(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether dead letters pile up."""
    unit, thresholds = "dead letters in 1 hour", policy.dead_letters_per_hour
    if seen.work is None or isinstance(seen.stream, Away):
        return _unknown("dead_letter_growth", thresholds, unit)
    letters = seen.work.long.sum("letters")
    detail = f"{letters:,.0f} came, {seen.stream.letters_new:,} wait for a person"
    return check("dead_letter_growth", letters, thresholds, unit, detail)


def subscribers(seen: Seen, _policy: HealthPolicy) -> Check:
    """Whether subscribers fail; a warning, for nobody else waits for them."""
    unit, thresholds = "subscribers suppressed", (1.0, ALWAYS_WELL[1])
    if isinstance(seen.stream, Away):
        return _unknown("subscribers", thresholds, unit)
    suppressed = seen.stream.suppressed
    detail = ", ".join(suppressed[:_NAMED]) or "all are well"
    return check("subscribers", len(suppressed), thresholds, unit, detail)


def buffer_overflow(seen: Seen, _policy: HealthPolicy) -> Check:
    """Whether the buffer was full; a warning, for the sweeper values what it dropped."""
    unit, thresholds = "hints dropped in 5 minutes", (1.0, ALWAYS_WELL[1])
    if seen.work is None:
        return _unknown("buffer_overflow", thresholds, unit)
    dropped = seen.work.short.of("hints_dropped")
    return check("buffer_overflow", dropped, thresholds, unit, f"{dropped:,.0f} were dropped")


def quota(seen: Seen, _policy: HealthPolicy) -> Check:
    """Whether credits last: a provider slowed down is a warning, one without any a failure."""
    unit, thresholds = "(1: slowed down, 2: used up)", (1.0, 2.0)
    if isinstance(seen.stream, Away):
        return _unknown("quota", thresholds, unit)
    used_up, paced = [], []
    for each in seen.stream.providers:
        left, cost = each.quota_remaining, each.quota_poll_cost
        if left is not None and left < (cost or 1):
            used_up.append(each.key)
        elif each.is_paced:
            paced.append(each.key)
    said = [*(f"{key} has used its up" for key in used_up), *(f"{key} is slow" for key in paced)]
    observed = 2 if used_up else 1 if paced else 0
    return check("quota", observed, thresholds, unit, "; ".join(said[:_NAMED]) or "all last")


def disk(seen: Seen, policy: HealthPolicy) -> Check:
    """Whether the private servers' disk has room."""
    used = seen.disk_used
    if used is None:
        return check("disk", 0.0, policy.disk_used, "of the disk", "no private server uses it")
    return check("disk", used, policy.disk_used, "of the disk", f"{used:.0%} of it is used")


def pieces_of_work(work: Work) -> float:
    """Polls, recomputes and deliveries of the past hour."""
    return sum(work.long.sum(kind) for kind in ("polls", "recomputes", "deliveries"))


def _latency(name: str, objective: Objective, seen: Seen, policy: HealthPolicy) -> Check:
    unit = "times the misses that the objective allows"
    if seen.work is None or not seen.work.total.sum("recomputes"):
        return _unknown(name, policy.burn_rate, unit, "nothing has been valued yet")
    counts = objective.latencies(seen.work.long)
    quantiles = [quantile_ms(counts, part) for part in (0.5, 0.95, 0.99)]
    shown = " / ".join("–" if each is None else f"{each:.0f}" for each in quantiles)
    late = objective.late(seen.work.long)
    detail = (
        f"{late:,} of {sum(counts):,} above {objective.bound_ms:g} ms in 1 hour;"
        f" p50 / p95 / p99 {shown} ms"
    )
    observed = sustained(objective.burn_rates(seen.work))
    return check(name, observed, policy.burn_rate, unit, detail)


def _answers(name: str, server: str, facts: object, policy: HealthPolicy) -> Check:
    is_away = isinstance(facts, Away)
    unit = f"unanswered within {policy.probe_seconds:g} s"
    detail = f"{server}: {facts.reason}" if isinstance(facts, Away) else f"{server} answers"
    return check(name, float(is_away), MUST_NOT_BE, unit, detail)


def _unknown(name: str, thresholds: Thresholds, unit: str, detail: str = "not known") -> Check:
    return check(name, None, thresholds, unit, detail)


SERVERS: tuple[Judge, ...] = (database, redis, broker, disk)
PROCESSES: tuple[Judge, ...] = (beat, workers, queue_backlog, queue_age)
PROVIDERS: tuple[Judge, ...] = (circuits, provider_silence, book_silence, quota, activity)
VALUATION: tuple[Judge, ...] = (
    missing_recomputes,
    recompute_ratio,
    stale_markets,
    latency_major,
    latency_batch,
    buffer_overflow,
)
FAILURES: tuple[Judge, ...] = (dead_letter_rate, dead_letter_growth, subscribers)

CHECKS: tuple[Judge, ...] = tuple(chain(SERVERS, PROCESSES, PROVIDERS, VALUATION, FAILURES))
"""All checks."""
