"""The metrics for Prometheus, computed at each scrape from the database and from Redis.

No counter lives in a process, so all processes report the same, and a restart resets nothing.
Every label has a bounded set of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from streaming.coalescing.adaptive import AdaptiveCounts
from streaming.core.health import HealthPolicy, Status
from streaming.core.histogram import BOUNDS_MS, quantile_ms
from streaming.core.outlook import Outlook
from streaming.health.counters import Counters
from streaming.health.objective import Objective, batch, major
from streaming.health.observations import Away, Observations, Work
from streaming.health.report import HealthReport
from streaming.health.servers import RedisFacts
from streaming.health.stream import StreamFacts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

TRIGGERS = ("major", "first", "batch", "sweep")
WINDOWS = ("5m", "1h")
QUANTILES = (0.5, 0.95, 0.99)

#: Counter → the name of its only label, and its help text.
_COUNTERS = {
    "polls": ("outcome", "Requests to providers."),
    "changes": ("", "Line changes ingested."),
    "quotes": ("", "Quotes seen in answers."),
    "recomputes": ("trigger", "Recompute messages."),
    "asked": ("trigger", "Markets that recompute messages asked for."),
    "valued": ("trigger", "Markets valued."),
    "edges": ("change", "Edges that opened or closed."),
    "deliveries": ("outcome", "Deliveries to subscribers."),
    "letters": ("kind", "Dead letters."),
    "hints_dropped": ("", "Changed markets that found the buffer full."),
}


def exposition(report: HealthReport, policy: HealthPolicy) -> bytes:
    """Return a scrape in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Health(report, policy))
    return generate_latest(registry)


class _Health(Collector):
    """One report as metrics."""

    def __init__(self, report: HealthReport, policy: HealthPolicy) -> None:
        self._report = report
        self._policy = policy

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the metrics depend on the servers that answer."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all that could be observed; what could not be is left out, never shown as 0."""
        observations = self._report.observations
        yield from _health(self._report)
        if not isinstance(observations.redis, Away):
            yield from _redis(observations.redis)
        if not isinstance(observations.stream, Away):
            yield from _stream(observations.stream)
            yield from _outlook(self._report.outlook, observations.stream.now)
        yield from _workers(observations, self._policy)
        if observations.work is not None:
            yield from _counters(observations.work.total)
            yield _latency(observations.work.total)
            yield from _objectives(observations.work, (major(self._policy), batch(self._policy)))


def _health(report: HealthReport) -> Iterator[Metric]:
    yield _value(
        "health_score", "The share of the worst group that is well, 0 to 100.", report.score
    )
    yield _value(
        "health_weighted_score",
        "The score weighted by consequence, 0 to 100; nothing acts upon it.",
        report.weighted.score,
    )
    yield _states("health_status", "The state of the whole.", report.status)
    family = GaugeMetricFamily(
        "hardline_check_status", "The state of each check.", labels=["check", "status"]
    )
    for check in report.checks:
        for status in Status:
            family.add_metric([check.name, status.value], float(check.status is status))
    yield family
    observed = ((each.name, each.observed) for each in report.checks if each.observed is not None)
    yield _gauge("check_observed", "What each check measured.", "check", observed)


def _outlook(outlook: Outlook | None, now: datetime) -> Iterator[Metric]:
    if outlook is None:
        return
    rates = GaugeMetricFamily(
        "hardline_error_budget_burn_rate",
        "How many times faster than allowed misses come, as the newest snapshot says.",
        labels=["objective", "window"],
    )
    for objective, by_window in outlook.burn.items():
        for window, rate in by_window.items():
            rates.add_metric([objective, window], rate)
    yield rates
    left = ((name, (at - now).total_seconds()) for name, at in outlook.exhausted.items())
    yield _gauge("exhausted_in_seconds", "Seconds until it runs out.", "resource", left)


def _workers(observations: Observations, policy: HealthPolicy) -> Iterator[Metric]:
    seconds = observations.workers_seconds
    if seconds is None:
        return
    yield _value("workers_asked_seconds", "Seconds since workers were asked.", seconds)
    if observations.workers is not None and seconds <= policy.trusted_seconds:
        yield _gauge(
            "workers", "Workers that take from a queue.", "queue", observations.workers.items()
        )


def _redis(facts: RedisFacts) -> Iterator[Metric]:
    lengths = ((name, queue.messages) for name, queue in facts.queues.items())
    yield _gauge("queue_messages", "Messages that wait.", "queue", lengths)
    ages = ((name, queue.oldest_seconds) for name, queue in facts.queues.items())
    yield _gauge("queue_oldest_seconds", "Seconds that the oldest waits.", "queue", ages)
    yield _value("unacknowledged_messages", "Messages that workers hold.", facts.unacknowledged)
    yield _value("buffered_markets", "Markets that wait for a batch.", facts.buffered_markets)
    # Counted by Redis: one that was set up again begins at 0, as counters may.
    yield CounterMetricFamily(
        "hardline_deliveries_dropped",
        "Deliveries that found their queue full.",
        facts.deliveries_dropped,
    )
    if facts.adaptive is not None:
        yield from _adaptive(facts.adaptive)
    if facts.tick_seconds is not None:
        yield _value("tick_age_seconds", "Seconds since beat ticked.", facts.tick_seconds)


def _adaptive(counts: AdaptiveCounts) -> Iterator[Metric]:
    decided = ((name, getattr(counts, name)) for name in ("at_once", "batched", "joined", "fixed"))
    yield _gauge(
        "adaptive_changes", "Changes by adaptive windows in up to two hours; what fixed ones sent.",
        "decision", decided,
    )  # fmt: skip
    yield _value("adaptive_wait_seconds", "Their mean adaptive wait.", counts.mean_wait_ms / 1_000)


def _stream(facts: StreamFacts) -> Iterator[Metric]:
    yield _value("stale_markets", "Markets that wait for a valuation.", facts.unvalued_markets)
    yield _value("stale_market_seconds", "Seconds that the first waits.", facts.unvalued_seconds)
    yield _value("dead_letters_new", "Dead letters that wait for a person.", facts.letters_new)
    yield _value("subscribers_suppressed", "Suppressed subscribers.", len(facts.suppressed))
    providers = facts.providers
    silences = ((p.key, p.silence_seconds) for p in providers if p.silence_seconds is not None)
    yield _gauge("provider_silence_seconds", "Seconds since an answer.", "provider", silences)
    opened = ((p.key, float(p.circuit != "closed")) for p in providers)
    yield _gauge("circuit_open", "1 unless its circuit is closed.", "provider", opened)
    risks = ((p.key, p.risk.score) for p in providers if p.risk is not None)
    yield _gauge("provider_risk", "The risk of its next calls, 0 to 1.", "provider", risks)
    plans = [(p.key, plan) for p in providers if (plan := p.plan) is not None]
    yield _gauge(
        "provider_adaptive_interval_seconds",
        "The interval by its plan.",
        "provider",
        ((key, plan.seconds) for key, plan in plans),
    )
    waits = ((key, plan.ratio) for key, plan in plans if plan.ratio is not None)
    yield _gauge(
        "provider_adaptive_wait_ratio",
        "The mean wait of changes by its plan, by that at even intervals.",
        "provider",
        waits,
    )
    left = ((p.key, p.quota_remaining) for p in providers if p.quota_remaining is not None)
    yield _gauge("quota_remaining", "Credits left.", "provider", left)
    silent = facts.books_silent
    books = ((p.key, silent.get(p.key, 0)) for p in providers)
    yield _gauge("books_silent", "Bookmakers that nothing confirms.", "provider", books)


def _counters(total: Counters) -> Iterator[Metric]:
    for name, (label, documentation) in _COUNTERS.items():
        family = CounterMetricFamily(
            f"hardline_{name}", documentation, labels=[label] if label else []
        )
        amounts = total.by_label(name) if label else {"": total.sum(name)}
        for value, amount in sorted(amounts.items()):
            family.add_metric([value] if label else [], amount)
        yield family


def _latency(total: Counters) -> Metric:
    family = HistogramMetricFamily(
        "hardline_change_to_value_seconds",
        "From the commit of a market's oldest change to the commit of its value.",
        labels=["trigger"],
    )
    for trigger in TRIGGERS:
        seconds = total.of("latency_ms", trigger) / 1000
        family.add_metric([trigger], _cumulative(total.latencies(trigger)), sum_value=seconds)
    return family


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [*(f"{bound / 1000:g}" for bound in BOUNDS_MS), "+Inf"]
    return list(zip(bounds, map(float, accumulate(counts)), strict=True))


def _objectives(work: Work, objectives: Sequence[Objective]) -> Iterator[Metric]:
    parts = ((each.name, each.part) for each in objectives)
    yield _gauge("slo_objective", "The part that must be in time.", "objective", parts)
    bounds = ((each.name, each.bound_ms / 1000) for each in objectives)
    yield _gauge("slo_bound_seconds", "The bound of in time.", "objective", bounds)
    rates = GaugeMetricFamily(
        "hardline_slo_burn_rate",
        "How many times faster than allowed the objective is missed.",
        labels=["objective", "window"],
    )
    quantiles = GaugeMetricFamily(
        "hardline_slo_latency_seconds",
        "Change to value, over 1 hour.",
        labels=["objective", "quantile"],
    )
    for each in objectives:
        for window, rate in zip(WINDOWS, each.burn_rates(work), strict=True):
            rates.add_metric([each.name, window], rate)
        for part in QUANTILES:
            value = quantile_ms(each.latencies(work.long), part)
            if value is not None:
                quantiles.add_metric([each.name, f"{part:g}"], value / 1000)
    yield rates
    yield quantiles


def _states(name: str, documentation: str, now: Status) -> Metric:
    pairs = ((status.value, float(status is now)) for status in Status)
    return _gauge(name, documentation, "status", pairs)


def _value(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"hardline_{name}", documentation, value=value)


def _gauge(name: str, documentation: str, label: str, pairs: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"hardline_{name}", documentation, labels=[label])
    for value, amount in pairs:
        family.add_metric([value], amount)
    return family
