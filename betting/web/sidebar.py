"""The admin's sidebar: what people come for, then the lists behind it; each entry as permitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from betting.config import get_config
from betting.db.clock import database_now
from betting.web.board.strip import CHECKED_SECONDS
from streaming.models import DeadLetter, HealthSnapshot, HealthStatus, LetterStatus
from streaming.polling.circuits import unhealthy_circuits

MAX_COUNTED = 99
"""The most that a badge counts."""

Entry = dict[str, Any]
Badge = tuple[str, str] | None
"""The text of a badge and its colour; None where there is nothing to say."""

INTERNALS = {
    "valuation_edge": ("Edges", "trending_up"),
    "valuation_opportunity": ("Opportunities", "join_inner"),
    "valuation_fairprice": ("Fair prices", "balance"),
    "valuation_closingprice": ("Closing prices", "flag_circle"),
    "valuation_closingquote": ("Closing quotes", "sports_score"),
    "valuation_edgeclosing": ("Edges at the close", "fact_check"),
    "valuation_result": ("Results", "scoreboard"),
    "valuation_settlement": ("Settlements", "paid"),
    "betting_market": ("Markets", "storefront"),
    "betting_outcome": ("Outcomes", "flag"),
    "betting_quote": ("Quotes", "sell"),
    "betting_rivalquote": ("Rival quotes", "compare_arrows"),
    "betting_linechange": ("Line changes", "timeline"),
    "streaming_healthsnapshot": ("Health history", "ecg_heart"),
    "betting_settingchange": ("Setting changes", "manage_history"),
    "betting_feedbookmaker": ("Bookmakers of feeds", "hearing"),
    "streaming_pollrun": ("Poll runs", "sync"),
    "valuation_recomputerun": ("Recompute runs", "calculate"),
    "valuation_revaluation": ("Revaluations", "restart_alt"),
    "valuation_appliedpolicy": ("Applied policy", "policy"),
    "streaming_webhooksubscriber": ("Webhooks", "webhook"),
    "streaming_alertsubscriber": ("Alerts", "notifications_active"),
    "streaming_alert": ("Alerts sent", "mark_chat_read"),
    "streaming_subscriberrecord": ("Subscribers", "notifications"),
    "streaming_deliveryrun": ("Deliveries", "send"),
    "betting_doubtfulmatch": ("Doubtful matches", "help"),
    "betting_eventalias": ("Event aliases", "badge"),
    "betting_participantalias": ("Participant aliases", "translate"),
    "betting_bookmaker": ("Bookmakers", "account_balance"),
    "betting_sport": ("Sports", "sports"),
    "django_celery_results_taskresult": ("Task results", "task"),
    "django_celery_results_groupresult": ("Task groups", "workspaces"),
    "auth_user": ("Users", "person"),
    "auth_group": ("Groups", "group"),
}
"""The lists that are folded: app and model → title and icon."""


def navigation(request: HttpRequest) -> list[Entry]:
    """Return the sidebar's groups for a request."""
    return [
        {
            "items": [
                _board("Board", "space_dashboard", ""),
                _list(request, "betting_event", "Events", "event"),
                _board("Arbitrage", "join_inner", "arbitrage"),
                _board("Moves", "swap_vert", "moves"),
                _list(
                    request,
                    "valuation_edgeclosing",
                    "Closing line value",
                    "price_check",
                    page="clv_page",
                ),
            ]
        },
        {
            "separator": True,
            "items": [
                _list(
                    request,
                    "streaming_healthsnapshot",
                    "Health",
                    "monitor_heart",
                    health_badge,
                    "health_page",
                ),
                _list(request, "betting_provider", "Providers", "cloud_download", circuits_badge),
                _list(
                    request,
                    "streaming_deadletter",
                    "Dead letters",
                    "mail_off",
                    letters_badge,
                    "admin:streaming_deadletter_causes",
                ),
                _list(
                    request,
                    "betting_settingchange",
                    "Live settings",
                    "tune",
                    page="admin:live_settings",
                ),
                _entry("Runbook", "menu_book", reverse("document", args=["runbook.md"])),
            ],
        },
        {
            "separator": True,
            "title": "Internals",
            "collapsible": True,
            "items": [_list(request, model, *words) for model, words in INTERNALS.items()],
        },
    ]


def health_badge() -> Badge:
    """Return what the newest health snapshot says, if that is not that all is well."""
    newest = HealthSnapshot.objects.order_by("-id").values_list("status", "taken_at").first()
    if newest is None:
        return None
    status, taken_at = newest
    if (database_now() - taken_at).total_seconds() > CHECKED_SECONDS:
        return "not checked", "danger"
    if status == HealthStatus.PASS:
        return None
    return str(status), "danger" if status == HealthStatus.FAIL else "warning"


def circuits_badge() -> Badge:
    """Return how many providers' circuits refuse calls or are overridden."""
    count = unhealthy_circuits(get_config()).filter(provider__enabled=True)[:MAX_COUNTED].count()
    return (str(count), "danger") if count else None


def letters_badge() -> Badge:
    """Return how many dead letters are new."""
    letters = DeadLetter.objects.filter(status=LetterStatus.NEW).order_by()
    count = letters[: MAX_COUNTED + 1].count()
    text = f"{MAX_COUNTED}+" if count > MAX_COUNTED else str(count)
    return (text, "warning") if count else None


def _entry(title: str, icon: str, link: str) -> Entry:
    return {"title": title, "icon": icon, "link": link}


def _board(title: str, icon: str, tab: str) -> Entry:
    """Return an entry that leads to the board, which is no page of the admin."""
    link = reverse("board:board")
    entry = _entry(title, icon, f"{link}?tab={tab}" if tab else link)
    return {**entry, "active": _never}


def _list(
    request: HttpRequest,
    model: str,
    title: str,
    icon: str,
    badge: Callable[[], Badge] | None = None,
    page: str = "",
) -> Entry:
    """Return an entry for a model's list.

    Args:
        request: whose user sees the entry if they may view the model.
        model: app and model, as in the admin's URL names.
        title: the entry's text.
        icon: its symbol.
        badge: returns what stands beside the text.
        page: the name of the page that it leads to instead of the list.
    """
    entry = _entry(title, icon, reverse(page or f"admin:{model}_changelist"))
    if not _may_view(request, model):
        return entry | {"permission": _never}
    return entry | _badge(badge) if badge else entry


def _badge(badge: Callable[[], Badge]) -> Entry:
    found = badge()
    return {} if found is None else {"badge": found[0], "badge_variant": found[1]}


def _may_view(request: HttpRequest, model: str) -> bool:
    app, _, name = model.rpartition("_")
    actions = ("view", "change")
    return any(request.user.has_perm(f"{app}.{action}_{name}") for action in actions)


def _never(_request: HttpRequest) -> bool:
    return False
