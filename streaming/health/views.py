"""Health on the web: for load balancers, for Prometheus, and for people."""

from __future__ import annotations

import hmac
from functools import partial

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from betting.config import get_config
from streaming.core.health import Status
from streaming.health.metrics import CONTENT_TYPE, exposition
from streaming.health.observations import Away
from streaming.health.readiness import unready
from streaming.health.report import HealthReport, build_report, details, summary

UNAVAILABLE = 503

_health_json = partial(JsonResponse, content_type="application/health+json")


@never_cache
@require_safe
def live(_request: HttpRequest) -> HttpResponse:
    """Answer that this process is up; nothing else is checked, so that nothing else restarts it."""
    return _health_json({"status": "pass"})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> HttpResponse:
    """Answer whether this process can serve."""
    reasons = unready(get_config())
    if reasons:
        return _health_json({"status": "fail", "notes": reasons}, status=UNAVAILABLE)
    return _health_json({"status": "pass"})


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answer with the health of the whole; with details for staff and for requests with the token.

    Everybody sees whether a server is away, and which checks are not known (yet): that is what the
    answer is asked for.
    """
    report = build_report(get_config())
    is_trusted = _bears_token(request) or _is_staff(request, report)
    body = (
        details(report)
        if is_trusted
        else {**summary(report), "notes": [*_away(report), *_not_known(report)]}
    )
    is_well = report.status in {Status.PASS, Status.WARN}
    return _health_json(body, status=200 if is_well else UNAVAILABLE)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics for Prometheus; if a token is set, only to requests with it."""
    config = get_config()
    if config.health_token is not None and not _bears_token(request):
        refused = HttpResponse("a bearer token is needed\n", "text/plain", status=401)
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    report = build_report(config)
    away = _away(report)
    reasons = "".join(f"# {reason}\n" for reason in away).encode()
    body = exposition(report, config.health) + reasons
    return HttpResponse(body, CONTENT_TYPE, status=UNAVAILABLE if away else 200)


def _away(report: HealthReport) -> list[str]:
    servers = (report.observations.stream, report.observations.redis)
    names = ("PostgreSQL", "Redis")
    return [
        f"{name}: {server.reason}"
        for name, server in zip(names, servers, strict=True)
        if isinstance(server, Away)
    ]


def _not_known(report: HealthReport) -> list[str]:
    """Name the checks that are not known; none while a server is away, which is said instead."""
    names = ", ".join(report.unknown)
    if not names or _away(report):
        return []
    is_starting = any(check.is_starting for check in report.checks)
    return [
        f"The system is starting. Not known yet: {names}."
        if is_starting
        else f"Not known: {names}."
    ]


def _bears_token(request: HttpRequest) -> bool:
    token = get_config().health_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())


def _is_staff(request: HttpRequest, report: HealthReport) -> bool:
    """Return True if a staff member is logged in, which only a database that answers can say."""
    return (
        not isinstance(report.observations.stream, Away)
        and request.user.is_active
        and request.user.is_staff
    )
