"""The admin's page on the health of the whole, as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.timezone import localtime

from betting.admin_base.formatting import ABSENT
from betting.admin_base.read_only import Table
from betting.config import get_config
from streaming.core.durations import spoken
from streaming.core.health import Check, Status
from streaming.health.checks import worst_group
from streaming.health.judges.common import counted
from streaming.health.judges.processes import trusted_seconds
from streaming.health.observations import Away, Observations
from streaming.health.report import HealthReport, build_report
from streaming.health.servers import RedisFacts
from streaming.health.stream import StreamFacts

NOT_RECORDED = "not recorded"

_WORDS = {
    Status.PASS: "well",
    Status.WARN: "warning",
    Status.UNKNOWN: "not known",
    Status.FAIL: "failing",
}


def page(request: HttpRequest) -> HttpResponse:
    """Render the status, what is wrong and what to do. `admin_view` checks the permission."""
    config = get_config()
    report = build_report(config)
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "report": report,
        "words": _WORDS[report.status],
        "worst_group": None if report.status is Status.PASS else worst_group(report.checks),
        "trend": _trend(report.trend),
        "tables": list(_tables(report)),
        "flower_url": _beside(request, config.web.flower_port),
    }
    return TemplateResponse(request, "streaming/health.html", context)


def _tables(report: HealthReport) -> Iterator[Table]:
    checks = sorted(report.checks, key=lambda check: -check.status.severity)
    headers = ("check", "status", "observed", "limits", "since", "what to do")
    yield Table("Checks", headers, [_check(check) for check in checks])
    if not isinstance(report.observations.stream, Away):
        yield _providers(report.observations.stream)
    if not isinstance(report.observations.redis, Away):
        yield _queues(report.observations.redis, report, trusted_seconds(get_config().health))


def _check(check: Check) -> tuple[str, ...]:
    return (
        check.name.replace("_", " "),
        check.status.value,
        check.detail,
        check.limits,
        since(check),
        "" if check.status is Status.PASS else check.runbook,
    )


def _providers(facts: StreamFacts) -> Table:
    headers = ("provider", "circuit", "since", "why", "answered", "silent bookmakers", "credits")
    rows = [
        (
            each.key,
            each.circuit.replace("_", "-"),
            NOT_RECORDED if each.circuit_since is None else _moment(each.circuit_since),
            "" if each.circuit == "closed" else each.reason,
            ago(each.silence_seconds),
            facts.books_silent.get(each.key, 0),
            _number(each.quota_remaining),
        )
        for each in facts.providers
    ]
    return Table("Providers and circuits", headers, rows, numbers=frozenset(headers[5:]))


def _queues(facts: RedisFacts, report: HealthReport, trusted: float) -> Table:
    headers = ("queue", "messages", "the oldest waits", "workers")
    rows = [
        (
            name,
            queue.messages,
            spoken(queue.oldest_seconds) if queue.messages else ABSENT,
            _workers(report.observations, name, trusted),
        )
        for name, queue in facts.queues.items()
    ]
    busy = counted(facts.unacknowledged, "message is", "messages are")
    note = f"{busy} in countdown or at work. {_asked(report.observations)}"
    return Table("Queues", headers, rows, numbers=frozenset(headers[1:]), note=note)


def _workers(observations: Observations, queue: str, trusted: float) -> object:
    """Return the number of a queue's workers; the last one known if they were not asked lately."""
    if (
        observations.workers is None
        or observations.workers_seconds is None
        or queue not in observations.workers
    ):
        return "not known"
    count = observations.workers[queue]
    is_old = observations.workers_seconds > trusted
    return f"not known; {count} were {ago(observations.workers_seconds)}" if is_old else count


def _asked(observations: Observations) -> str:
    if observations.workers_seconds is None:
        return "The workers were never asked."
    return f"The workers were last asked {ago(observations.workers_seconds)}."


def _trend(points: float | None) -> str:
    return "No trend yet." if points is None else f"{points:+.1f} points an hour lately."


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def ago(seconds: float | None) -> str:
    """Return how long ago something was, in words; "never" for None."""
    return "never" if seconds is None else f"{spoken(seconds)} ago"


def since(check: Check) -> str:
    """Return since when a check has had its status, as far as that is recorded."""
    if check.since is None:
        return NOT_RECORDED
    return f"{_moment(check.since)}{' or earlier' if check.may_be_earlier else ''}"


def _moment(at: datetime) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")


def _beside(request: HttpRequest, port: int) -> str:
    """Return the address of another server on the host of the request."""
    host, colon, digits = request.get_host().rpartition(":")
    name = host if colon and digits.isdecimal() else request.get_host()
    return f"http://{name}:{port}/"
