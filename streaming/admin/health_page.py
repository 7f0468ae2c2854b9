"""The admin's page on the state of the whole, as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import date_format

from betting.admin.facts import Table
from betting.config import get_config
from streaming.core.health import Check, Status
from streaming.health.report import Report, report
from streaming.health.seen import Away
from streaming.health.servers import RedisFacts
from streaming.health.stream import StreamFacts

_WORDS = {
    Status.PASS: "well",
    Status.WARN: "to be watched",
    Status.UNKNOWN: "not known",
    Status.FAIL: "failing",
}


def page(request: HttpRequest) -> HttpResponse:
    """How the whole is, what is wrong and what to do; for whom, is `admin_view`'s to say."""
    config = get_config()
    told = report(config)
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "report": told,
        "words": _WORDS[told.status],
        "trend": _trend(told.trend),
        "tables": list(_tables(told)),
        "flower_url": _beside(request, config.web.flower_port),
    }
    return TemplateResponse(request, "streaming/health.html", context)


def _tables(told: Report) -> Iterator[Table]:
    checks = sorted(told.checks, key=lambda check: -check.status.severity)
    headers = ("check", "status", "what was seen", "limits", "since", "what to do")
    yield Table("Checks", headers, [_check(check) for check in checks])
    if not isinstance(told.seen.stream, Away):
        yield _providers(told.seen.stream)
    if not isinstance(told.seen.redis, Away):
        yield _queues(told.seen.redis, told)


def _check(check: Check) -> tuple[str, ...]:
    return (
        check.name.replace("_", " "),
        check.status.value,
        check.detail,
        check.limits,
        _moment(check.since),
        "" if check.status is Status.PASS else check.runbook,
    )


def _providers(facts: StreamFacts) -> Table:
    headers = ("provider", "circuit", "why", "s since its answer", "silent bookmakers", "credits")
    rows = [
        (
            each.key,
            each.circuit.replace("_", "-"),
            "" if each.circuit == "closed" else each.reason,
            _number(each.silence_seconds),
            facts.books_silent.get(each.key, 0),
            _number(each.quota_remaining),
        )
        for each in facts.providers
    ]
    return Table("Providers and circuits", headers, rows, numbers=frozenset(headers[3:]))


def _queues(facts: RedisFacts, told: Report) -> Table:
    headers = ("queue", "messages", "s the oldest waits", "workers")
    workers = told.seen.workers or {}
    rows = [
        (name, queue.messages, _number(queue.oldest_seconds), workers.get(name, "–"))
        for name, queue in facts.queues.items()
    ]
    note = f"{facts.unacknowledged:,} messages are in countdown or being worked on."
    return Table("Queues", headers, rows, numbers=frozenset(headers[1:]), note=note)


def _trend(points: float | None) -> str:
    return "No trend yet." if points is None else f"{points:+.1f} points an hour lately."


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _moment(at: datetime | None) -> str:
    return "" if at is None else date_format(at, "DATETIME_FORMAT")


def _beside(request: HttpRequest, port: int) -> str:
    """The address of another server on the host that was asked."""
    host, colon, digits = request.get_host().rpartition(":")
    name = host if colon and digits.isdecimal() else request.get_host()
    return f"http://{name}:{port}/"
