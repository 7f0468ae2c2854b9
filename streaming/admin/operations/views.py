"""The dashboard and the health view, their updates, and the commands on their buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import (
    condition,
    conditional_page,
    require_http_methods,
    require_POST,
    require_safe,
)

from betting.admin_base.action_forms import ReasonForm
from betting.admin_base.formatting import ABSENT
from betting.config import get_config
from betting.db.clock import database_now
from betting.models import Provider
from betting.web import documents
from betting.words import MINUS
from streaming.admin.circuits import override
from streaming.admin.operations import history
from streaming.admin.operations.outlook import outlook_lines
from streaming.admin.operations.providers import Card, cards
from streaming.admin.operations.sentence import checked_at, sentence
from streaming.core.breaker import Command
from streaming.core.durations import spoken
from streaming.core.health import Check, Status
from streaming.health.checks import worst_group
from streaming.health.observations import Away, Observations
from streaming.health.report import HealthReport, build_report
from streaming.models import DeadLetter, FeedCircuit, HealthSnapshot, LetterStatus
from streaming.polling import feed_circuits
from streaming.polling.circuits import unhealthy_circuits
from streaming.polling.poll import make_due

View = Callable[..., HttpResponse]

SEES, OVERRIDES, POLLS = (
    "streaming.view_healthsnapshot",
    "streaming.change_circuit",
    "betting.change_provider",
)
"""The permissions to see health, to override circuits, and to poll."""

_COMMANDS: dict[Command, tuple[str, str]] = {
    "open": (
        "Open the circuit",
        "No call is made until somebody resets it, and the provider's prices leave the board.",
    ),
    "close": ("Hold the circuit closed", "Every call passes until somebody resets it."),
    "reset": ("Reset the circuit", "It closes, forgets what it has counted, and acts by itself."),
}
"""Command → its title, and what it does."""


def for_operators(view: View) -> View:
    """Return the view for staff who may see health; others are refused, or have to log in."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not admin.site.has_permission(request):
            if request.headers.get("HX-Request"):
                # A page that updates itself has to be loaded again, which leads to the login.
                return HttpResponse(status=401, headers={"HX-Refresh": "true"})
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not request.user.has_perm(SEES):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@require_safe
@for_operators
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Render the health view."""
    context = {
        **admin.site.each_context(request),
        **_now(request),
        **_history(),
        "title": "Health",
        "is_brief": False,
    }
    return render(request, "streaming/operations/health.html", context)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the admin's first page: the health in brief, for those who may see it.

    Unfold calls this, by the setting DASHBOARD_CALLBACK.
    """
    if not request.user.has_perm(SEES):
        return context
    return {**context, **_now(request), **_history(), "title": "Dashboard", "is_brief": True}


@require_safe
@for_operators
@cache_control(private=True, no_cache=True)
@conditional_page
def now_part(request: HttpRequest) -> HttpResponse:
    """Render what is read at the moment of the request; 304 where nothing has changed."""
    context = {**_now(request), "is_update": True, "is_brief": _is_brief(request)}
    return render(request, "streaming/operations/now.html", context)


def _newest_snapshot(request: HttpRequest) -> str:
    """Return the ETag of what the snapshots say: it changes with each, and with each minute."""
    newest = HealthSnapshot.objects.order_by("-id").values_list("id", flat=True).first()
    return f'"{newest or 0}-{timezone.now():%H%M}-{int(_is_brief(request))}"'


@require_safe
@for_operators
@cache_control(private=True, no_cache=True)
@condition(etag_func=_newest_snapshot)
def history_part(request: HttpRequest) -> HttpResponse:
    """Render what the snapshots of the past hours say; 304 where there is no new one."""
    context = {**_history(), "is_update": True, "is_brief": _is_brief(request)}
    return render(request, "streaming/operations/history.html", context)


@require_POST
@for_operators
@never_cache
def poll_now(request: HttpRequest, provider_id: int) -> HttpResponse:
    """Have a provider polled by the next tick."""
    _require(request, POLLS)
    provider = get_object_or_404(Provider, pk=provider_id)
    refuses = unhealthy_circuits(get_config()).filter(provider=provider).exists()
    if not provider.enabled:
        messages.error(request, f"{provider.key} is disabled: enable it first.")
    elif refuses:
        messages.error(request, f"The circuit of {provider.key} refuses polls: reset it first.")
    else:
        make_due(provider)
        messages.success(request, f"{provider.key} is due now; the next tick polls it.")
    return redirect("health_page")


@require_http_methods(["GET", "POST"])
@for_operators
@never_cache
def command(request: HttpRequest, provider_id: int, name: str) -> HttpResponse:
    """Override a provider's circuit, after asking why."""
    _require(request, OVERRIDES)
    if name not in _COMMANDS:
        raise Http404
    provider = get_object_or_404(Provider, pk=provider_id)
    given: Command = name
    title, consequence = _COMMANDS[given]

    def act(reason: str) -> None:
        override([provider], given, reason, request.user.get_username())

    return _asked(request, f"{title} of {provider.key}", consequence, act)


@require_http_methods(["GET", "POST"])
@for_operators
@never_cache
def reset_feed(request: HttpRequest, circuit_id: int) -> HttpResponse:
    """Reset a feed's circuit, after asking why."""
    _require(request, OVERRIDES)
    feed = get_object_or_404(FeedCircuit.objects.select_related("provider"), pk=circuit_id)

    def act(reason: str) -> None:
        by = request.user.get_username()
        feed_circuits.reset(feed.provider, reason, by, database_now(), feed.feed)

    consequence = "Its circuit closes, and the next poll asks for it."
    return _asked(request, f"Ask {feed.provider.key} for {feed.feed} again", consequence, act)


def _asked(
    request: HttpRequest, title: str, consequence: str, act: Callable[[str], None]
) -> HttpResponse:
    """Act and return to the health view if a reason was entered; otherwise ask for it."""
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        act(form.cleaned_data["reason"])
        messages.success(request, f"{title}: done.")
        return redirect("health_page")
    context = {
        **admin.site.each_context(request),
        "title": title,
        "consequence": consequence,
        "form": form,
    }
    return render(request, "streaming/operations/command.html", context)


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _is_brief(request: HttpRequest) -> bool:
    return "brief" in request.GET


@dataclass(frozen=True, slots=True)
class CheckCard:
    """A check that does not pass, with the runbook's text about it.

    Attributes:
        check: the check.
        tone: its colour.
        words: its status in words.
        what_to_do: the runbook's section; None where this installation has no runbook.
        more: a section that this one refers to first.
        address: the section's address.
    """

    check: Check
    tone: str
    words: str
    what_to_do: documents.Section | None
    more: documents.Section | None
    address: str


_WORDS = {Status.WARN: "warning", Status.UNKNOWN: "not known", Status.FAIL: "failing"}


def _check_cards(report: HealthReport) -> Iterator[CheckCard]:
    wrong = [check for check in report.checks if check.status is not Status.PASS]
    for check in sorted(wrong, key=lambda check: -check.status.severity):
        found = documents.section(check.runbook)
        yield CheckCard(
            check=check,
            tone="warn" if check.status is Status.WARN else "bad",
            words="starting" if check.is_starting else _WORDS[check.status],
            what_to_do=found,
            more=None if found is None else documents.referred_to(found),
            address=documents.address(check.runbook),
        )


def _now(request: HttpRequest) -> dict[str, Any]:
    """Return what is read at the moment of the request."""
    config = get_config()
    report = build_report(config)
    stream = report.observations.stream
    found: list[Card] = cards(report)
    return {
        "now": database_now() if isinstance(stream, Away) else stream.now,
        "checked_at": checked_at(report),
        "report": report,
        "trend": None if report.trend is None else f"{report.trend:+.1f}".replace("-", MINUS),
        "outlook": outlook_lines(report),
        "sentence": sentence(report, found),
        "worst_group": None if report.status is Status.PASS else worst_group(report.checks),
        "wrong": list(_check_cards(report)),
        "passing": [check for check in report.checks if check.status is Status.PASS],
        "cards": found,
        "queues": _queues(report, config.health.trusted_seconds),
        "flower_url": _flower(request, config.web.flower_port),
        "may_poll": request.user.has_perm(POLLS),
        "may_override": request.user.has_perm(OVERRIDES),
    }


def _history() -> dict[str, Any]:
    """Return what the snapshots of the past hours say."""
    now = database_now()
    letters = DeadLetter.objects.filter(status=LetterStatus.NEW).count()
    return {"history": history.history(get_config(), now, letters), "history_at": now}


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue: its messages, how long the oldest waits, and the workers that take from it."""

    name: str
    messages: int
    oldest: str
    workers: str


def _queues(report: HealthReport, trusted: float) -> list[QueueLine]:
    facts = report.observations.redis
    if isinstance(facts, Away):
        return []
    return [
        QueueLine(
            name,
            queue.messages,
            spoken(queue.oldest_seconds) if queue.messages else ABSENT,
            _workers(report.observations, name, trusted),
        )
        for name, queue in facts.queues.items()
    ]


def _workers(observations: Observations, queue: str, trusted: float) -> str:
    """Return the number of a queue's workers; the last one known if they were not asked lately."""
    if (
        observations.workers is None
        or observations.workers_seconds is None
        or queue not in observations.workers
    ):
        return "not known"
    count = observations.workers[queue]
    if observations.workers_seconds > trusted:
        return f"not known; {count} were {spoken(observations.workers_seconds)} ago"
    return str(count)


def _flower(request: HttpRequest, port: int) -> str:
    """Return the address of Flower on the host of the request; nothing where that is by https.

    Flower itself has no TLS: a proxy that has will not have it at this port.
    """
    if request.is_secure():
        return ""
    host, colon, digits = request.get_host().rpartition(":")
    name = host if colon and digits.isdecimal() else request.get_host()
    return f"http://{name}:{port}/"
