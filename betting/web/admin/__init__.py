"""The admin pages of the domain and of its value; `streaming.admin` adds its own."""

from betting.web.admin import (
    accounts,
    closes,
    events,
    markets,
    matching,
    opportunities,
    providers,
    quotes,
    results,
    settings,
    value,
)

__all__ = [
    "accounts",
    "closes",
    "events",
    "markets",
    "matching",
    "opportunities",
    "providers",
    "quotes",
    "results",
    "settings",
    "value",
]
