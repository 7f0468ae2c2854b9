"""A summary of what happened since a moment, read from the rows written since."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db.models import Count, Max, Model, Q, Sum
from django_celery_results.models import TaskResult

from betting.models import ChangeKind, LineChange, Market
from streaming.models import NOT_REQUESTED, DeadLetterOccurrence, LetterKind, PollOutcome, PollRun
from valuation.models import Edge, RecomputeRun
from valuation.vouching import OPEN, edges


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest row of each table at one moment; those with higher ids came later."""

    poll: int
    change: int
    recompute: int
    edge: int
    result: int
    occurrence: int

    @classmethod
    def now(cls) -> Mark:
        """Return the mark of the present moment."""
        tables = (PollRun, LineChange, RecomputeRun, Edge, TaskResult, DeadLetterOccurrence)
        return cls(*map(_newest, tables))


class Changes(msgspec.Struct, frozen=True):
    """Line changes by kind; ends of events are counted with the suspensions."""

    opened: int
    price: int
    point: int
    suspended: int
    resumed: int


class RunFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The figures that `manage.py run --json` ends with.

    Attributes:
        responses: answers of providers.
        quotes_seen: quotes in them.
        changes: line changes they made.
        recomputes: batches of markets valued.
        markets_recomputed: valuations of a market in those batches.
        markets: markets there are.
        edges_opened: edges found.
        dead_letters: polls and tasks that failed.
        seconds: how long it took.
        lines_left_out: lines of recordings that were not played; absent where all were.
    """

    responses: int
    quotes_seen: int
    changes: Changes
    recomputes: int
    markets_recomputed: int
    markets: int
    edges_opened: int
    dead_letters: int
    seconds: float
    lines_left_out: int = 0


def run_facts(since: Mark, seconds: float) -> RunFacts:
    """Count what came after a mark.

    Args:
        since: the mark.
        seconds: how long ago it was taken.
    """
    polls = _polls(since)
    recomputes = _recomputes(since)
    return RunFacts(
        responses=polls["count"],
        quotes_seen=polls["quotes"],
        changes=_changes(since),
        recomputes=recomputes["count"],
        markets_recomputed=recomputes["markets"],
        markets=Market.objects.count(),
        edges_opened=Edge.objects.filter(id__gt=since.edge).count(),
        dead_letters=polls["failed"] + _failed_tasks(since),
        seconds=round(seconds, 3),
    )


class RecentActivity:
    """The line that shows the pipeline's rates over the last seconds, at a constant cost.

    Args:
        window_seconds: over how long.
    """

    def __init__(self, window_seconds: float = 10.0) -> None:
        self._window_seconds = window_seconds
        self._marks: deque[tuple[float, Mark]] = deque([(time.monotonic(), Mark.now())])

    def line(self) -> str:
        """Return the line, as of now."""
        now = time.monotonic()
        while len(self._marks) > 1 and self._marks[1][0] <= now - self._window_seconds:
            self._marks.popleft()
        since_at, since = self._marks[0]
        self._marks.append((now, Mark.now()))
        seconds = max(now - since_at, 0.001)
        polls = _polls(since)
        return " · ".join(
            (
                f"{polls['count'] / seconds:,.1f} polls/s",
                f"{polls['quotes'] / seconds:,.0f} quotes/s",
                f"{polls['changes'] / seconds:,.0f} changes/s",
                f"{_recomputes(since)['markets'] / seconds:,.0f} recomputes/s",
                f"{edges().filter(OPEN).count():,} open edges",
                f"{polls['failed'] + _failed_tasks(since):,} failures",
            )
        )


def _newest(model: type[Model]) -> int:
    newest: int | None = model._default_manager.aggregate(newest=Max("pk"))["newest"]  # noqa: SLF001 - Django's documented name for it
    return newest or 0


def _polls(since: Mark) -> dict[str, Any]:
    return (
        PollRun.objects.filter(id__gt=since.poll)
        .exclude(outcome__in=NOT_REQUESTED)
        .aggregate(
            count=Count("id"),
            quotes=Sum("quotes_seen", default=0),
            changes=Sum("changes", default=0),
            failed=Count("id", filter=Q(outcome=PollOutcome.FAILED)),
        )
    )


def _changes(since: Mark) -> Changes:
    counts: dict[str, int] = dict(
        LineChange.objects.filter(id__gt=since.change)
        .order_by()
        .values_list("kind")
        .annotate(count=Count("id"))
    )
    return Changes(
        opened=counts.get(ChangeKind.OPENED, 0),
        price=counts.get(ChangeKind.PRICE, 0),
        point=counts.get(ChangeKind.POINT, 0),
        suspended=counts.get(ChangeKind.SUSPENDED, 0) + counts.get(ChangeKind.ENDED, 0),
        resumed=counts.get(ChangeKind.RESUMED, 0),
    )


def _recomputes(since: Mark) -> dict[str, Any]:
    runs = RecomputeRun.objects.filter(id__gt=since.recompute)
    return runs.aggregate(count=Count("id"), markets=Sum("valued", default=0))


def _failed_tasks(since: Mark) -> int:
    """Count failed tasks: each leaves a dead letter, or a result where those are switched off."""
    letters = DeadLetterOccurrence.objects.filter(id__gt=since.occurrence)
    results = TaskResult.objects.filter(id__gt=since.result, status="FAILURE")
    # A payload that could not be read is a failed poll, and counted as one.
    return letters.exclude(kind=LetterKind.PAYLOAD).count() + results.count()
