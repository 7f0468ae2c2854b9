"""The admin's look and its sidebar. The settings import this module: it uses no models."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def _list(title: str, icon: str, model: str) -> dict[str, Any]:
    """Return a sidebar entry; `model` is spelled ``app_model``, as in the admin's URL names."""
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}


def _tab(title: str, name: str) -> dict[str, Any]:
    """Return a tab; it is active on the page itself alone."""

    def is_active(request: HttpRequest) -> bool:
        return request.path == reverse(f"admin:{name}")

    return {"title": title, "link": reverse_lazy(f"admin:{name}"), "active": is_active}


_LETTER_MODELS = (
    "streaming.deadletter",
    "streaming.deadletteraction",
    "streaming.deadlettereviction",
    "streaming.deadletteroccurrence",
)
_LETTER_TABS: dict[str, Any] = {
    "page": "dead_letters",
    "models": [*_LETTER_MODELS, *({"name": name, "detail": True} for name in _LETTER_MODELS)],
    "items": [
        _tab("By cause", "streaming_deadletter_causes"),
        _tab("All letters", "streaming_deadletter_changelist"),
        _tab("Actions", "streaming_deadletteraction_changelist"),
        _tab("Evicted", "streaming_deadlettereviction_changelist"),
        _tab("Counted failures", "streaming_deadletteroccurrence_changelist"),
    ],
}
"""The lists of dead letters, which share one entry of the sidebar."""


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Hardline",
    "SITE_HEADER": "Hardline",
    "SITE_SYMBOL": "show_chart",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("board/icon.svg"),
        }
    ],
    "DASHBOARD_CALLBACK": "streaming.admin.operations.views.dashboard",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda _request: static("theme/admin.css")],
    "TABS": [_LETTER_TABS],
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": "Value",
                "items": [
                    _list("Edges", "trending_up", "valuation_edge"),
                    _list("Opportunities", "join_inner", "valuation_opportunity"),
                    _list("Fair prices", "balance", "valuation_fairprice"),
                ],
            },
            {
                "title": "Prices",
                "items": [
                    _list("Events", "event", "betting_event"),
                    _list("Markets", "storefront", "betting_market"),
                    _list("Quotes", "sell", "betting_quote"),
                    _list("Rival quotes", "compare_arrows", "betting_rivalquote"),
                    _list("Line changes", "timeline", "betting_linechange"),
                ],
            },
            {
                "title": "Stream",
                "items": [
                    {
                        "title": "Health",
                        "icon": "monitor_heart",
                        "link": reverse_lazy("health_page"),
                    },
                    _list("Health history", "ecg_heart", "streaming_healthsnapshot"),
                    {
                        "title": "Live settings",
                        "icon": "tune",
                        "link": reverse_lazy("admin:live_settings"),
                    },
                    _list("Providers", "cloud_download", "betting_provider"),
                    _list("Circuits", "electrical_services", "streaming_circuit"),
                    _list("Feeds that polls ask for", "rss_feed", "streaming_feedcircuit"),
                    _list("Circuit history", "history", "streaming_circuittransition"),
                    _list("Feeds", "rss_feed", "betting_feed"),
                    _list("Bookmakers of feeds", "hearing", "betting_feedbookmaker"),
                    _list("Poll runs", "sync", "streaming_pollrun"),
                    _list("Doubtful matches", "help", "betting_doubtfulmatch"),
                    _list("Recompute runs", "calculate", "valuation_recomputerun"),
                    _list("Webhooks", "webhook", "streaming_webhooksubscriber"),
                    _list("Subscribers", "notifications", "streaming_subscriberrecord"),
                    _list("Deliveries", "send", "streaming_deliveryrun"),
                    {
                        "title": "Dead letters",
                        "icon": "mail_off",
                        "link": reverse_lazy("admin:streaming_deadletter_causes"),
                    },
                    _list("Task results", "task", "django_celery_results_taskresult"),
                ],
            },
            {
                "title": "Reference",
                "collapsible": True,
                "items": [
                    _list("Bookmakers", "account_balance", "betting_bookmaker"),
                    _list("Sports", "sports", "betting_sport"),
                    _list("Event aliases", "badge", "betting_eventalias"),
                    _list("Participant aliases", "translate", "betting_participantalias"),
                    _list("Outcomes", "flag", "betting_outcome"),
                    _list("Task groups", "workspaces", "django_celery_results_groupresult"),
                ],
            },
            {
                "title": "Access",
                "collapsible": True,
                "items": [
                    _list("Users", "person", "auth_user"),
                    _list("Groups", "group", "auth_group"),
                ],
            },
        ],
    },
}
