"""Printing patterns of dead letters for the `deadletters` command."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.serializers.json import DjangoJSONEncoder

from streaming.core.texts import escaped, one_line
from streaming.dead_letters.patterns import Pattern, Patterns
from streaming.runner.tables import shown_time


def text(out: OutputWrapper, found: Patterns) -> None:
    """Print a paragraph for each pattern."""
    for pattern in found.shown:
        for line in _lines(pattern):
            out.write(escaped(line))
        out.write("")
    out.write(f"{found.found:,} clusters of {found.failures:,} failures")


def as_json(found: Patterns) -> str:
    """Return the patterns as one line of JSON."""
    document = {
        "clusters": [_fields(pattern) for pattern in found.shown],
        "found": found.found,
        "failures": found.failures,
    }
    return json.dumps(document, cls=DjangoJSONEncoder)


def _lines(pattern: Pattern) -> list[str]:
    cluster = pattern.cluster
    return [
        f"{cluster.key}  {_title(pattern)}",
        f"  failures      {cluster.count:,}, {cluster.per_hour:,.1f} an hour",
        f"  seen          {shown_time(cluster.first_seen)} – {shown_time(cluster.last_seen)}",
        f"  fingerprints  {len(cluster.fingerprints):,}: {_some(cluster.fingerprints)}",
        *(f"  {name:12}  {_some(values)}" for name, values in _about(pattern) if values),
        f"  runbook       {pattern.heading}",
        *(
            f"  before        {shown_time(change.at)} {change.what}: {change.words}"
            for change in pattern.changes
        ),
    ]


def _about(pattern: Pattern) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("tasks", pattern.tasks),
        ("providers", pattern.providers),
        ("raised in", pattern.failure.frames[-1:]),
    ]


def _title(pattern: Pattern) -> str:
    failure = pattern.failure
    return one_line(": ".join(filter(None, (failure.exception, failure.message)))) or "(no message)"


def _some(values: tuple[str, ...], most: int = 4) -> str:
    more = len(values) - most
    return ", ".join(values[:most]) + (f" and {more:,} more" if more > 0 else "")


def _fields(pattern: Pattern) -> dict[str, Any]:
    cluster = pattern.cluster
    return {
        "cluster": cluster.key,
        "exception": pattern.failure.exception,
        "message": pattern.failure.message,
        "frames": pattern.failure.frames,
        "failures": cluster.count,
        "per_hour": round(cluster.per_hour, 3),
        "first_seen": cluster.first_seen,
        "last_seen": cluster.last_seen,
        "fingerprints": cluster.fingerprints,
        "tasks": pattern.tasks,
        "providers": pattern.providers,
        "runbook": pattern.heading,
        "changes_before": [
            {"at": change.at, "what": change.what, "words": change.words}
            for change in pattern.changes
        ],
    }
