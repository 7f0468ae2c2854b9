"""The admin pages of the domain; `streaming.admin` and `valuation.admin` add their own."""

from betting.web.admin import (
    accounts,
    events,
    markets,
    matching,
    providers,
    quotes,
    results,
    settings,
)

__all__ = [
    "accounts",
    "events",
    "markets",
    "matching",
    "providers",
    "quotes",
    "results",
    "settings",
]
