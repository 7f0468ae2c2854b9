"""The admin's page of closing line value: whether the edges beat the close, and which do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from betting import words
from betting.admin_base import formatting
from betting.db.clock import database_now
from betting.models import Market, Sport
from valuation.closes.statistics import (
    ENOUGH,
    Choice,
    ClvSummary,
    CurvePoint,
    cumulated,
    summaries,
)

SEES = "valuation.view_edgeclosing"
"""The permission to see the page."""

DEFAULT_DAYS = 90

TITLES = {
    "bookmaker": "Bookmaker",
    "sport": "Sport",
    "kind": "Market",
    "ev": "EV when it opened",
    "hours": "Opened before the start",
    "age": "Open for",
}
"""Grouping → the heading of its table."""

WIDTH, HEIGHT = 720.0, 160.0
"""The size of the chart, in its own units."""


class ClvForm(forms.Form):
    """The choices above the tables."""

    days = forms.TypedChoiceField(
        label="Closes of the past",
        coerce=int,
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "year")],
        required=False,
    )
    price = forms.ChoiceField(
        label="Bet at",
        choices=[("opened", "the opening price"), ("best", "the best price")],
        required=False,
    )
    judge = forms.ChoiceField(
        label="Judged by",
        choices=[("consensus", "the other bookmakers"), ("anchor", "a sharp bookmaker")],
        required=False,
    )
    sport = forms.ModelChoiceField(
        Sport.objects.order_by("title"), to_field_name="key", required=False, empty_label="all"
    )
    doubtful = forms.BooleanField(label="with doubtful edges", required=False)

    def choice(self, now: datetime) -> Choice:
        """Return the edges that are asked for; the default ones for what is no choice."""
        self.is_valid()
        given = self.cleaned_data
        sport: Sport | None = given.get("sport")
        return Choice(
            since=now - timedelta(days=given.get("days") or DEFAULT_DAYS),
            price=given.get("price") or "opened",
            judge=given.get("judge") or "consensus",
            sport="" if sport is None else sport.key,
            doubtful=given.get("doubtful", False),
        )


@dataclass(frozen=True, slots=True)
class ClvRow:
    """A class of edges in words."""

    title: str
    edges: str
    events: str
    mean: str
    error: str
    beats_close: str
    claimed: str
    is_losing: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The cumulated CLV and the EV that was claimed, as SVG's polylines have them.

    Attributes:
        clv: its points.
        claimed: those of the claimed EV.
        zero: the height of zero.
        highest, lowest: the figures at the top and at the bottom, in words.
        begins, ends: the first and the last start.
        description: the chart in words.
    """

    clv: str
    claimed: str
    zero: float
    highest: str
    lowest: str
    begins: datetime
    ends: datetime
    description: str


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Render the page."""
    if not request.user.has_perm(SEES):
        raise PermissionDenied
    form = ClvForm({"days": DEFAULT_DAYS, **request.GET.dict()})
    choice = form.choice(database_now())
    total = summaries(choice)
    context = {
        **admin.site.each_context(request),
        "title": "Closing line value",
        "form": form,
        "total": _row(total[0]) if total else None,
        "tables": [
            (title, [_row(each, grouping) for each in summaries(choice, grouping)])
            for grouping, title in TITLES.items()
        ]
        if total
        else [],
        "chart": chart(cumulated(choice)),
        "enough": ENOUGH,
    }
    return TemplateResponse(request, "betting/clv.html", context)


def _row(summary: ClvSummary, grouping: str = "") -> ClvRow:
    error = summary.standard_error
    title = summary.title
    if grouping == "kind":
        title = words.market_title(Market(kind=summary.key), "")
    return ClvRow(
        title=title,
        edges=f"{summary.count:,}",
        events=f"{summary.events:,}",
        mean=words.signed_percent(summary.mean),
        error=formatting.ABSENT if error is None else f"±{formatting.percent(error)}",
        beats_close=formatting.percent(summary.beats_close, 0),
        claimed=words.signed_percent(summary.claimed_ev),
        is_losing=summary.is_losing,
    )


def chart(curve: Sequence[CurvePoint]) -> Chart | None:
    """Return the chart of a curve; None for an empty one."""
    if not curve:
        return None
    values = [0.0, *(value for point in curve for value in (point.total, point.claimed))]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def height(value: float) -> float:
        return round(HEIGHT - 2 - (value - low) / span * (HEIGHT - 4), 1)

    def line(ends: Sequence[float]) -> str:
        step = WIDTH / len(ends)
        points = [f"0,{height(0.0)}"]
        points += [f"{place * step:.1f},{height(end)}" for place, end in enumerate(ends, 1)]
        return " ".join(points)

    last = curve[-1]
    return Chart(
        clv=line([point.total for point in curve]),
        claimed=line([point.claimed for point in curve]),
        zero=height(0.0),
        highest=f"{high:+.2f}".replace("-", words.MINUS),
        lowest=f"{low:+.2f}".replace("-", words.MINUS),
        begins=curve[0].at,
        ends=last.at,
        description=f"Cumulated CLV: {last.total:+.2f} units, of {last.claimed:+.2f} claimed",
    )
