"""The page of dead letters by cause, where all letters of a cause are replayed or discarded."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from betting.admin_base.action_forms import ReasonForm, question_page
from betting.admin_base.unfold_types import ThemedAdmin
from streaming.dead_letters import causes, replay
from streaming.models import DeadLetter

CAUSES_PER_PAGE = 25
NAME = "streaming_deadletter_causes"


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, model_admin: ThemedAdmin) -> HttpResponse:
    """Render the causes, those with open letters by default; carry out an action that is posted."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if request.method == "POST":
        return _act(request, model_admin)
    shows_all = request.GET.get("show") == "all"
    letters = DeadLetter.objects.all() if shows_all else DeadLetter.objects.filter(causes.OPEN)
    shown = Paginator(causes.grouped(letters), CAUSES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **admin.site.each_context(request),
        "title": "Dead letters",
        "causes": causes.in_words(list(shown)),
        "page": shown,
        "shows_all": shows_all,
        "may_decide": may_decide(request),
    }
    return TemplateResponse(request, "streaming/letter_causes.html", context)


def may_decide(request: HttpRequest) -> bool:
    """Return True for users who may change letters: they may also replay or discard them."""
    return request.user.has_perm("streaming.change_deadletter")


def report_replays(request: HttpRequest, chosen: int, asked: int) -> None:
    """Say on the next page how many of the chosen letters will be replayed, and why not all."""
    words = f"{asked} will be replayed"
    if left := chosen - asked:
        words += (
            f"; {left} not: being replayed already, without a task, or without all of the"
            " arguments (replay those one by one, edited)"
        )
    messages.add_message(request, messages.WARNING if left else messages.SUCCESS, words)


def _act(request: HttpRequest, model_admin: ThemedAdmin) -> HttpResponse:
    """Replay or discard all open letters of the cause that the request names."""
    if not may_decide(request):
        raise PermissionDenied
    key, act = request.POST.get("cause", ""), request.POST.get("act")
    letters = causes.of_cause(key).filter(causes.OPEN)
    if act == "replay":
        _replay(request, letters)
    elif act == "discard":
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            newest = causes.with_subscriber(letters).first()
            about = [] if newest is None else [f"{causes.sentence(newest)} ({letters.count()})"]
            sent_again = [("cause", key), ("act", act)]
            return question_page(request, model_admin, "Discard", form, about, sent_again)
        count = replay.discard(letters, request.user.get_username(), form.cleaned_data["reason"])
        messages.success(request, f"{count} discarded")
    else:
        return HttpResponseBadRequest("The act is replay or discard.")
    return redirect(f"admin:{NAME}")


def _replay(request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
    chosen = letters.count()
    report_replays(request, chosen, replay.request_replays(letters, request.user.get_username()))
