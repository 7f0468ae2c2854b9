"""Patterns of letters: clusters of rows, with what changed shortly before each began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, Min, Q, QuerySet, Sum

from betting.db.sessions import sessions_alias
from betting.models import SettingChange
from streaming.core.letter_clusters import (
    Failure,
    LetterCluster,
    LetterGroup,
    clusters,
    failure_of,
)
from streaming.core.letter_headings import runbook_heading
from streaming.core.texts import one_line
from streaming.models import CircuitTransition, DeadLetter

BEFORE = timedelta(minutes=30)
"""The time before a pattern began in which a change is shown with it."""
MAX_CHANGES = 5
"""The changes that are shown with a pattern: the last ones before it began."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was changed, or changed by itself.

    Attributes:
        what: "setting", "circuit", "migration" or "admin".
        words: what it is now, and who changed it.
    """

    at: datetime
    what: str
    words: str


@dataclass(frozen=True, slots=True)
class Patterns:
    """The most frequent patterns.

    Attributes:
        shown: the most frequent first.
        found: how many there are in all.
        failures: how many failures there are in all.
    """

    shown: tuple[Pattern, ...]
    found: int
    failures: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A cluster of letters.

    Attributes:
        failure: the most frequent one of it.
        tasks, providers: those of its letters, sorted.
        heading: of docs/runbook.md.
        changes: those shortly before it began, the last one first.
    """

    cluster: LetterCluster
    failure: Failure
    tasks: tuple[str, ...]
    providers: tuple[str, ...]
    heading: str
    changes: tuple[Change, ...]


def patterns(letters: QuerySet[DeadLetter], limit: int) -> Patterns:
    """Return the most frequent patterns of the letters.

    The database adds up letters that differ in their arguments alone; the others are read one by
    one, so that no more than a part of their tracebacks is in memory.
    """
    rows = (
        letters.order_by()
        .values("kind", "task", "provider", "exception", "message", "traceback", "fingerprint")
        .annotate(times=Sum("count"), first=Min("first_seen"), last=Max("last_seen"))
    )
    groups: list[LetterGroup] = []
    about: dict[tuple[str, Failure], Counter[tuple[str, str, str]]] = {}
    for row in rows.using(sessions_alias()).iterator(chunk_size=100):
        failure = failure_of(row["exception"], row["message"], row["traceback"])
        groups.append(
            LetterGroup(failure, row["fingerprint"], row["times"], row["first"], row["last"])
        )
        of = about.setdefault((row["fingerprint"], failure), Counter())
        of[row["kind"], row["task"], row["provider"]] += row["times"]
    found = clusters(groups)
    shown = found[:limit]
    changes = changes_before([cluster.first_seen for cluster in shown])
    return Patterns(
        shown=tuple(_pattern(cluster, about, changes) for cluster in shown),
        found=len(found),
        failures=sum(group.count for group in groups),
    )


def changes_before(moments: Sequence[datetime]) -> list[Change]:
    """Return what changed within `BEFORE` of any of the moments; four statements."""
    if not moments:
        return []
    return [
        *(
            Change(row.changed_at, "setting", _said(f"{row} by {row.changed_by}", row.reason))
            for row in SettingChange.objects.filter(_before("changed_at", moments))
        ),
        *(
            Change(row.at, "circuit", _said(f"{_circuit(row)}: {row}", row.reason, row.actor))
            for row in CircuitTransition.objects.filter(_before("at", moments)).select_related(
                "provider"
            )
        ),
        *(
            Change(row.applied, "migration", f"{row.app}.{row.name}")
            for row in MigrationRecorder.Migration.objects.filter(_before("applied", moments))
        ),
        *(
            Change(row.action_time, "admin", _said(f"{row.user}: {row}"))
            for row in LogEntry.objects.filter(_before("action_time", moments)).select_related(
                "user", "content_type"
            )
        ),
    ]


def _pattern(
    cluster: LetterCluster,
    about: dict[tuple[str, Failure], Counter[tuple[str, str, str]]],
    changes: Iterable[Change],
) -> Pattern:
    parts: Counter[tuple[str, str, str]] = Counter()
    for key in dict.fromkeys((group.fingerprint, group.failure) for group in cluster.groups):
        parts.update(about[key])
    kind = min(parts, key=lambda part: (-parts[part], part))[0]
    failure = cluster.groups[0].failure
    start = cluster.first_seen
    near = [change for change in changes if start - BEFORE <= change.at <= start]
    near.sort(key=lambda change: (change.at, change.what, change.words), reverse=True)
    return Pattern(
        cluster=cluster,
        failure=failure,
        tasks=tuple(sorted({task for _, task, _ in parts if task})),
        providers=tuple(sorted({provider for _, _, provider in parts if provider})),
        heading=runbook_heading(kind, failure.exception, failure.message),
        changes=tuple(near[:MAX_CHANGES]),
    )


def _before(field: str, moments: Iterable[datetime]) -> Q:
    any_of = Q()
    for moment in moments:
        any_of |= Q(**{f"{field}__range": (moment - BEFORE, moment)})
    return any_of


def _circuit(row: Any) -> str:
    return f"{row.provider.key} {row.feed}".strip()


def _said(*parts: str) -> str:
    return one_line(", ".join(filter(None, parts)))
