"""The admin's look and its tabs. The settings import this module: it uses no models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


def _tab(title: str, name: str) -> dict[str, Any]:
    """Return a tab, for users who may view its model; it is active on the page itself alone.

    Args:
        title: the tab's text.
        name: its page, as in the admin's URL names: app, model and kind of page.
    """
    app, model, _ = name.rsplit("_", 2)

    def is_active(request: HttpRequest) -> bool:
        return request.path == reverse(f"admin:{name}")

    def is_permitted(request: HttpRequest) -> bool:
        return request.user.has_perm(f"{app}.view_{model}")

    return {
        "title": title,
        "link": reverse(f"admin:{name}"),
        "active": is_active,
        "permission": is_permitted,
    }


def _tabs(models: Sequence[str], items: Sequence[dict[str, Any]], page: str = "") -> dict[str, Any]:
    """Return tabs that the lists and pages of some models share.

    Args:
        models: the models, spelled ``app.model``.
        items: the tabs.
        page: the name by which a page that is no model's asks for them.
    """
    pages = ({"name": name, "detail": True} for name in models)
    return {"page": page, "models": [*models, *pages], "items": items}


@cache
def _all_tabs() -> list[dict[str, Any]]:
    return [
        _tabs(
            [
                "streaming.deadletter",
                "streaming.deadletteraction",
                "streaming.deadlettereviction",
                "streaming.deadletteroccurrence",
            ],
            [
                _tab("By cause", "streaming_deadletter_causes"),
                _tab("Likely causes", "streaming_deadletter_patterns"),
                _tab("All letters", "streaming_deadletter_changelist"),
                _tab("Actions", "streaming_deadletteraction_changelist"),
                _tab("Evicted", "streaming_deadlettereviction_changelist"),
                _tab("Counted failures", "streaming_deadletteroccurrence_changelist"),
            ],
            page="dead_letters",
        ),
        _tabs(
            [
                "betting.provider",
                "streaming.circuit",
                "streaming.feedcircuit",
                "streaming.circuittransition",
                "betting.feed",
            ],
            [
                _tab("Providers", "betting_provider_changelist"),
                _tab("Circuits", "streaming_circuit_changelist"),
                _tab("Polled feeds", "streaming_feedcircuit_changelist"),
                _tab("Circuit history", "streaming_circuittransition_changelist"),
                _tab("Answered feeds", "betting_feed_changelist"),
            ],
        ),
    ]


def tabs(_request: HttpRequest) -> list[dict[str, Any]]:
    """Return the tabs of all pages; Unfold chooses those of a page from them.

    It compares the address of each with that of every entry of the sidebar, so that lazy ones would
    be looked up some eight hundred times a page.
    """
    return _all_tabs()


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
    "TABS": tabs,
    "COMMAND": {"search_callback": "betting.web.search.found"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "betting.web.sidebar.navigation",
    },
}
