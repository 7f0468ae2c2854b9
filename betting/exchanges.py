"""The bookmaker keys that are exchanges, and the part of net winnings that each keeps.

A bookmaker's row is created with these values when a feed first names it; an operator overrules
them in the admin or with `manage.py bookmakers set`. An exchange that publishes no single rate has
None: its prices count in the consensus, and open no edge until an operator sets its commission.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

COMMISSIONS: Mapping[str, float | None] = MappingProxyType(
    {
        # Betfair: 5 % is the market base rate of the usual plan; 2 % on another one, and more for
        # those who win most. betfair.com, "Charges", 2025.
        "betfair_ex": 0.05,
        "betfair_ex_au": 0.05,
        "betfair_ex_eu": 0.05,
        "betfair_ex_uk": 0.05,
        # 2 % of net winnings: smarkets.com "Commission", matchbook.com "Commission", betdaq.com
        # "Commission", 2025.
        "smarkets": 0.02,
        "matchbook": 0.02,
        "betdaq": 0.02,
        # Kalshi takes 0.07·p·(1 − p) of a contract of 1 at the price p, won or lost. A buyer pays
        # p + fee for 1, which is net odds of 1/(p + fee), so the winnings of a contract at 1/p
        # shrink by the factor (1 − 0.07·p)/(1 + 0.07·(1 − p)): by 6.5 % at p → 0 and 7.0 % at
        # p → 1. The larger is used. kalshi.com, "Fee schedule", July 2025.
        "kalshi": 0.07,
        # Exchanges whose rates differ by market, by side, or by account.
        "betdex": None,
        "betopenly": None,
        "novig": None,
        "polymarket": None,
        "prophetx": None,
        "prophet_exchange": None,
        "sporttrade": None,
        "sx_bet": None,
        "sxbet": None,
    }
)
"""Bookmaker key → commission; keys as The Odds API and our own adapters write them."""


def terms_of(key: str) -> tuple[str, float | None]:
    """Return the kind of a bookmaker and its commission, by its key.

    >>> terms_of("smarkets"), terms_of("novig"), terms_of("pinnacle")
    (('exchange', 0.02), ('exchange', None), ('sportsbook', 0.0))
    """
    if key in COMMISSIONS:
        return "exchange", COMMISSIONS[key]
    return "sportsbook", 0.0
