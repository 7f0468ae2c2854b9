"""The pages for bettors."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from betting.admin_base import formatting
from betting.config import get_config
from betting.db.clock import database_now
from betting.models import Event, EventStatus, Market, Outcome
from betting.web.board import edge_page
from betting.web.board.access import for_readers, from_replica
from betting.web.board.edge_rows import best_of_event, board_rows, in_words, readable_edges
from betting.web.board.filters import BEFORE_START, COOKIE, IN_PLAY, Choices
from betting.web.board.history import WINDOWS, history
from betting.web.board.moves import newest_moves
from betting.web.board.odds_grid import charted, grids, market_tabs
from betting.web.board.opportunity_rows import (
    ARBITRAGE,
    KINDS,
    LOW_HOLD,
    MIDDLES,
    event_cards,
    opportunity_rows,
)
from betting.web.board.strip import strip
from betting.web.login import LimitedForm
from betting.words import event_title

TABS = {
    BEFORE_START: "+EV",
    IN_PLAY: "In play",
    ARBITRAGE: "Arbitrage",
    MIDDLES: "Middles",
    LOW_HOLD: "Low hold",
    "moves": "Line moves",
}

_YEAR_SECONDS = 365 * 86_400


@require_safe
@for_readers
@from_replica
def board(request: HttpRequest) -> HttpResponse:
    """Render the board; of a request of its own script, only what changes.

    The choices are in the URL. Without any, those of the last visit are taken.
    """
    remembered = request.COOKIES.get(COOKIE, "")
    if not request.GET and remembered:
        return redirect(f"{request.path}?{remembered}")
    choices = Choices(request)
    context = {**_page(request, choices), **_tab(request, choices)}
    template = "board/rows.html" if context["is_update"] else "board/board.html"
    response = _rendered(request, choices, template, context)
    response.set_cookie(
        COOKIE,
        _address(request, tab=None, rows=None),
        max_age=_YEAR_SECONDS,
        httponly=True,
        samesite="Lax",
    )
    return response


def _tab(request: HttpRequest, choices: Choices) -> dict[str, Any]:
    tab = request.GET.get("tab", BEFORE_START)
    tab = tab if tab in TABS else BEFORE_START
    loaded = f"{choices.loaded_at.timestamp():.3f}"
    context = {
        "tab": tab,
        "tabs": _tabs(request),
        "update_address": f"/?{_address(request, loaded=loaded)}",
        "chips": [
            (words, f"/?{_address(request, **{name: None})}") for words, name in choices.chosen_more
        ],
        "form": choices.form,
        "is_of_edges": tab in {BEFORE_START, IN_PLAY},
        "is_of_opportunities": tab in KINDS,
    }
    if tab == "moves":
        return {**context, "moves": newest_moves(choices)}
    if tab in KINDS:
        found, has_more = opportunity_rows(choices, tab)
        policy = get_config().valuation
        return {
            **context,
            "opportunities": found,
            **_more(request, choices, has_more=has_more),
            "max_middle_cost": formatting.percent(policy.max_middle_cost, 0),
            "suspicious_ev": formatting.percent(policy.suspicious_ev, 0),
            "max_low_hold": formatting.percent(policy.max_low_hold, 0),
        }
    rows, has_more = board_rows(choices, tab)
    return {**context, "rows": rows, **_more(request, choices, has_more=has_more)}


def _more(request: HttpRequest, choices: Choices, *, has_more: bool) -> dict[str, Any]:
    """Return whether there are more rows, and where they are, unless the list is full."""
    more = choices.more_rows
    address = f"/?{_address(request, rows=str(choices.rows + more))}" if more else ""
    return {"has_more": has_more, "more": more, "more_address": address}


def _tabs(request: HttpRequest) -> list[tuple[str, str, str]]:
    """Return the tabs: name, title and address."""
    return [
        (name, title, f"/?{_address(request, tab=name, rows=None)}") for name, title in TABS.items()
    ]


def _address(request: HttpRequest, **changed: str | None) -> str:
    """Return the query of a request with some choices changed, or left out where None."""
    query = request.GET.copy()
    for name, value in {"loaded": None, **changed}.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = value
    return query.urlencode()


@require_safe
@for_readers
@from_replica
def event(request: HttpRequest, event_id: int) -> HttpResponse:
    """Render an event: the odds of one of its markets, and their history."""
    found = get_object_or_404(Event.objects.select_related("sport"), pk=event_id)
    choices = Choices.off_the_board(request)
    tabs = market_tabs(found)
    chosen = request.GET.get("market", "")
    # Nothing has an id of more digits than 19, and Python refuses to read a number of thousands.
    market_id = int(chosen[:20]) if chosen.isdecimal() else (tabs[0].id if tabs else 0)
    market = (
        get_object_or_404(Market.objects.select_related("event__sport"), pk=market_id, event=found)
        if tabs
        else None
    )
    lines = grids(market, choices) if market else []
    context = {
        **_page(request, choices),
        "event": found,
        "title": event_title(found),
        "is_live": found.status == EventStatus.LIVE,
        "has_ended": found.status == EventStatus.ENDED,
        "tabs": tabs,
        "market": market,
        "grids": lines,
        "charted": charted(lines),
        "best_bet": best_of_event(found, choices),
        "cards": event_cards(found, choices),
        "windows": WINDOWS,
    }
    template = "board/grids.html" if context["is_update"] else "board/event.html"
    return _rendered(request, choices, template, context)


@require_safe
@for_readers
@from_replica
def price_history(request: HttpRequest, outcome_id: int) -> HttpResponse:
    """Return the history of an outcome's odds as JSON, for the chart."""
    outcome = get_object_or_404(Outcome.objects.select_related("market"), pk=outcome_id)
    window = request.GET.get("window", "")
    found = history(outcome, window if window in WINDOWS else "1h", database_now())
    return JsonResponse(
        {
            "books": found.books,
            "fair": found.fair,
            "major_moves": found.major_moves,
            "until": found.until,
        }
    )


@require_safe
@for_readers
@from_replica
def edge(request: HttpRequest, edge_id: int) -> HttpResponse:
    """Render an edge: the bet, what it is worth, and what each bookmaker thinks of it."""
    found = get_object_or_404(readable_edges(), pk=edge_id)
    choices = Choices.off_the_board(request)
    (row,) = in_words([found], choices)
    context = {
        **_page(request, choices),
        "edge": found,
        "row": row,
        "opened": edge_page.opening(found, choices),
        "closed": edge_page.at_the_close(found),
        "opinions": edge_page.opinions(found, choices),
        "windows": WINDOWS,
    }
    return _rendered(request, choices, "board/edge.html", context)


class BoardLogin(LoginView):
    """The login of bettors; it limits failed attempts as the admin's does."""

    template_name = "board/login.html"
    authentication_form = LimitedForm
    redirect_authenticated_user = True


def _page(request: HttpRequest, choices: Choices) -> dict[str, Any]:
    """Return what every page shows."""
    return {
        "strip": strip(),
        "choices": choices,
        "is_update": bool(request.headers.get("HX-Request")),
        # An alert that comes anew every two seconds is read out every two seconds.
        "is_by_clock": request.headers.get("HX-Trigger") == "list",
    }


def _rendered(
    request: HttpRequest, choices: Choices, template: str, context: dict[str, Any]
) -> HttpResponse:
    """Render a template with times in the reader's zone."""
    with timezone.override(choices.zone):
        return render(request, template, context)
