"""The measurement of a window: the rows that were written in it, and samples of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, QuerySet, Sum

from betting.models import LineChange, Market, Provider
from streaming.benchmark.aggregates import Usages, distribution, process_figures
from streaming.benchmark.baseline import (
    BacklogFigures,
    Baseline,
    Cycles,
    Deliveries,
    Distribution,
    Failures,
    ProcessFigures,
    ProviderFigures,
    Recomputes,
)
from streaming.models import (
    NOT_REQUESTED,
    Circuit,
    CircuitTransition,
    DeadLetterOccurrence,
    DeliveryOutcome,
    DeliveryRun,
    PollOutcome,
    PollRun,
)
from streaming.runner.backlog import Backlog
from valuation.models import RecomputeRun


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, by the database's clock.

    Attributes:
        since: its beginning.
        until: its end.
    """

    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        """The length of the window, in seconds."""
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class Sample:
    """The state at one moment that no row records: queues and processes.

    Attributes:
        backlog: what is left to do.
        processes: program → its processes.
    """

    backlog: Backlog
    processes: Mapping[str, Usages]


def measure(
    window: Window, samples: Sequence[Sample], *, overdue_after_ms: int, label: str = ""
) -> Baseline:
    """Measure a window.

    Args:
        window: no older than the retention, so that its rows are still there.
        samples: taken in it.
        overdue_after_ms: a market that waits for its value longer than this is left unvalued.
        label: its name, for people.
    """
    polls = _of(PollRun.objects.exclude(outcome__in=NOT_REQUESTED), "started_at", window)
    recomputes = _of(RecomputeRun.objects.all(), "finished_at", window)
    changes = _counted(_of(LineChange.objects.all(), "recorded_at", window), "kind")
    runs = _recomputes(recomputes, sum(changes.values()))
    deliveries = _deliveries(window)
    return Baseline(
        label=label,
        since=window.since,
        seconds=window.seconds,
        cycles=_cycles(polls),
        changes=changes,
        providers=dict(_providers(window)),
        recomputes=runs,
        failures=Failures(
            _of(DeadLetterOccurrence.objects.all(), "seen_at", window).count(),
            polls.count() + sum(runs.messages.values()) + deliveries.delivered + deliveries.failed,
        ),
        deliveries=deliveries,
        backlog=_backlog(samples),
        processes=dict(_processes(samples)),
        markets=Market.objects.count(),
        overdue_markets=_overdue(window.until - timedelta(milliseconds=overdue_after_ms)),
    )


def _of(rows: QuerySet[Any], column: str, window: Window) -> QuerySet[Any]:
    return rows.filter(**{f"{column}__gte": window.since, f"{column}__lt": window.until}).order_by()


def _counted(rows: QuerySet[Any], column: str) -> dict[str, int]:
    return dict(sorted(rows.values_list(column).annotate(count=Count("pk"))))


def _spread(rows: QuerySet[Any], column: str) -> Distribution:
    return distribution(list(rows.exclude(**{column: None}).values_list(column, flat=True)))


def _cycles(polls: QuerySet[Any]) -> Cycles:
    ends = polls.aggregate(first=Min("started_at"), last=Max("started_at"))
    return Cycles(
        duration_ms=_spread(polls, "duration_ms"),
        quotes=_spread(polls, "quotes_seen"),
        changes=_spread(polls, "changes"),
        polling_seconds=(ends["last"] - ends["first"]).total_seconds() if ends["last"] else 0.0,
    )


def _providers(window: Window) -> Iterator[tuple[str, ProviderFigures]]:
    circuits = dict(Circuit.objects.values_list("provider_id", "state"))
    for provider in Provider.objects.order_by("key"):
        polls = _of(PollRun.objects.filter(provider=provider), "started_at", window)
        asked = polls.exclude(outcome__in=NOT_REQUESTED)
        failed = asked.filter(outcome=PollOutcome.FAILED)
        transitions = _of(
            CircuitTransition.objects.filter(provider=provider, feed=""), "recorded_at", window
        )
        yield (
            provider.key,
            ProviderFigures(
                calls=asked.count(),
                failures=failed.count(),
                refused=polls.filter(outcome=PollOutcome.REFUSED).count(),
                latency_ms=_spread(asked, "duration_ms"),
                failure_codes=_counted(failed, "failure_code"),
                circuit=circuits.get(provider.pk, "closed"),
                transitions=dict(
                    Counter(
                        f"{before} → {after}"
                        for before, after in transitions.values_list("from_state", "to_state")
                    )
                ),
            ),
        )


def _recomputes(runs: QuerySet[Any], changes: int) -> Recomputes:
    sums = runs.aggregate(asked=Sum("markets", default=0), valued=Sum("valued", default=0))
    return Recomputes(
        messages=_counted(runs, "trigger"),
        markets_asked=sums["asked"],
        markets_valued=sums["valued"],
        changes_per_recompute=changes / sums["asked"] if sums["asked"] else None,
        duration_ms=_spread(runs, "duration_ms"),
        change_to_value_ms=_spread(runs, "latency_ms_max"),
    )


def _deliveries(window: Window) -> Deliveries:
    counts = _counted(_of(DeliveryRun.objects.all(), "started_at", window), "outcome")
    return Deliveries(
        delivered=counts.get(DeliveryOutcome.DELIVERED, 0),
        failed=counts.get(DeliveryOutcome.FAILED, 0),
        held=counts.get(DeliveryOutcome.HELD, 0),
    )


def _backlog(samples: Sequence[Sample]) -> BacklogFigures:
    backlogs = [sample.backlog for sample in samples]
    return BacklogFigures(
        stale_markets=distribution([each.unvalued_markets for each in backlogs]),
        buffered_markets=distribution([each.buffered_markets for each in backlogs]),
        queued_messages=distribution([each.queued_messages for each in backlogs]),
        unacknowledged_messages=distribution([each.unacknowledged_messages for each in backlogs]),
    )


def _processes(samples: Sequence[Sample]) -> Iterator[tuple[str, ProcessFigures]]:
    for program in sorted({name for sample in samples for name in sample.processes}):
        seen = [sample.processes[program] for sample in samples if program in sample.processes]
        yield program, process_figures(seen)


def _overdue(before: datetime) -> int:
    stale = Market.objects.exclude(version=F("valued_version"))
    return stale.filter(dirty_at__lt=before).count()
