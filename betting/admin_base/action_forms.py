"""Actions that need a reason or more: a page between the list and the action asks for it."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from betting.admin_base.unfold_types import ThemedAdmin
from streaming.core.texts import one_line

MAX_REASON_CHARS = 300


class ReasonForm(forms.Form):
    """The reason of an action, which is stored with the action and its user."""

    reason = forms.CharField(
        label="Why?", max_length=MAX_REASON_CHARS, widget=UnfoldAdminTextInputWidget()
    )

    def clean_reason(self) -> str:
        """Return the reason as one line that has visible text."""
        reason = one_line(self.cleaned_data["reason"], MAX_REASON_CHARS)
        if not reason:
            raise forms.ValidationError("Enter a reason.")
        return reason


def ask_reason(
    pages: ThemedAdmin, request: HttpRequest, rows: QuerySet[Model], title: str
) -> str | TemplateResponse:
    """Return the reason that was given for an action, or the page that asks for it.

    Args:
        pages: the model's pages, whose action it is.
        request: the action's request, sent by the list or by the page.
        rows: the rows that were selected.
        title: what the action does, e.g. "Force open".
    """
    was_asked = "reason" in request.POST
    form = ReasonForm(request.POST if was_asked else None)
    if was_asked and form.is_valid():
        reason: str = form.cleaned_data["reason"]
        return reason
    return question(pages, request, rows, title, form)


def question(
    pages: ThemedAdmin,
    request: HttpRequest,
    rows: QuerySet[Model],
    title: str,
    form: forms.Form,
) -> TemplateResponse:
    """Return the page that asks for an action's input and sends the action again with it.

    Args:
        pages: the model's pages, whose action it is.
        request: the action's request, sent by the list or by the page.
        rows: the rows that were selected.
        title: what the action does.
        form: the questions, with the errors of the last answer.
    """
    selected = [(ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)]
    across = request.POST.get("select_across", "0")
    sent_again = [("action", request.POST["action"]), ("select_across", across), *selected]
    return question_page(request, pages, title, form, rows, sent_again)


def question_page(
    request: HttpRequest,
    pages: ThemedAdmin,
    title: str,
    form: forms.Form,
    about: Iterable[object],
    sent_again: Iterable[tuple[str, str]] = (),
    back: str = ".",
) -> TemplateResponse:
    """Return a page that asks for an action's input and posts it to its own address.

    Args:
        request: the action's request.
        pages: the model's pages, whose action it is.
        title: what the action does.
        form: the questions; a form without fields asks for a confirmation.
        about: what it is done to.
        sent_again: the request's own fields, which the page posts with the input.
        back: the address of the page to return to.
    """
    context = {
        **admin.site.each_context(request),
        "title": title,
        "form": form,
        "rows": about,
        "opts": pages.opts,
        "sent_again": sent_again,
        "back": back,
    }
    return TemplateResponse(request, "betting/question.html", context)
