"""Printing providers and their polls for the `provider` command."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.management.base import OutputWrapper
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import OuterRef, QuerySet, Subquery
from django.forms.models import model_to_dict

from betting.models import Provider
from streaming.core.texts import escaped
from streaming.management.feed_report import feeds, feeds_of
from streaming.models import Circuit, CircuitTransition, FeedCircuit, PollRun
from streaming.runner.tables import shown_time, write_table

POLLS_SHOWN = 10
TRANSITIONS_SHOWN = 20
_POLL_FIELDS = (
    "started_at", "feed", "outcome", "http_status", "duration_ms", "quotes_seen", "changes",
    "left_out", "left_out_reasons", "texts_cleaned", "quota_remaining",
    "failure_kind", "failure_code", "failure_message", "failure_advice",
)  # fmt: skip
_STATE = [
    "state", "mode", "since", "failures", "recent", "step", "retry_at", "probe_until",
    "pause_until", "successes", "reason", "advice",
]  # fmt: skip


def listing(out: OutputWrapper, providers: QuerySet[Provider], *, as_json: bool) -> None:
    """Print one line per provider."""
    failing = FeedCircuit.objects.filter(provider=OuterRef("pk"), state="open").order_by()
    newest = PollRun.objects.filter(provider=OuterRef("pk")).order_by("-id")
    rows = providers.annotate(
        polled_at=Subquery(newest.values("started_at")[:1]),
        outcome=Subquery(newest.values("outcome")[:1]),
        failing_feeds=ArraySubquery(failing.values("feed")),
    )
    if as_json:
        _write_json(
            out,
            [
                {
                    **_fields(row),
                    "last_poll_at": row.polled_at,
                    "last_outcome": row.outcome,
                    "failing_feeds": row.failing_feeds,
                }
                for row in rows
            ],
        )
        return
    write_table(
        out,
        (
            "provider",
            "adapter",
            "enabled",
            "every",
            "sports",
            "last poll",
            "outcome",
            "quota left",
            "failing feeds",
        ),
        [
            (
                row.key,
                row.adapter,
                "yes" if row.enabled else "no",
                f"{row.interval_seconds:g} s",
                ", ".join(row.sports),
                shown_time(row.polled_at),
                row.outcome or "",
                _number(row.quota_remaining),
                ", ".join(row.failing_feeds),
            )
            for row in rows
        ],
    )


def details(out: OutputWrapper, provider: Provider, *, as_json: bool) -> None:
    """Print everything about one provider."""
    runs = PollRun.objects.filter(provider=provider).order_by("-id")[:POLLS_SHOWN]
    if as_json:
        polled = list(runs.values(*_POLL_FIELDS))
        _write_json(out, {**_fields(provider), "feeds": feeds_of(provider), "polls": polled})
        return
    write_table(out, ("setting", "value"), [(k, _words(v)) for k, v in _fields(provider).items()])
    feeds(out, feeds_of(provider))
    polls(out, runs)


def polls(out: OutputWrapper, runs: Iterable[PollRun]) -> None:
    """Print one line per request, and failures in full below."""
    write_table(
        out,
        (
            "started",
            "feed",
            "outcome",
            "HTTP",
            "took",
            "quotes",
            "changes",
            "left out",
            "quota left",
        ),
        [
            (
                shown_time(run.started_at),
                run.feed,
                run.failure_code or run.outcome,
                _number(run.http_status),
                f"{run.duration_ms:,.0f} ms",
                f"{run.quotes_seen:,}",
                f"{run.changes:,}",
                f"{run.left_out:,}",
                _number(run.quota_remaining),
            )
            for run in runs
        ],
    )
    for run in runs:
        if run.failure_message:
            words = (f"{run.failure_kind} failure: {run.failure_message}", run.failure_advice)
            out.write(escaped(" ".join(filter(None, words))))
        for each in run.left_out_reasons:
            place = f"{each['message']} (at {each['place']}) in {run.feed}"
            out.write(escaped(f"{each['count']:,} left out, {each['reason']}: {place}"))


def circuits(out: OutputWrapper, rows: QuerySet[Circuit], *, as_json: bool) -> None:
    """Print one line per circuit."""
    if as_json:
        listed = [
            {
                "provider": row.provider.key,
                **model_to_dict(row, _STATE),
                "feeds": feeds_of(row.provider),
            }
            for row in rows
        ]
        _write_json(out, listed)
        return
    write_table(
        out,
        (
            "provider",
            "state",
            "mode",
            "since",
            "next probe",
            "paused until",
            "failures",
            "why",
            "to do",
        ),
        [
            (
                row.provider.key,
                row.get_state_display(),
                row.get_mode_display(),
                shown_time(row.since),
                shown_time(row.retry_at),
                shown_time(row.pause_until),
                _number(row.failures),
                row.reason,
                row.advice,
            )
            for row in rows
        ],
    )


def transitions(out: OutputWrapper, provider: Provider) -> None:
    """Print the latest changes of a provider's circuit, newest first."""
    rows = CircuitTransition.objects.filter(provider=provider).order_by("-id")[:TRANSITIONS_SHOWN]
    write_table(
        out,
        ("at", "feed", "from", "to", "mode", "why", "who"),
        [
            (
                shown_time(row.at),
                row.feed,
                row.get_from_state_display(),
                row.get_to_state_display(),
                row.get_mode_display(),
                row.reason,
                row.actor or "the calls",
            )
            for row in rows
        ],
    )


def _fields(provider: Provider) -> dict[str, Any]:
    fields = model_to_dict(provider, exclude=["id"])
    return {**fields, "created_at": provider.created_at}


def _write_json(out: OutputWrapper, value: object) -> None:
    out.write(json.dumps(value, cls=DjangoJSONEncoder, indent=2))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _words(value: object) -> str:
    if isinstance(value, datetime):
        return shown_time(value)
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value)
